//! Who is told what of whom.

use app::App;
use hops::{Config, Limits, Peer};

use super::State;

impl State {
    /// What tells one library of a service from another: its meaning and what it is compiled with.
    pub(super) fn key(&self, service: &app::Service) -> String {
        let recipe = self.recipe.as_ref().map_or("", |recipe| recipe.key.as_str());
        format!("{}/{recipe}", service.meaning)
    }

    /// What a service's host is told when `app` is in force; the library is named by whoever takes one over.
    pub(super) fn config(&self, app: &App, service: &str) -> Option<Config> {
        let ground = self.ground.as_ref()?;
        let known = self.services.get(service)?;
        let peer = |other: &app::Service| {
            let seat = self.services.get(&other.name)?.seat.as_ref()?;
            let inputs = other.inputs.iter().map(|input| input.name.clone()).collect();
            Some((other.name.clone(), Peer { address: seat.peer.clone(), host: other.host.clone(), inputs }))
        };
        let has_front = ground.hosts_bind_front && app.last() == Some(service);
        Some(Config {
            app: app.name.clone(),
            service: service.to_owned(),
            listen: known.seat.as_ref()?.listen,
            front: has_front.then_some(ground.front),
            peers: app.services.iter().filter_map(peer).collect(),
            route: app.route_of(service),
            library: known.live.as_ref().map(|live| live.library.clone()),
            token: self.settings.token.clone(),
            limits: deep_enough(self.settings.limits, app.services.len()),
            record: true,
        })
    }
}

/// An app's own flow, in which no service stands twice on one way, is never too deep.
fn deep_enough(limits: Limits, services: usize) -> Limits {
    Limits { depth: limits.depth.max(services), ..limits }
}

/// Whether two configurations say the same, whichever library they name.
pub(super) fn same(one: &Config, other: &Config) -> bool {
    one.front == other.front
        && one.route == other.route
        && one.peers == other.peers
        && one.listen == other.listen
        && one.limits == other.limits
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
