//! What starts a session or something in its place.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use session::{InstanceCount, Together};

use super::help;
use super::value::{bytes, cpus, seconds};
use super::{Goal, PageChoice};

#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Backend to run services on
    #[arg(long, value_enum, default_value_t = On::Auto)]
    pub(crate) on: On,
    /// Services that share a host process: none, all, auto, or groups such as get+filter,map+sum [default: as dyn.toml says, or none]
    #[arg(long, value_name = "GROUPS")]
    pub(crate) together: Option<Together>,
    /// Number of host processes of a service, such as map=3; several with commas [default: as dyn.toml says, or 1]
    #[arg(long, value_name = "SERVICE=NUMBER", value_delimiter = ',')]
    pub(crate) instances: Vec<InstanceCount>,
    /// Port of the public listener on 127.0.0.1; 0 picks a free one [default: 8080, or a free one where that is taken]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Accept durable jobs beside the app, on this port of 127.0.0.1 [default: 8081, or a free one where that is taken]
    #[cfg(feature = "jobs")]
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true)]
    pub(crate) jobs: Option<Option<u16>>,
    /// Have an edit wait until jobs have ended whose inputs it does not read, instead of refusing the edit
    #[cfg(feature = "jobs")]
    #[arg(long, conflicts_with = "drop_jobs")]
    pub(crate) drain_jobs: bool,
    /// End jobs as failed whose inputs an edit does not read, instead of refusing the edit
    #[cfg(feature = "jobs")]
    #[arg(long)]
    pub(crate) drop_jobs: bool,
    /// Port of the page in a browser, or off [default: a free one on a terminal, else off]
    #[arg(long, value_name = "PORT|off")]
    pub(crate) page: Option<PageChoice>,
    /// Build for a debugger, see `dyn debug`; requests then have an hour
    #[arg(long)]
    pub(crate) debug: bool,
    /// Answer requests with this host name too; addresses, localhost and service names are always answered
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_host: Vec<String>,
    /// Print lines of text instead of the view
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub(crate) plain: bool,
    /// Print one JSON value a line
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Show the view of the session that runs already; quitting leaves the session running
    #[arg(long, conflicts_with_all = ["json", "plain"], help_heading = "Output")]
    pub(crate) attach: bool,
    /// Draw the view with ASCII characters only
    #[arg(long, help_heading = "Output")]
    pub(crate) ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long, help_heading = "Output")]
    pub(crate) no_mouse: bool,
    /// Record requests, and the input and output of each function, to recordings/NAME beside the app
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", help_heading = "Recording")]
    pub(crate) record: Option<String>,
    /// Blank a field before it is recorded: a JSON pointer such as /user/token, or a name at any depth
    #[arg(long, value_name = "PATH", help_heading = "Recording")]
    pub(crate) redact: Vec<String>,
    /// Ignore a field in comparisons: a JSON pointer such as /timestamp, or a name at any depth
    #[arg(long, value_name = "PATH", help_heading = "Recording")]
    pub(crate) ignore: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

/// Limits on each service.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Limits of a service")]
pub(crate) struct Limits {
    /// CPUs of a service, e.g. 0.5 (docker)
    #[arg(long, value_name = "CPUS", value_parser = cpus)]
    pub(crate) cpus: Option<f64>,
    /// Memory of a service, e.g. 256M
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) memory: Option<u64>,
    /// Deadline of a request, in seconds; a request may ask for a shorter one [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) deadline: Option<f64>,
    /// Largest body of a request or a response
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = bytes)]
    pub(crate) body: u64,
}

impl Default for Limits {
    /// What a command without these options has.
    fn default() -> Self {
        Self { cpus: None, memory: None, deadline: None, body: 8 << 20 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    /// Docker where an engine answers, otherwise processes
    Auto,
    /// One container for each service
    Docker,
    /// One process for each service
    Process,
}
