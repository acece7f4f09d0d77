//! What is done with recordings.

use std::path::PathBuf;

use clap::Args;
use recordings::send::Tempo;

use super::help;
use super::value::{pace, tolerance};

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Recording, by name or folder
    pub(crate) recording: String,
    /// Compare with a kept version (service@hash) or another recording [default: what was recorded]
    #[arg(long, value_name = "VERSION|RECORDING", conflicts_with = "send", help_heading = "Comparison")]
    pub(crate) against: Option<String>,
    /// Replay only these services, by Rust name
    #[arg(long, value_name = "NAME", conflicts_with = "send", help_heading = "Comparison")]
    pub(crate) service: Vec<String>,
    /// Print one JSON value
    #[arg(long)]
    pub(crate) json: bool,
    /// Ignore a field: a JSON pointer such as /timestamp, * for any step, or a name at any depth
    #[arg(long, value_name = "PATH", conflicts_with = "send", help_heading = "Comparison")]
    pub(crate) ignore: Vec<String>,
    /// Ignore the order of a list
    #[arg(long, value_name = "PATH", conflicts_with = "send", help_heading = "Comparison")]
    pub(crate) unordered: Vec<String>,
    /// Accept numbers whose difference is at most this share of the larger of both and of 1
    #[arg(long, default_value_t = 0.0, value_parser = tolerance, conflicts_with = "send", help_heading = "Comparison")]
    pub(crate) tolerance: f64,
    /// Recorded calls to replay for each function, newest first
    #[arg(long, default_value_t = 50, conflicts_with = "send", help_heading = "Comparison")]
    pub(crate) calls: usize,
    /// Differences to print for each function
    #[arg(long, default_value_t = 20, conflicts_with = "send", help_heading = "Comparison")]
    pub(crate) shown: usize,
    /// Send the recorded requests to the running chain and measure latency
    #[arg(long, help_heading = "Load")]
    pub(crate) send: bool,
    /// Pace of sending: 1x as recorded, 2x twice as fast, or fast, without pauses
    #[arg(long, default_value = "1x", value_parser = pace, requires = "send", help_heading = "Load")]
    pub(crate) pace: Tempo,
    /// Limit on requests in flight
    #[arg(long, default_value_t = 32, requires = "send", help_heading = "Load")]
    pub(crate) at_once: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Keep {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Name of the recording
    pub(crate) name: String,
    /// Write the recorded calls as a Rust test module, which needs no `dyn`
    #[arg(long)]
    pub(crate) as_tests: bool,
    /// Recorded calls to check for each function
    #[arg(long, default_value_t = 10)]
    pub(crate) cases: usize,
}
