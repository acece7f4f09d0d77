//! The page in a browser.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::help;

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
    /// End the access of every browser that was let in, from the next start of the session on
    #[arg(long, conflicts_with = "print")]
    pub(crate) forget: bool,
}
