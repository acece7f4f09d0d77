//! The data server in a pod of the app's namespace.

use std::collections::BTreeMap;

use super::NODE;
use super::wanted::Built;
use crate::settings::{AppSettings, PodServer};

/// What the data server is called among services, which have no hyphens in their names.
pub const DATA: &str = "dyninka-data";
/// Where it answers in its pod, and by its name.
pub const DATA_PORT: u16 = 7070;
/// The folder with its catalog, which outlives its pod.
pub const DATA_CATALOG: &str = "/data";
/// The environment variable with its settings.
pub const DATA_SETTINGS: &str = "DYNINKA_DATA_SETTINGS";
/// The one with the name of the app whose hosts it tells where data is.
pub const DATA_APP: &str = "DYNINKA_DATA_APP";

/// The data server as it is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedData {
    pub server: PodServer,
    /// What tells its program from another.
    pub version: String,
    /// Its image by digest, the one of a node's agent; none where none is made.
    pub image: Option<String>,
    pub pull_policy: String,
}

impl WantedData {
    /// The one that settings ask for.
    pub(super) fn of(settings: &AppSettings, built: &BTreeMap<String, Built>) -> Option<Self> {
        let built = built.get(NODE);
        Some(Self {
            server: settings.pod_stores.as_ref()?.server.clone()?,
            version: built.map(|built| built.version.clone()).unwrap_or_default(),
            image: built.map(|built| built.image.clone()).filter(|image| !image.is_empty()),
            pull_policy: if built.is_some_and(|built| built.is_there) { "Never" } else { "IfNotPresent" }.to_owned(),
        })
    }
}
