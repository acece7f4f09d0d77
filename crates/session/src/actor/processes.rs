//! Processes of hosts, which the backend alone knows.

use session_api::Report;

use super::Actor;

impl Actor {
    /// The process of a service's host, where this machine has it.
    pub(super) fn process(&self, service: &str) -> Option<u32> {
        self.backend.as_ref()?.process(service)
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
}
