//! How containers of an app call each other, and how callers from outside come in: by unix sockets where the engine is
//! one of this machine, else by TCP, and why.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::models::Mount;
use protocol::SOCKETS;

use super::Inner;
use super::container::mount;
use super::front::Target;
use crate::backend::{BackendError, BackendEvent, PublicAddress, Spec};
use crate::engine;

/// A host that can take a socket takes it as soon as it starts.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

impl Inner {
    /// Makes room for sockets, or says why there are none.
    pub(super) async fn open_sockets(&self, is_carried: bool) {
        let why = match is_carried {
            true => Some(engine::ELSEWHERE.to_owned()),
            false => engine::no_sockets(&self.engine).await,
        };
        let opened = || {
            let folder = &self.plan.sockets;
            self.sockets.open(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))
        };
        match why.map_or_else(opened, Err) {
            Ok(()) => self.leads_front.store(self.may_listen(), Ordering::Release),
            Err(why) => self.tell(BackendEvent::HopsByTcp(why)),
        }
    }

    /// Has the hosts of services be handed their sockets, and answers what their container mounts for that.
    pub(super) fn hand_sockets(&self, members: &[Spec]) -> Option<Mount> {
        let folder = self.sockets.path()?;
        for member in members {
            let (service, events) = (member.service.clone(), self.events.clone());
            let refused = move |error: io::Error| {
                let words = format!("{service} is called by TCP: its socket cannot be made: {error}");
                events.send(BackendEvent::Notice(words));
            };
            let handed = self.sockets.hand(&member.service, &member.folder, &self.peer(member), refused.clone());
            if let Err(error) = handed {
                refused(error);
            }
        }
        Some(mount(&folder, SOCKETS))
    }

    /// Has the public listener lead to one of these, where it is one's and this process has it.
    pub(super) fn lead(&self, members: &[Spec]) -> Result<(), BackendError> {
        let last = members.iter().find_map(|member| Some((member, member.front?)));
        match last.filter(|_| self.leads_front.load(Ordering::Acquire)) {
            Some((last, at)) => self.lead_to(last, at),
            None => Ok(()),
        }
    }

    pub(super) fn lead_front(&self, service: &str, at: PublicAddress) -> Result<(), BackendError> {
        self.specs.lead(Some(service), Some(at));
        self.lead_to(&self.specs.get(service)?, at)
    }

    fn lead_to(&self, last: &Spec, at: PublicAddress) -> Result<(), BackendError> {
        let published = self.opened().as_ref().and_then(|opened| opened.ports.get(&last.service).copied());
        let published = published.ok_or_else(|| BackendError::Unknown(last.service.clone()))?;
        let target = Target { socket: self.sockets.find(&self.peer(last)), port: (self.address, published).into() };
        let at = at.of(self.address);
        self.front.lead(at, target).map_err(BackendError::io(format!("listen on {at}")))
    }

    /// Whether this process can listen where the public listener is: an engine may where this user may not.
    fn may_listen(&self) -> bool {
        let at = self.specs.all().iter().find_map(|spec| spec.front);
        self.address.is_loopback() && at.is_none_or(|at| TcpListener::bind(at.of(self.address)).is_ok())
    }

    /// Gives sockets up where no host takes one.
    pub(super) fn expect_sockets(self: &Arc<Self>) {
        let Some(mut taken) = self.sockets.expect() else { return };
        let inner = self.clone();
        tokio::spawn(async move {
            let waits = tokio::time::timeout(TAKEN_WITHIN, taken.wait_for(|taken| *taken));
            if waits.await.is_err() && inner.sockets.give_up() {
                let why = format!("no container took a socket of this machine within {} s", TAKEN_WITHIN.as_secs());
                inner.tell(BackendEvent::HopsByTcp(why));
            }
        });
    }
}
