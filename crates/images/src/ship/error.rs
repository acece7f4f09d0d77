//! What can go wrong between an image and the nodes that run it.

use thiserror::Error;

use crate::ImageError;

/// Why images are not where nodes find them. The words fit on their own; [`ShipError::mend`] says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShipError {
    /// A registry's address that is none.
    #[error("cannot read {text:?} as a registry: {words}")]
    Address {
        /// What was given.
        text: String,
        /// What does not fit.
        words: String,
    },
    /// Nobody answers, or not as a registry does.
    #[error("cannot {what}: {registry} cannot be reached: {words}")]
    Unreachable {
        /// The registry's host.
        registry: String,
        /// What was to be done.
        what: String,
        /// What the network says.
        words: String,
        mend: String,
    },
    /// The registry says no.
    #[error("cannot {what}: {registry} answers {status}{words}")]
    Refused {
        /// The registry's host.
        registry: String,
        /// What was to be done.
        what: String,
        /// HTTP status.
        status: u16,
        /// Its own words after ": ", or nothing.
        words: String,
        mend: String,
    },
    /// The registry's answer is not one that the specification has.
    #[error("cannot {what}: {registry} answers what no registry should: {words}")]
    Unsound {
        /// The registry's host.
        registry: String,
        /// What was to be done.
        what: String,
        /// What is odd.
        words: String,
    },
    /// Docker's configuration, or a helper it names, gives no credentials.
    #[error("cannot get credentials for {registry}: {words}")]
    Credentials {
        /// The registry's host.
        registry: String,
        words: String,
    },
    /// No room is left where images come to.
    #[error("cannot {what}: no space is left at {place}")]
    DiskFull {
        place: String,
        /// What was to be done.
        what: String,
    },
    /// The way by which nodes fetch from this session cannot be made, or not be taken away.
    #[error("{words}")]
    Way { words: String, hint: Option<String> },
    /// A program that is needed is not there.
    #[error("cannot {what}: the program {program} is not on PATH")]
    NoTool {
        program: String,
        /// What was to be done.
        what: String,
    },
    /// A program that does not what it is asked.
    #[error("cannot {what}: {command:?} ended with {status}: {words}")]
    Tool {
        /// The command line.
        command: String,
        /// What was to be done.
        what: String,
        /// How it ended.
        status: String,
        /// What it said last.
        words: String,
    },
    /// A program that does not end.
    #[error("cannot {what}: {command:?} did not end within {seconds} s and was ended")]
    Patience {
        /// The command line.
        command: String,
        /// What was to be done.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A port that cannot be served at.
    #[error("cannot serve images at {address}: {source}")]
    Bind { address: std::net::SocketAddr, source: std::io::Error },
    /// The way of TLS to registries cannot be set up.
    #[error("cannot set up TLS: {words}")]
    Tls { words: String },
    /// An archive does not come together.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl ShipError {
    /// What to do about it, where there is something: a sentence of its own, without a full stop.
    pub fn mend(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { mend, .. } | Self::Refused { mend, .. } if !mend.is_empty() => mend.clone(),
            Self::Address { .. } => {
                "give it as host[:port][/path], with http:// before it where it has no TLS".to_owned()
            }
            Self::Unsound { registry, .. } => format!("is {registry} a container registry, and is no proxy in between"),
            Self::Credentials { registry, .. } => format!("log in anew with `docker login {registry}`"),
            Self::DiskFull { place, .. } => format!("make room at {place}; `dyn push` sends only what is missing then"),
            Self::NoTool { program, .. } => format!("install {program}, or ship another way with --registry"),
            Self::Way { hint, .. } => return hint.clone(),
            Self::Bind { .. } => "give another port or address to serve at".to_owned(),
            _ => return None,
        })
    }
}
