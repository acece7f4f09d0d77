//! A library, opened in memory of its own.

use std::io;
use std::path::Path;

use dyninka::border::Kind;
use protocol::replay;

use super::call;
use crate::library::{LoadError, Loaded, copy, words};

/// A library that is ready to run.
pub(super) struct Slot {
    pub(super) library: Loaded,
}

/// A library that cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum SlotError {
    #[error("{0}")]
    Copy(io::Error),
    #[error("{0}")]
    Load(#[from] LoadError),
}

impl Slot {
    /// Opens a copy of a library.
    pub(super) fn load(file: &Path, service: &str) -> Result<(Self, replay::Loaded), SlotError> {
        let path = copy::of(file).map_err(SlotError::Copy)?;
        let (library, description) = Loaded::load(&path, service, call::TABLE)?;
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
