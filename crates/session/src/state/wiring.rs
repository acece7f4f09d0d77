//! Who is told what of whom.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use app::App;
use protocol::{Config, Limits, Peer, Route, ServiceLoad, instance_of};

use super::State;

/// What hosts are told when one reading of the file is in force, but for what is each one's own.
#[derive(Clone, Debug)]
pub(super) struct Wiring {
    app: Arc<App>,
    peers: Arc<BTreeMap<String, Peer>>,
    /// By service.
    routes: Arc<BTreeMap<String, String>>,
}

/// A key with what a library rests on beside the app's own files.
pub(super) fn with_outside(key: &str, outside: &str) -> String {
    let [meaning, recipe] = [0, 1].map(|at| key.split('/').nth(at).unwrap_or_default());
    format!("{meaning}/{recipe}/{outside}")
}

impl State {
    /// What tells one library of a service from another: its meaning and what it is compiled with.
    pub(super) fn key(&self, service: &app::Service) -> String {
        let recipe = self.recipe.as_ref().map_or("", |recipe| recipe.key.as_str());
        let outside = self.recipe.as_ref().and_then(|recipe| recipe.outside.get(&service.name));
        // A debugger shows the lines that a library names.
        let places = if self.settings.debug { service.places.as_str() } else { "" };
        with_outside(&format!("{}{places}/{recipe}", service.meaning), outside.map_or("", String::as_str))
    }

    /// What hosts are told when `app` is in force. What is as it was is shared with who was told so before.
    pub(super) fn wire(&mut self, app: &Arc<App>) -> Wiring {
        let before = self.wiring.take();
        let peer = |other: &app::Service| {
            let endpoint = self.services.get(&other.name)?.endpoint.as_ref()?;
            let inputs = other.inputs.iter().map(|input| input.name.clone()).collect();
            let further = self.further(&other.name);
            let others = further.map(|name| Some(self.services.get(&name)?.endpoint.as_ref()?.peer.clone()));
            // All of them, or none: their numbers are their places in this list.
            let others: Vec<String> = others.collect::<Option<_>>().unwrap_or_default();
            Some((
                other.name.clone(),
                Peer { address: endpoint.peer.clone(), others, host: other.host.clone(), inputs },
            ))
        };
        let peers: BTreeMap<String, Peer> = app.services.iter().filter_map(peer).collect();
        let known = before.as_ref().map(|before| &before.peers).filter(|known| ***known == peers);
        let peers = known.cloned().unwrap_or_else(|| Arc::new(peers));
        let known = before.as_ref().filter(|before| Arc::ptr_eq(&before.app, app)).map(|before| &before.routes);
        let routes = known.cloned().unwrap_or_else(|| Arc::new(app.routes()));
        let wiring = Wiring { app: app.clone(), peers, routes };
        self.wiring = Some(wiring.clone());
        wiring
    }

    /// What the host of a service, or of one of its instances, is told; the library is named by whoever takes one over.
    pub(super) fn config(&self, wiring: &Wiring, name: &str) -> Option<Config> {
        let known = self.services.get(name)?;
        let (service, number) = instance_of(name);
        let further = wiring.peers.get(service).map_or(0, |own| own.others.len());
        if further + 1 < self.instances(service) as usize {
            return None;
        }
        Some(Config {
            app: wiring.app.name.clone(),
            service: service.to_owned(),
            listen: known.endpoint.as_ref()?.listen,
            instance: (number > 1).then_some(number),
            front: self.front_of(wiring, name)?,
            peers: wiring.peers.clone(),
            route: wiring.routes.get(service).cloned(),
            library: known.live.as_ref().map(|live| live.library.clone()),
            token: self.settings.token.clone(),
            names: Some(self.settings.names.clone()),
            limits: self.limits(wiring),
            outside: None,
            load: self.load_of(service),
            record: true,
            moved: known.live.as_ref().and_then(|live| live.moved.clone()),
            near: self.near().map(|near| near.host(name)),
        })
    }

    /// Whether all services on the way from here have an address. A host refuses a route with a name that it does not know.
    pub(super) fn leads(&self, wiring: &Wiring, name: &str) -> bool {
        if wiring.peers.len() == wiring.app.services.len() {
            return true;
        }
        let route = wiring.routes.get(instance_of(name).0).map(|route| Route::parse(route));
        // One that does not read is the host's to refuse, with its words.
        route.and_then(Result::ok).is_none_or(|route| route.services().all(|name| wiring.peers.contains_key(name)))
    }

    /// Whether a host goes by what it would be told now, whichever library it has.
    pub(super) fn goes_by(&self, told: &Config, wiring: &Wiring, name: &str) -> bool {
        let endpoint = self.services.get(name).and_then(|known| known.endpoint.as_ref());
        let service = instance_of(name).0;
        self.front_of(wiring, name) == Some(told.front)
            && wiring.routes.get(service) == told.route.as_ref()
            && wiring.peers == told.peers
            && endpoint.is_some_and(|endpoint| endpoint.listen == told.listen)
            && self.limits(wiring) == told.limits
            && self.load_of(service) == told.load
            && self.near().map(|near| near.host(name)) == told.near
    }

    /// The public listener, where this service's host has it; nothing at all where there is no backend yet.
    pub(super) fn front_of(&self, wiring: &Wiring, service: &str) -> Option<Option<SocketAddr>> {
        let backend = self.backend.as_ref()?;
        let has_front = backend.hosts_bind_front && wiring.app.last() == Some(service);
        Some(has_front.then_some(backend.front))
    }

    fn load_of(&self, service: &str) -> ServiceLoad {
        let said = self.environments.terms.get(service).map(|terms| terms.load).unwrap_or_default();
        ServiceLoad {
            rate: said.rate,
            at_once: said.at_once,
            latency_ms: said.latency.map(app::TimeSpan::in_millis),
            idempotent: said.idempotent == Some(true),
            stays: said.stays == Some(true),
        }
    }

    fn limits(&self, wiring: &Wiring) -> Limits {
        deep_enough(self.settings.limits, wiring.app.services.len())
    }
}

/// An app's own flow, in which no service stands twice on one way, is never too deep.
fn deep_enough(limits: Limits, services: usize) -> Limits {
    Limits { depth: limits.depth.max(services), ..limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_every_service_is_not_too_deep_and_a_short_one_takes_no_longer_routes_than_any() {
        let limits = Limits::default();
        assert_eq!(deep_enough(limits, 200), Limits { depth: 200, ..limits });
        assert_eq!(deep_enough(limits, 2), limits);
    }
}
