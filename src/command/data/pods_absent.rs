//! `dyn data serve --in-pod`, in a build without clusters.

use crate::fault::{Fault, Kind};

#[expect(clippy::unused_async, reason = "the other one waits")]
pub(super) async fn run() -> Result<(), Fault> {
    Err(Fault::new(Kind::Usage, "this dyn was built without clusters: cargo feature cluster".to_owned()))
}
