//! The page in a browser.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::{Goal, help};

/// A choice of `--page`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageChoice {
    /// No page.
    Off,
    /// A page at this port; 0: at any that is free.
    Port(u16),
}

impl FromStr for PageChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::Port).map_err(|_| "a port from 0 to 65535, or off".to_owned()),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Ui {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Print a link that lets one browser in, once, within ten minutes
    #[arg(long)]
    pub(crate) print: bool,
    /// Print a link for somebody who may look and change nothing: good for ten minutes, and then for 12 hours
    #[arg(long, conflicts_with_all = ["print", "forget", "cluster"])]
    pub(crate) reader: bool,
    /// Show services of the app on a cluster, read-only, until Ctrl-C
    #[arg(long, conflicts_with = "forget")]
    pub(crate) cluster: bool,
    /// End the access of every browser that was let in
    #[arg(long, conflicts_with = "print")]
    pub(crate) forget: bool,
    #[command(flatten)]
    pub(crate) goal: Goal,
}

#[derive(Debug, Args)]
pub(crate) struct Bundle {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// File to write [default: APP.html]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Leave out inputs, outputs, messages of errors, and log lines
    #[arg(long)]
    pub(crate) no_values: bool,
    /// Latest requests to keep
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) last: usize,
}
