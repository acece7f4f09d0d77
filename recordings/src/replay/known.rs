//! What does more than compute, as far as it was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// Versions that were stopped, and by what: they are not run a second time. Clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<Mutex<BTreeMap<String, String>>>);

/// Versions that are remembered: more than a session of weeks has that still run.
const MOST: usize = 4096;

impl Known {
    /// What a version (`name@hash`) does, where it was stopped.
    pub fn deed(&self, version: &str) -> Option<String> {
        self.lock().get(version).cloned()
    }

    pub(super) fn stopped(&self, version: &str, deed: &str) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(version.to_owned(), deed.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock()
    }
}
