//! Commands on nodes in a build without them: each says so, with the way out.

use crate::arguments::Command;
use crate::fault::{Fault, Kind};

pub(crate) fn run(_command: Command) -> Result<(), Fault> {
    Err(Fault::new(Kind::Usage, "this dyn was built without the feature `nodes`")
        .hint("`cargo install --path .` builds dyn with it"))
}
