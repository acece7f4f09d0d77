//! What starts a session or something in its place.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Goal;
use super::value::{bytes, cpus, seconds};

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The app
    pub(crate) file: PathBuf,
    /// Where to run it
    #[arg(long, value_enum, default_value_t = On::Auto)]
    pub(crate) on: On,
    /// Port of the last service on 127.0.0.1; 0: a free one [default: 8080, or a free one where that is taken]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Lines of text: no view, no progress bars
    #[arg(long, conflicts_with = "json")]
    pub(crate) plain: bool,
    /// One JSON value a line on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// The view of the session that runs already, in another terminal; quitting it leaves the session as it is
    #[arg(long, conflicts_with_all = ["json", "plain"])]
    pub(crate) attach: bool,
    /// A view of ASCII characters alone
    #[arg(long)]
    pub(crate) ascii: bool,
    /// A view that leaves the mouse to the terminal
    #[arg(long)]
    pub(crate) no_mouse: bool,
    /// Write requests and what each function received and returned to recordings/NAME beside the app
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub(crate) record: Option<String>,
    /// Blank a field before anything is recorded: a JSON pointer such as /user/token, or a name for wherever it is
    #[arg(long, value_name = "PATH")]
    pub(crate) redact: Vec<String>,
    /// Leave a field out of comparisons: a JSON pointer such as /timestamp, or a name for wherever it is
    #[arg(long, value_name = "PATH")]
    pub(crate) ignore: Vec<String>,
    /// Answer callers who use this name for the services, and its pages; addresses and localhost will always do
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

/// Limits on each service.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Limits {
    /// CPUs a service may use, e.g. 0.5 (docker)
    #[arg(long, value_name = "CPUS", value_parser = cpus)]
    pub(crate) cpus: Option<f64>,
    /// Memory a service may use, e.g. 256M
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) memory: Option<u64>,
    /// Deadline of a request that brings none, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) deadline: f64,
    /// Largest body of a request or an answer
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = bytes)]
    pub(crate) body: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    /// Docker where an engine answers, else processes
    Auto,
    /// A container for each service
    Docker,
    /// A process for each service
    Process,
}
