//! How a pool is made.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::slots::ScalePolicy;

/// What a pool starts, and how much of it.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The program that jails itself: `dyn`.
    pub program: PathBuf,
    /// What it is started with; the bytes of memory that a run may have follow.
    pub command: Vec<OsString>,
    /// Processes at most.
    pub most: usize,
    /// Bytes of memory that a run may have at most.
    pub memory: u64,
    /// How many processes there are.
    pub policy: ScalePolicy,
}

impl PoolSettings {
    /// What a pool of this very `dyn` starts, also once its file was replaced by a newer one.
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
