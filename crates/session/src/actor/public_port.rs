//! The port that the app answers on.

use local_cluster::{HeldPort, PortError, hold_port};

use crate::event::Event;
use crate::options::PublicPort;

/// The port of the public listener.
pub(crate) struct Port {
    pub(crate) held: HeldPort,
    /// Why it is not the one that was preferred.
    pub(crate) notice: Option<String>,
    /// What is to be said where hosts would have to listen there: they may not.
    pub(crate) denied: Option<Event>,
}

/// Takes the port that is wanted, or says who has it.
pub(crate) fn hold(front: PublicPort) -> Result<Port, PortError> {
    let free = || hold_port(0).map(|held| Port { held, notice: None, denied: None });
    match front {
        PublicPort::Free => free(),
        PublicPort::Fixed(port) => match hold_port(port) {
            Ok(held) => Ok(Port { held, notice: None, denied: None }),
            Err(error) => {
                let denied = Event::Failed { message: error.to_string(), hint: Some(error.hint()) };
                match error {
                    PortError::Denied { held, .. } => Ok(Port { held, notice: None, denied: Some(denied) }),
                    error => Err(error),
                }
            }
        },
        PublicPort::Prefer(port) => match hold_port(port) {
            Ok(held) => Ok(Port { held, notice: None, denied: None }),
            Err(why) => {
                let mut port = free()?;
                port.notice = Some(format!("{why}, so the app answers on {}", port.held.port()));
                Ok(port)
            }
        },
    }
}
