//! Calls by hand.

use std::path::PathBuf;

use clap::Args;

use super::On;
use super::help;

/// One call of one service.
#[derive(Debug, Args)]
pub(crate) struct Call {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Service to call, by its Rust name
    pub(crate) service: String,
    /// Inputs: NAME=JSON by name, or JSON in order; missing ones are fetched by the route
    pub(crate) inputs: Vec<String>,
    /// Route that fetches missing inputs, e.g. 'map(filter(get))' [default: the app's flow]
    #[arg(long)]
    pub(crate) route: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Invoke {
    #[command(flatten)]
    pub(crate) call: Call,
    /// Backend for services that are started for the call
    #[arg(long, value_enum, default_value_t = On::Process)]
    pub(crate) on: On,
}

#[derive(Debug, Args)]
pub(crate) struct Shell {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Backend for a session that is started for the shell
    #[arg(long, value_enum, default_value_t = On::Process)]
    pub(crate) on: On,
    /// Continue after a piped line that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
}
