//! The working folder, by its name.

use std::path::PathBuf;

use crate::filter::Identity;

/// The folder that relative names begin at. A process stays in the folder it was started in when that one is moved away
/// or removed, and would read there for ever what nobody edits any more: whoever typed a relative name meant the folder
/// of that name.
#[derive(Debug)]
pub(crate) struct Here {
    name: Option<PathBuf>,
}

impl Here {
    pub(crate) fn find() -> Self {
        Self { name: std::env::current_dir().ok() }
    }

    /// Goes to the folder that has the name now. One that is not there is waited for.
    pub(crate) fn follow(&self) {
        let Some(name) = &self.name else { return };
        let there = Identity::of(name);
        if there.is_some() && there != Identity::of(".".as_ref()) {
            // Refused where the new folder is not ours to enter; then its files cannot be read either, which is told.
            drop(std::env::set_current_dir(name));
        }
    }
}
