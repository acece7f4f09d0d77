//! Settings of a pool.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::slots::ScalePolicy;

/// The program that a pool starts, and bounds of its processes.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The program that jails itself: `dyn`.
    pub program: PathBuf,
    /// Its first arguments; the bytes of memory that a run may have follow.
    pub command: Vec<OsString>,
    /// Processes at most.
    pub most: usize,
    /// Bytes of memory that a run may have at most.
    pub memory: u64,
    /// The policy for the number of processes.
    pub policy: ScalePolicy,
}

impl PoolSettings {
    /// A pool of processes of this very `dyn`, also after its file was replaced by a newer one.
    pub fn of_this_program() -> Self {
        Self::new("/proc/self/exe".into(), &["sandbox"])
    }

    /// A pool as large as it is where nothing says otherwise.
    pub fn new(program: PathBuf, command: &[&str]) -> Self {
        let command = command.iter().map(OsString::from).collect();
        Self { program, command, most: 64, memory: 64 << 20, policy: ScalePolicy::default() }
    }

    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = self.command.clone();
        arguments.push(self.memory.to_string().into());
        arguments
    }
}
