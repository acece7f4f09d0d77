//! A node on a cluster in a build without clusters.

use node_agent::NodeSettings;
use tokio::runtime::Runtime;

use crate::fault::{Fault, Kind};

pub(crate) fn begin(_runtime: &Runtime, _settings: &mut NodeSettings) -> Result<(), Fault> {
    Err(Fault::new(Kind::Usage, "this dyn was built without the feature `cluster`")
        .hint("`cargo install --path .` builds dyn with it"))
}
