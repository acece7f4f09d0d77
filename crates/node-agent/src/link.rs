//! Links: a connection to each neighbour, and to other members as long as there is something to say.

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nodes::{FleetMember, LinkFrame};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::agent::Agent;

pub(crate) use incoming::serve;
pub(crate) use outgoing::greet;

/// Frames that wait for a link; what is more is dropped, as the membership expects of any way.
const QUEUE: usize = 256;

/// A link that this node opened.
pub(crate) struct LinkOut {
    pub(crate) address: SocketAddr,
    frames: mpsc::Sender<LinkFrame>,
    state: watch::Sender<LinkState>,
    rtt: Mutex<Option<Duration>>,
}

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    Opens,
    Up,
    /// It does not answer; it is tried again as long as there is a use for it.
    Down,
    Over,
}

/// Opens a link.
pub(crate) fn open(agent: Arc<Agent>, to: FleetMember) -> Arc<LinkOut> {
    let (frames, queue) = mpsc::channel(QUEUE);
    let link = Arc::new(LinkOut {
        address: to.address,
        frames,
        state: watch::channel(LinkState::Opens).0,
        rtt: Mutex::new(None),
    });
    tokio::spawn(outgoing::run(agent, to, link.clone(), queue));
    link
}

impl LinkOut {
    pub(crate) fn send(&self, frame: LinkFrame) {
        // A link that takes no more is slow or down: what is lost is sent anew, or is old by then.
        drop(self.frames.try_send(frame));
    }

    pub(crate) fn is_up(&self) -> bool {
        *self.state.borrow() == LinkState::Up
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.state.borrow() == LinkState::Over
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        *self.rtt.lock()
    }

    pub(crate) fn end(&self) {
        self.state.send_replace(LinkState::Over);
    }

    /// Returns once the link is not up any more.
    pub(crate) async fn lost(&self) {
        let mut state = self.state.subscribe();
        // It is held by whoever waits: the sender is there.
        drop(state.wait_for(|state| *state != LinkState::Up).await);
    }
}
