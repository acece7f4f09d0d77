//! Services start, join hosts, leave them, and are started anew elsewhere, with what they know.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use local_cluster::{Backend, Begun};
use session_api::Fate;

use crate::actor::control::{ControlError, LEAVES};
use crate::actor::install;
use crate::actor::tools::{Tools, endpoint_of};
use crate::effect;
use crate::event::{Event, HostEndpoint};

fn lead(backend: &dyn Backend, moves: &[effect::Move]) -> Result<(), String> {
    let last = moves.iter().find_map(|one| Some((one.place.service.as_str(), one.place.front?)));
    let led = last.map(|(service, port)| backend.lead_front(service, port.into()));
    led.transpose().map(drop).map_err(|error| error.to_string())
}

impl Tools {
    /// Starts a service where its host is to be started, or has the host that runs take it in. True: it is another process
    /// than before.
    pub(super) async fn begin(&self, backend: &dyn Backend, service: &str, host: &str) -> Result<bool, String> {
        match backend.start(service).await.map_err(|error| error.to_string())? {
            Begun::Anew => Ok(true),
            Begun::WentOn => Ok(false),
            Begun::Beside(at) => match self.control.open(at, host).await {
                Ok(()) => Ok(true),
                // A host that says nothing ends, or is found deaf: that is told as such.
                Err(error) if error.is_silence() => Ok(true),
                Err(error) => {
                    backend.left(service);
                    Err(error.to_string())
                }
            },
        }
    }

    /// Has a service leave a host that others run in, before it is removed.
    pub(super) async fn leave(&self, backend: &dyn Backend, service: &str, at: SocketAddr) {
        if backend.is_among(service) {
            self.control.close(at, LEAVES).await;
        }
    }

    /// Puts a library into a service's folder, and answers its name. Services of one host have each a file of their own: of
    /// one that they share, the loader makes one library.
    pub(super) fn install(
        &self,
        backend: &dyn Backend,
        service: &str,
        folder: &Path,
        library: &Path,
    ) -> std::io::Result<String> {
        install::library(folder, library, !backend.is_grouped(service))
    }

    /// Seats services anew, the one that had the public listener first. What they know is read before and written after.
    /// Where the backend leads on by itself, it is told to.
    pub(crate) async fn rehouse(&self, backend: &dyn Backend, moves: Vec<effect::Move>) -> Event {
        let begun = std::time::Instant::now();
        let moved = match backend.leads_front() {
            true => lead(backend, &moves).map(|()| Vec::new()),
            false => self.rehouse_all(backend, moves).await,
        };
        match moved {
            Ok(services) => Event::Rehoused { services, ms: begun.elapsed().as_secs_f64() * 1e3 },
            Err(why) => Event::Failed { message: format!("cannot move the public listener: {why}"), hint: None },
        }
    }

    async fn rehouse_all(
        &self,
        backend: &dyn Backend,
        moves: Vec<effect::Move>,
    ) -> Result<Vec<(String, HostEndpoint)>, String> {
        let mut known = Vec::new();
        for one in &moves {
            for state in &one.states {
                // A value that does not serialise begins anew, as it would after any other restart.
                if let Ok(value) = self.control.state(one.at, state).await {
                    known.push((one.place.service.clone(), state.clone(), value));
                }
            }
        }
        for one in &moves {
            self.leave(backend, &one.place.service, one.at).await;
            backend.remove(&one.place.service).await.map_err(|error| error.to_string())?;
        }
        let mut services = Vec::new();
        for effect::Move { place, config, .. } in moves {
            let (service, host) = (place.service.clone(), place.host.clone());
            let endpoint = backend.endpoint(self.spec(place)).await.map_err(|error| error.to_string())?;
            install::configure(&self.place.service(&host), &config).map_err(|error| error.to_string())?;
            services.push((service, host, endpoint_of(endpoint)));
        }
        // All of them are known before a container is made for some.
        for (service, host, _) in &services {
            self.begin(backend, service, host).await?;
        }
        let services: Vec<_> = services.into_iter().map(|(service, _, endpoint)| (service, endpoint)).collect();
        for (service, endpoint) in &services {
            self.control
                .ready(endpoint.here, self.control.patience())
                .await
                .map_err(|error| format!("{service} {error}"))?;
            for (_, state, value) in known.iter().filter(|(of, ..)| of == service) {
                let set = self.control.set_state(endpoint.here, state, value.clone()).await;
                set.map_err(|error| format!("{state} of {service}: {error}"))?;
            }
        }
        Ok(services)
    }

    /// Starts the services of a host anew, in the environment of their places. What they know is read before and written
    /// after.
    pub(crate) async fn renew(&self, backend: &dyn Backend, moves: Vec<effect::Move>) -> Vec<Event> {
        let begun = std::time::Instant::now();
        let mut known = BTreeMap::new();
        for one in &moves {
            for state in &one.states {
                known.insert((one.place.service.clone(), state.clone()), self.control.state(one.at, state).await);
            }
        }
        let mut renewed = Vec::new();
        for one in moves {
            self.leave(backend, &one.place.service, one.at).await;
            let effect::Place { service, group, environment, .. } = one.place.clone();
            let stopped = backend.renew(&service, environment).await.map_err(|error| error.to_string());
            backend.regroup(&service, &group);
            renewed.push((one, stopped));
        }
        let mut events = Vec::new();
        for (one, stopped) in renewed {
            let service = one.place.service.clone();
            let states = one.states.iter().filter_map(|state| {
                let value = known.remove(&(service.clone(), state.clone()))?;
                Some((state.clone(), value))
            });
            let states: Vec<_> = states.collect();
            let came = match stopped {
                Ok(()) => self.renew_one(backend, one, states).await,
                Err(why) => Err(why),
            };
            events.push(Event::Renewed { service, came, answered: begun.elapsed() });
        }
        events
    }

    async fn renew_one(
        &self,
        backend: &dyn Backend,
        one: effect::Move,
        known: Vec<(String, Result<bytes::Bytes, ControlError>)>,
    ) -> Result<(String, BTreeMap<String, Fate>), String> {
        let effect::Move { place, config, at, .. } = one;
        install::configure(&self.place.service(&place.host), &config).map_err(|error| error.to_string())?;
        self.begin(backend, &place.service, &place.host).await?;
        let version = self.control.ready(at, self.control.patience()).await.map_err(|error| error.to_string())?;
        let mut states = BTreeMap::new();
        for (state, value) in known {
            let carried = match value {
                Ok(value) => self.control.set_state(at, &state, value).await,
                Err(error) => Err(error),
            };
            let fate = match carried {
                Ok(()) => Fate::Carried { why: "its service was started anew".to_owned() },
                Err(error) => Fate::Reset { why: format!("it was started anew: {error}") },
            };
            states.insert(state, fate);
        }
        Ok((version, states))
    }
}
