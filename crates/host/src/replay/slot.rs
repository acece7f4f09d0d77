//! A library, opened in memory of its own.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use dyninka::border::Kind;
use protocol::replay;
use rustix::fs::{MemfdFlags, memfd_create};

use super::call;
use crate::library::{LoadError, Loaded, words};

/// A library that is ready to run.
pub(super) struct Slot {
    pub(super) library: Loaded,
}

/// A library that cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum SlotError {
    #[error("{0}")]
    Read(io::Error),
    #[error("{0}")]
    Memory(rustix::io::Errno),
    #[error("{0}")]
    Load(#[from] LoadError),
}

impl Slot {
    /// Opens a copy of a library: the loader gives out what it has for the same file, with the state that has by then.
    /// The copy is in memory, so that nothing of it is left behind however the process ends.
    pub(super) fn load(file: &Path, service: &str) -> Result<(Self, replay::Loaded), SlotError> {
        let memory = memfd_create("dyninka-replay", MemfdFlags::CLOEXEC).map_err(SlotError::Memory)?;
        let mut copy = File::from(memory);
        io::copy(&mut File::open(file).map_err(SlotError::Read)?, &mut copy).map_err(SlotError::Read)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd()));
        let (library, description) = Loaded::load(&path, service, call::TABLE)?;
        // The loader knows what is open by its path: another library must never get this one.
        std::mem::forget(copy);
        let states = description.states.into_iter().map(|state| (state.name, state.fingerprint)).collect();
        let told = replay::Loaded { version: description.version, inputs: description.inputs, states };
        Ok((Self { library }, told))
    }

    pub(super) fn restore(&self, name: &str, json: &[u8]) -> Result<(), String> {
        let outcome = self.library.restore(name, json);
        match outcome.kind {
            Kind::Value => Ok(()),
            Kind::Filtered => Err("its type does not serialise".to_owned()),
            _ => Err(words(&outcome.body)),
        }
    }
}
