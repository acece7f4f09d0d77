//! What a host measures and records, asked from its start on.

use super::Actor;
use crate::event::Event;
use crate::near::feed;
use crate::telemetry;

impl Actor {
    /// Asks a host what it measures from now on, and tells it who holds which bucket.
    pub(super) fn follow(&mut self, service: String) {
        let Some(address) = self.state.address(&service) else { return };
        self.tell_tables(&service);
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

    /// Tells a host who holds which bucket from now on, where an instance has a place.
    fn tell_tables(&mut self, name: &str) {
        let (Some(_), Some(at)) = (self.state.near(), self.state.address(name)) else { return };
        let telling = feed::tell(self.tools.control.clone(), at, self.near.news.subscribe());
        let teller = self.tasks.spawn(telling);
        if let Some(before) = self.near.tellers.insert(name.to_owned(), teller) {
            before.abort();
        }
    }

    /// Asks the data server for tables, once buckets are at stores. Hosts that run are told from then on, where an instance has
    /// a place.
    #[cfg(feature = "data")]
    pub(super) fn ask_for_tables(&mut self) {
        if self.near.asks || !self.state.has_stores() {
            return;
        }
        self.near.asks = true;
        let (client, files) = (self.tools.control.client().clone(), self.tools.options.home.data_server());
        let (news, events) = ((self.near.news.clone(), self.near.matrix.clone()), self.events.clone());
        let notice = move |message| drop(events.send(Event::Notice { message }));
        self.tasks.spawn(feed::ask(client, files, news, notice));
        let hosts: Vec<String> = self.followers.keys().cloned().collect();
        hosts.iter().for_each(|host| self.tell_tables(host));
    }

    /// Without data servers there are no places.
    #[cfg(not(feature = "data"))]
    pub(super) fn ask_for_tables(&mut self) {}
}
