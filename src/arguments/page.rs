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

/// Seconds of a reader's access.
fn access(text: &str) -> Result<u32, String> {
    let wrong = || "write such as 30m, 12h or 7d, from 1m to 30d".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let each = match &text[at..] {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = text[..at].parse().ok().and_then(|number: u32| number.checked_mul(each));
    seconds.filter(|seconds| (60..=30 * 86_400).contains(seconds)).ok_or_else(wrong)
}

#[derive(Debug, Args)]
pub(crate) struct Ui {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Print a link that lets one browser in, once, within ten minutes
    #[arg(long)]
    pub(crate) print: bool,
    /// Print a link for somebody who may look and change nothing: good for ten minutes, and then for as long as --for says
    #[arg(long, conflicts_with_all = ["print", "forget", "cluster"])]
    pub(crate) reader: bool,
    /// How long a reader may look once the link was opened, from 1m to 30d
    #[arg(long = "for", value_name = "DURATION", default_value = "12h", requires = "reader", value_parser = access)]
    pub(crate) access: u32,
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

#[cfg(test)]
mod tests {
    use super::access;

    #[test]
    fn access_has_a_unit_and_bounds() {
        for (text, wanted) in [("1m", Some(60)), ("90m", Some(5_400)), ("12h", Some(43_200)), ("30d", Some(2_592_000))]
        {
            assert_eq!(access(text).ok(), wanted, "{text}");
        }
        for text in ["", "h", "0m", "31d", "12", "12 h", "-1h", "99999999999d", "1y", "1h30m"] {
            assert!(access(text).is_err(), "{text}");
        }
    }
}
