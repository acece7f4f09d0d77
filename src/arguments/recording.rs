//! What is done with recordings.

use std::path::PathBuf;

use clap::Args;
use recordings::send::Tempo;

use super::value::{pace, tolerance};

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The app
    pub(crate) file: PathBuf,
    /// A recording by name, or its folder
    pub(crate) recording: String,
    /// Compare with a version that is kept (service@hash), or with what another recording says, instead of with what was
    /// recorded
    #[arg(long, value_name = "VERSION|RECORDING", conflicts_with = "send")]
    pub(crate) against: Option<String>,
    /// Only these services, by Rust name
    #[arg(long, value_name = "NAME", conflicts_with = "send")]
    pub(crate) service: Vec<String>,
    /// One JSON value on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// A field that is not compared: a JSON pointer such as /timestamp, * for any step, or a name for wherever it is
    #[arg(long, value_name = "PATH", conflicts_with = "send")]
    pub(crate) ignore: Vec<String>,
    /// A list whose order means nothing
    #[arg(long, value_name = "PATH", conflicts_with = "send")]
    pub(crate) unordered: Vec<String>,
    /// Numbers are alike whose distance is at most this times the larger of both and of 1
    #[arg(long, default_value_t = 0.0, value_parser = tolerance, conflicts_with = "send")]
    pub(crate) tolerance: f64,
    /// Recorded calls of each function that are run, the newest that differ
    #[arg(long, default_value_t = 50, conflicts_with = "send")]
    pub(crate) calls: usize,
    /// Differences of each function that are shown one by one
    #[arg(long, default_value_t = 20, conflicts_with = "send")]
    pub(crate) shown: usize,
    /// Send the recorded requests to the running chain instead, and say how long they wait
    #[arg(long)]
    pub(crate) send: bool,
    /// How fast to send: 1x as recorded, 2x twice as fast, or fast, each as soon as one before it has its answer
    #[arg(long, default_value = "1x", value_parser = pace, requires = "send")]
    pub(crate) pace: Tempo,
    /// Requests that may be under way at once
    #[arg(long, default_value_t = 32, requires = "send")]
    pub(crate) at_once: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// The app
    pub(crate) file: PathBuf,
    /// The recording's name
    pub(crate) name: String,
    /// Write tests.rs into the recording: a module for the app's file that checks each function and needs no `dyn`
    #[arg(long)]
    pub(crate) as_tests: bool,
    /// Recorded calls of each function that are checked
    #[arg(long, default_value_t = 10)]
    pub(crate) cases: usize,
}
