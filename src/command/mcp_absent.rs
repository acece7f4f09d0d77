//! `dyn mcp` in a build without it: says so, with the way out.

use std::path::Path;

use crate::fault::{Fault, Kind};

pub(crate) fn run(_file: &Path) -> Result<(), Fault> {
    Err(Fault::new(Kind::Usage, "this dyn was built without the feature `mcp`")
        .hint("`cargo install --path .` builds dyn with it"))
}
