//! Calls by hand.

use std::path::PathBuf;

use clap::Args;

use super::{Goal, On};

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The app
    pub(crate) file: PathBuf,
    /// The service to call, by its Rust name
    pub(crate) service: String,
    /// NAME=JSON for an input by name, or JSON for the next input in order; what is missing is fetched by route
    pub(crate) inputs: Vec<String>,
    /// Where missing inputs come from, e.g. 'map(filter(get))' [default: the app's own flow]
    #[arg(long)]
    pub(crate) route: Option<String>,
    /// Where to run what must be started for the call
    #[arg(long, value_enum, default_value_t = On::Process)]
    pub(crate) on: On,
    /// On a cluster, through its API server
    #[arg(long)]
    pub(crate) cluster: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

#[derive(Debug, Args)]
pub(crate) struct Shell {
    /// The app
    pub(crate) file: PathBuf,
    /// Where to run a session that is started for the shell
    #[arg(long, value_enum, default_value_t = On::Process)]
    pub(crate) on: On,
    /// Lines from a pipe go on after one that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
}
