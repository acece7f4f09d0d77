//! Commands on nodes in a build without them: each says so, with the way out.

use std::sync::Arc;

use tokio::sync::watch;

use super::doctor::Finding;
use crate::arguments::Command;
use crate::fault::{Fault, Kind};

pub(crate) fn run(_command: Command) -> Result<(), Fault> {
    Err(Fault::new(Kind::Usage, "this dyn was built without the feature `nodes`")
        .hint("`cargo install --path .` builds dyn with it"))
}

/// What is to be said of the fleet that this machine is in: in none.
pub(super) async fn checked() -> Vec<Finding> {
    Vec::new()
}

/// The fleet of this machine, which nobody can tell of here.
pub(crate) fn watched() -> Option<watch::Receiver<Arc<Vec<String>>>> {
    None
}
