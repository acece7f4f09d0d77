//! What goes wrong at a node, in words.

use std::io;
use std::path::Path;

use local_cluster::BackendError;
use nodes::{FleetRole, InvitationTokenError};

/// Why a node does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("this machine is in no fleet")]
    NoFleet,
    #[error("this machine is in the fleet {fleet} already, as {name}")]
    InFleet { fleet: String, name: String },
    #[error("{0} is no name of a node or a fleet")]
    Name(String),
    #[error("cannot {doing} {path}: {source}")]
    File { doing: &'static str, path: String, source: io::Error },
    #[error("{path} does not read: {why}")]
    Unreadable { path: String, why: String },
    #[error("a certificate cannot be made: {0}")]
    Certificate(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    #[error("cannot listen on {address}: {source}{}", holder.as_ref().map(|holder| format!(" ({holder} has it)")).unwrap_or_default())]
    Listen { address: String, holder: Option<String>, source: io::Error },
    #[error("this machine has no address that others could reach")]
    NoAddress,
    #[error("cannot reach {to}: {why}")]
    Unreachable { to: String, why: String },
    #[error("{to} refused: {why}")]
    Refused { to: String, why: String },
    #[error("the agent of this node does not run")]
    NotRunning,
    #[error("the agent of this node runs already")]
    Running,
    #[error("this machine has no key of the fleet's authority")]
    NoAuthority,
    #[error("this machine has no certificate of {}", if *.0 == FleetRole::Node { "a node" } else { "an operator" })]
    NoRole(FleetRole),
    #[error("{0}")]
    Token(#[from] InvitationTokenError),
    #[error("there is no node {name} in the fleet")]
    NoNode { name: String, known: Vec<String> },
    #[error("{0}")]
    Strategy(#[from] balance::StrategyError),
    #[error("the model {url} cannot be asked: {why}")]
    Model { url: String, why: String },
    #[error("{0}")]
    Bundle(String),
    #[error("{0}")]
    Backend(#[from] BackendError),
}

impl NodeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoFleet => "`dyn node init` begins a fleet, `dyn node join TOKEN` enters one".to_owned(),
            Self::InFleet { .. } => "`dyn node forget` leaves it, or set DYNINKA_HOME to another folder".to_owned(),
            Self::Name(_) => "a name has letters a to z, digits and hyphens, and at most 63 of them".to_owned(),
            Self::NotRunning => "`dyn node up` starts it".to_owned(),
            Self::Running => "`dyn node down` ends it".to_owned(),
            Self::NoAuthority => "run this where `dyn node init` was run".to_owned(),
            Self::NoRole(FleetRole::Operator) => {
                "`dyn node invite --operator` on the fleet's first node prints an invitation for one".to_owned()
            }
            Self::NoRole(FleetRole::Node) => {
                "join by an invitation without --operator, with another DYNINKA_HOME".to_owned()
            }
            Self::Token(InvitationTokenError::Cut) => "copy the whole line that `dyn node invite` prints".to_owned(),
            Self::Token(_) => "`dyn node invite` prints invitations".to_owned(),
            Self::NoAddress => "pass one: --advertise 198.51.100.7:7940, or --listen 127.0.0.1:7940".to_owned(),
            Self::Listen { .. } => "pass another address: --listen 0.0.0.0:7941".to_owned(),
            Self::NoNode { known, .. } if known.is_empty() => "`dyn nodes` shows who is in the fleet".to_owned(),
            Self::NoNode { known, .. } => format!("nodes: {}", known.join(", ")),
            Self::Strategy(error) => error.hint(),
            Self::Backend(BackendError::NoEngine(_)) => {
                "start one, or run this node with `dyn node up --on process`".to_owned()
            }
            Self::Model { .. } => "name it as http://127.0.0.1:5000/action".to_owned(),
            _ => return None,
        })
    }

    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { doing, path, source }
    }
}
