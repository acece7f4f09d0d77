//! Which cluster an app was pushed to under which context: the wrong one is noticed before anything is changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::access::Access;
use super::error::ClusterError;
use super::identity::Identity;

/// What is remembered of clusters, in one file.
#[derive(Debug)]
pub struct Pins {
    file: PathBuf,
    known: Known,
}

/// How an app and the cluster behind a context know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// It was never pushed there.
    New,
    /// It is the cluster it was pushed to before.
    Known,
}

/// By app, then by context.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[serde(default)]
    apps: BTreeMap<String, BTreeMap<String, Identity>>,
}

impl Pins {
    /// Reads what is remembered in a file; nothing where there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is not what was written.
    pub fn open(file: &Path) -> Result<Self, ClusterError> {
        let fault = |why: String| ClusterError::Pins { doing: "read", file: file.to_owned(), why };
        let known = match fs::read(file) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| fault(error.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Known::default(),
            Err(error) => return Err(fault(error.to_string())),
        };
        Ok(Self { file: file.to_owned(), known })
    }

    /// Whether the cluster is the one that an app was pushed to under its context.
    ///
    /// # Errors
    /// It is another one: [`ClusterError::OtherCluster`].
    pub fn check(&self, app: &str, access: &Access) -> Result<Pinned, ClusterError> {
        let Some(pinned) = self.known.apps.get(app).and_then(|contexts| contexts.get(&access.context)) else {
            return Ok(Pinned::New);
        };
        if *pinned == access.identity {
            return Ok(Pinned::Known);
        }
        Err(ClusterError::OtherCluster {
            context: access.context.clone(),
            found: Box::new(access.identity.clone()),
            pinned: Box::new(pinned.clone()),
        })
    }

    /// Whether an app that was pushed from here was pushed under this very context, or to this cluster under another.
    ///
    /// # Errors
    /// It was pushed to others alone: [`ClusterError::NotPushedThere`].
    pub fn check_known(&self, app: &str, access: &Access) -> Result<(), ClusterError> {
        let Some(contexts) = self.known.apps.get(app).filter(|contexts| !contexts.is_empty()) else { return Ok(()) };
        if contexts.contains_key(&access.context) || contexts.values().any(|identity| *identity == access.identity) {
            return Ok(());
        }
        let known = contexts.keys().cloned().collect();
        Err(ClusterError::NotPushedThere { context: access.context.clone(), known })
    }

    /// Remembers the cluster for an app.
    ///
    /// # Errors
    /// The file cannot be written, or another push pinned another cluster meanwhile.
    pub fn pin(&mut self, app: &str, access: &Access) -> Result<(), ClusterError> {
        self.change(|known| {
            let contexts = known.apps.entry(app.to_owned()).or_default();
            contexts.entry(access.context.clone()).or_insert_with(|| access.identity.clone());
        })?;
        self.check(app, access).map(drop)
    }

    /// Has every app take the cluster for the one its context means; answers how many meant another.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn trust(&mut self, access: &Access) -> Result<usize, ClusterError> {
        self.change(|known| {
            let pinned = known.apps.values_mut().filter_map(|contexts| contexts.get_mut(&access.context));
            let others = pinned.filter(|pinned| **pinned != access.identity);
            others.map(|pinned| *pinned = access.identity.clone()).count()
        })
    }

    /// Takes over what another file remembers, where this one knows nothing of it.
    ///
    /// # Errors
    /// Either file cannot be read, or this one not be written.
    pub fn absorb(&mut self, other: &Path) -> Result<(), ClusterError> {
        let other = Self::open(other)?.known;
        self.change(|known| {
            for (app, contexts) in other.apps {
                let mine = known.apps.entry(app).or_default();
                for (context, identity) in contexts {
                    mine.entry(context).or_insert(identity);
                }
            }
        })
    }

    /// Changes what is remembered by now: whoever else changes it at the same time waits, and loses nothing.
    fn change<T>(&mut self, change: impl FnOnce(&mut Known) -> T) -> Result<T, ClusterError> {
        let fault =
            |error: io::Error| ClusterError::Pins { doing: "write", file: self.file.clone(), why: error.to_string() };
        let lock = self.file.with_added_extension("lock");
        let lock = fs::File::options().create(true).truncate(false).write(true).open(lock).map_err(fault)?;
        lock.lock().map_err(fault)?;
        let mut known = Self::open(&self.file)?.known;
        let before = serde_json::to_vec_pretty(&known).map_err(|error| fault(error.into()))?;
        let answer = change(&mut known);
        let after = serde_json::to_vec_pretty(&known).map_err(|error| fault(error.into()))?;
        if before != after {
            // Renamed into place: whoever reads sees the old or the new. Nobody else writes while it is locked.
            let beside = self.file.with_added_extension("new");
            fs::write(&beside, after).and_then(|()| fs::rename(&beside, &self.file)).map_err(fault)?;
        }
        self.known = known;
        Ok(answer)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn pushes_at_once_lose_no_pin_of_each_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clusters.json");
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (file, start) = (&file, &start);
                scope.spawn(move || {
                    let mut pins = Pins::open(file).unwrap();
                    start.wait();
                    for round in 0..5 {
                        let identity = Identity::Uid(number.to_string());
                        let app = format!("app-{number}-{round}");
                        pins.change(|known| known.apps.entry(app).or_default().insert("here".to_owned(), identity))
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(Pins::open(&file).unwrap().known.apps.len(), 40);
    }
}
