//! Commands on clusters in a build without them: each says so, with the way out.

use std::path::PathBuf;
use std::sync::Arc;

use session_api::Snapshot;
use tokio::sync::watch;

use crate::arguments::{Command, Goal};
use crate::fault::{Fault, Kind};

pub(crate) type Pictures = watch::Receiver<Arc<Snapshot>>;

pub(crate) fn run(_command: Command) -> Result<(), Fault> {
    Err(refused())
}

pub(crate) async fn look(_file: PathBuf, _goal: Goal, _local: Pictures) -> Result<Pictures, String> {
    Err(refused().words())
}

fn refused() -> Fault {
    Fault::new(Kind::Usage, "this dyn was built without the feature `cluster`")
        .hint("`cargo install --path .` builds dyn with it")
}
