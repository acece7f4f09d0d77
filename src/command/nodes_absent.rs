//! Commands on nodes in a build without them: each says so, with the way out.

#[cfg(feature = "cluster")]
use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(feature = "cluster")]
use kubernetes::settings::NodeTable;
use tokio::sync::watch;

use super::doctor::Finding;
use crate::arguments::Command;
use crate::fault::{Fault, Kind};

pub(crate) fn run(_command: Command) -> Result<(), Fault> {
    Err(refused())
}

fn refused() -> Fault {
    Fault::new(Kind::Usage, "this dyn was built without the feature `nodes`")
        .hint("`cargo install --path .` builds dyn with it")
}

/// An agent of such a build would not start.
#[cfg(feature = "cluster")]
pub(super) fn check(_node: &NodeTable) -> Result<(), Fault> {
    Err(refused())
}

#[cfg(feature = "cluster")]
pub(super) async fn join_for(_token: &str, _name: &str) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    Err(refused())
}

/// What is to be said of the fleet that this machine is in: in none.
pub(super) async fn checked() -> Vec<Finding> {
    Vec::new()
}

/// The fleet of this machine, which nobody can tell of here.
pub(crate) fn watched() -> Option<watch::Receiver<Arc<Vec<String>>>> {
    None
}
