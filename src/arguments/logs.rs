//! What `dyn logs` is told.

use std::path::PathBuf;

use clap::Args;

use super::Goal;

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The app
    pub(crate) file: PathBuf,
    /// Only this service, by its Rust name
    pub(crate) service: Option<String>,
    /// Whatever comes, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the latest lines
    #[arg(short = 'n', long)]
    pub(crate) last: Option<usize>,
    /// JSON lines: seq, at_ms, service, stream, line; of a cluster: pod, line
    #[arg(long)]
    pub(crate) json: bool,
    /// Of the pods on a cluster
    #[arg(long)]
    pub(crate) cluster: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
}
