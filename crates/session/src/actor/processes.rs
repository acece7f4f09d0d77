//! What the backend alone knows: processes of hosts, and what it told that nobody took in yet.

use futures_util::FutureExt;
use session_api::Report;
use session_api::snapshot::ServiceView;

use super::Actor;

/// What is taken in of the backend's queue in one go: more than it holds, as long as nothing is added meanwhile.
const MOST_AT_ONCE: usize = 100_000;

impl Actor {
    /// The process of a service's host, where this machine has it.
    pub(super) fn process(&self, service: &str) -> Option<u32> {
        self.backend.as_ref()?.process(service)
    }

    /// Adds the processes of a service's hosts.
    pub(super) fn add_processes(&self, service: &mut ServiceView) {
        service.pid = self.process(&service.name);
        service.instances.iter_mut().for_each(|instance| instance.pid = self.process(&instance.name));
    }

    /// Adds what the backend alone knows.
    pub(super) fn with_processes(&self, mut report: Report) -> Report {
        match &mut report {
            Report::Ready { services, .. } => {
                services.iter_mut().for_each(|service| service.pid = self.process(&service.name));
            }
            Report::Live { services, .. } => {
                services.iter_mut().for_each(|service| service.pid = self.process(&service.name));
            }
            _ => {}
        }
        report
    }

    /// Takes in what the backend has told by now, which is bounded.
    pub(super) fn hear_out(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            let Some(event) = super::follow::backend(self.heard.as_ref()).now_or_never() else { return };
            self.happened(event);
        }
    }
}
