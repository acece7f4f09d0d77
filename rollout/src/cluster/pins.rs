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

    /// Remembers the cluster for an app.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn pin(&mut self, app: &str, access: &Access) -> Result<(), ClusterError> {
        let contexts = self.known.apps.entry(app.to_owned()).or_default();
        contexts.insert(access.context.clone(), access.identity.clone());
        self.write()
    }

    /// Has every app take the cluster for the one its context means; answers how many meant another.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn trust(&mut self, access: &Access) -> Result<usize, ClusterError> {
        let pinned = self.known.apps.values_mut().filter_map(|contexts| contexts.get_mut(&access.context));
        let others = pinned.filter(|pinned| **pinned != access.identity);
        let changed = others.map(|pinned| *pinned = access.identity.clone()).count();
        if changed > 0 {
            self.write()?;
        }
        Ok(changed)
    }

    fn write(&self) -> Result<(), ClusterError> {
        let fault = |why: String| ClusterError::Pins { doing: "write", file: self.file.clone(), why };
        let text = serde_json::to_vec_pretty(&self.known).map_err(|error| fault(error.to_string()))?;
        // Renamed into place: whoever reads sees the old or the new.
        let beside = self.file.with_extension(format!("{}.new", std::process::id()));
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &self.file));
        written.map_err(|error| fault(error.to_string()))
    }
}
