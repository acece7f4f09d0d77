//! What `dyn fuse` and `dyn split` are told.

use std::path::PathBuf;

use clap::Args;

use super::help;

#[derive(Debug, Args)]
pub(crate) struct Fuse {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Services to run in the host of the first of them, by their Rust names
    #[arg(required = true, value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Move services whose placed values do not serialise, too: these begin anew
    #[arg(long)]
    pub(crate) reset: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Split {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Services to run in hosts of their own, by their Rust names
    #[arg(required = true, value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Move services whose placed values do not serialise, too: these begin anew
    #[arg(long)]
    pub(crate) reset: bool,
}
