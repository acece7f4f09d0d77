//! Services that run go on in another host: opened there, handed over, and closed where they were.

use std::time::{Duration, Instant};

use local_cluster::Backend;
use protocol::Config;
use session_api::MoveTimes;

use crate::actor::control::Transferred;
use crate::actor::install;
use crate::actor::tools::{Tools, endpoint_of};
use crate::effect::{Carry, Departure, Place};
use crate::event::{Carried, Event, HostEndpoint};

/// A service is open in its new host within this; one that ends meanwhile is not waited for much longer.
const OPENS: Duration = Duration::from_secs(10);
/// Who is connected to a host that its service left is told to connect anew within this.
const DEPARTS: Duration = Duration::from_secs(5);

impl Tools {
    /// Has services go on in other hosts, one after the other. The first that does not stays, as do those after it.
    pub(crate) async fn carry(&self, backend: &dyn Backend, carries: Vec<Carry>, reset: bool) -> Event {
        let (mut seated, mut carried, mut stayed) = (Vec::new(), Vec::new(), None);
        // All of them are known before a container is made for some.
        for carry in carries {
            match self.seat_again(backend, &carry).await {
                Ok((endpoint, config)) => seated.push((carry, endpoint, config)),
                Err(why) => {
                    stayed = Some((carry.going.place.service.clone(), why));
                    self.stay(backend, &carry, None).await;
                    break;
                }
            }
        }
        for (carry, endpoint, config) in seated {
            if stayed.is_some() {
                self.stay(backend, &carry, Some(&endpoint)).await;
                continue;
            }
            match self.carry_one(backend, &carry, &endpoint, reset).await {
                Ok((states, ms)) => {
                    // The old one passes on whoever still comes there.
                    let led = carry.front.map(|port| backend.lead_front(&carry.going.place.service, port.into()));
                    let trouble = led.and_then(Result::err).map(|error| error.to_string());
                    let Place { service, group: to, .. } = carry.going.place;
                    carried.push(Carried { service, endpoint, to, config, states, ms, trouble });
                }
                Err(why) => {
                    stayed = Some((carry.going.place.service.clone(), why));
                    self.stay(backend, &carry, Some(&endpoint)).await;
                }
            }
        }
        Event::Carried { carried, stayed }
    }

    /// Finds a place in the new host for a service, which goes on where it is, and writes what it goes by there.
    async fn seat_again(&self, backend: &dyn Backend, carry: &Carry) -> Result<(HostEndpoint, Config), String> {
        let place = carry.going.place.clone();
        let (service, host) = (place.service.clone(), place.host.clone());
        let endpoint = backend.endpoint(self.spec(place)).await.map_err(|error| error.to_string())?;
        let endpoint = endpoint_of(endpoint);
        let mut config = Config { listen: endpoint.listen, front: None, ..carry.going.config.clone() };
        let mut peers = (*config.peers).clone();
        if let Some(own) = peers.get_mut(&service) {
            own.address.clone_from(&endpoint.peer);
        }
        config.peers = peers.into();
        let written = install::configure(&self.place.service(&host), &config);
        written.map_err(|error| format!("its configuration cannot be written: {error}"))?;
        Ok((endpoint, config))
    }

    async fn carry_one(
        &self,
        backend: &dyn Backend,
        carry: &Carry,
        endpoint: &HostEndpoint,
        reset: bool,
    ) -> Result<(std::collections::BTreeMap<String, session_api::Fate>, MoveTimes), String> {
        let Carry { going, from, before, .. } = carry;
        let begun = Instant::now();
        self.begin(backend, &going.place.service, &going.place.host).await?;
        let there = self.control.ready(endpoint.here, OPENS).await;
        there.map_err(|error| format!("its new host {error}"))?;
        let open = begun.elapsed().as_secs_f64() * 1e3;
        let transfer = || self.control.transfer(before.here, &endpoint.peer, reset);
        let moved = match transfer().await {
            // It may have done so without being heard. Asked again, it says.
            Err(error) if error.is_silence() => transfer().await,
            moved => moved,
        };
        let Transferred { states, hold_ms: hold, carry_ms: carry } = moved.map_err(|error| error.to_string())?;
        // From here on what happens to its new host happens to the service.
        backend.moved(&going.place.service, from);
        Ok((states, MoveTimes { open, hold, carry, total: 0.0 }))
    }

    /// Takes back what was made for a service that stays.
    async fn stay(&self, backend: &dyn Backend, carry: &Carry, endpoint: Option<&HostEndpoint>) {
        let Carry { going, from, before, .. } = carry;
        let (service, to) = (&going.place.service, &going.place.group);
        if let Some(endpoint) = endpoint {
            self.control.close(endpoint.here, DEPARTS).await;
        }
        backend.moved(service, to);
        backend.stays(service, from, before.here);
        // It runs on by what it read when it was told last: this is for when it is started again, which writes it anew.
        drop(install::configure(&self.place.service(&going.place.host), &going.config));
        // What cannot be ended now ends with the session.
        drop(backend.end(to).await);
    }

    /// Has services leave the hosts that they went on from; hosts that nobody is left in end.
    pub(crate) async fn depart(&self, backend: &dyn Backend, departures: Vec<Departure>) -> Event {
        let mut troubles = Vec::new();
        for Departure { at, .. } in &departures {
            self.control.close(*at, DEPARTS).await;
        }
        for Departure { from, .. } in &departures {
            troubles.extend(backend.end(from).await.err().map(|error| error.to_string()));
        }
        Event::Departed { trouble: (!troubles.is_empty()).then(|| troubles.join("; ")) }
    }
}
