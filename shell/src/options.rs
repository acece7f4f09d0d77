//! How a shell is run and how it ends.

use std::path::PathBuf;

/// How a shell is run.
#[derive(Clone, Debug, Default)]
pub struct ShellOptions {
    /// Where lines are remembered; none: only until the end. Made with its folder where it is missing, for the owner
    /// alone.
    pub history: Option<PathBuf>,
    /// Piped lines go on after one that failed.
    pub keep_going: bool,
    /// Whether to colour; none: where it is a terminal and neither `NO_COLOR` nor `TERM=dumb` says otherwise.
    pub color: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShellEnd {
    /// Lines that failed. At a prompt the one who typed them has seen them, so there they count for nothing.
    pub failed: usize,
    /// The signal that ended it: SIGTERM or SIGHUP.
    pub signal: Option<i32>,
}

impl ShellEnd {
    /// The exit code: 0; 1 where a piped line failed; 128 and the signal's number where one ended it.
    pub fn code(self) -> u8 {
        match self.signal {
            Some(signal) => 128_u8.saturating_add(u8::try_from(signal).unwrap_or(0)),
            None => u8::from(self.failed > 0),
        }
    }
}

/// Why a shell could not be.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// Nobody answers at the other end.
    #[error("cannot reach the session: {0}")]
    Peer(Box<dyn std::error::Error + Send + Sync>),
    /// The terminal cannot be read.
    #[error("cannot read a line: {0}")]
    Read(String),
    /// What is said cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signal(std::io::Error),
}
