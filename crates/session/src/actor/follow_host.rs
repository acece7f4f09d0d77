//! What a host measures and records, asked from its start on.

use super::Actor;
use crate::event::Event;
use crate::telemetry;

impl Actor {
    /// Asks a host what it measures from now on.
    pub(super) fn follow(&mut self, service: String) {
        let Some(address) = self.state.address(&service) else { return };
        let host = telemetry::HostAddress {
            service: protocol::instance_of(&service).0.into(),
            address: address.to_string(),
            token: self.tools.control.token().to_owned(),
            host_header: None,
        };
        let (followed, events) = (self.followed.clone(), self.events.clone());
        // Calls are numbered by each host, so records of instances are told apart.
        let same = telemetry::HostAddress { service: service.as_str().into(), ..host.clone() };
        let (recorded, notices) = (self.recorded.clone(), events.clone());
        let (pace, same_pace) = (self.ask_pace.clone(), self.ask_pace.clone());
        let follower = self.tasks.spawn(async move {
            if let Err(error) = telemetry::follow(host, pace, followed).await {
                drop(events.send(Event::Notice { message: format!("hops are not measured: {error}") }));
            }
        });
        let recording = self.tasks.spawn(async move {
            if let Err(error) = telemetry::follow_records(same, same_pace, recorded).await {
                drop(notices.send(Event::Notice { message: format!("requests are not recorded: {error}") }));
            }
        });
        for before in self.followers.insert(service, [follower, recording]).into_iter().flatten() {
            before.abort();
        }
        self.ask_pace.know(self.followers.len());
    }

    /// Asks a host no more.
    pub(super) fn unfollow(&mut self, service: &str) {
        self.followers.remove(service).into_iter().flatten().for_each(|follower| follower.abort());
        self.ask_pace.know(self.followers.len());
    }
}
