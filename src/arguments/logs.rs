//! What `dyn logs` and `dyn cluster logs` are told.

use std::path::PathBuf;

use clap::Args;

use super::help;

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Service to print, by its Rust name [default: all]
    pub(crate) service: Option<String>,
    /// Print new lines until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Number of past lines to print
    #[arg(short = 'n', long)]
    pub(crate) last: Option<usize>,
    /// Print JSON lines: seq, at_ms, service, stream, line; of a cluster: pod, line
    #[arg(long)]
    pub(crate) json: bool,
}
