//! What of an app has to be where a request of it is served, for nodes that share load.

use std::collections::BTreeSet;

use app::App;
use protocol::Route;

/// Services that a request of this one needs where it is served: those of its route, those that bodies call, and theirs.
pub fn needs(app: &App, service: &str) -> BTreeSet<String> {
    let mut needs = BTreeSet::new();
    let mut open = vec![service.to_owned()];
    while let Some(name) = open.pop() {
        let route = app.route_of(&name).and_then(|route| Route::parse(&route).ok());
        let routed: Vec<String> = route.iter().flat_map(Route::services).map(str::to_owned).collect();
        let called = app.services.iter().filter(|of| of.name == name).flat_map(|of| of.calls.iter().cloned());
        for needed in called.chain(routed).collect::<Vec<_>>() {
            if needed != service && needs.insert(needed.clone()) {
                open.push(needed);
            }
        }
    }
    needs
}

/// Whether a service, or one that a request of it needs, keeps a state: elsewhere there is another one.
pub fn keeps_state(app: &App, service: &str, needs: &BTreeSet<String>) -> bool {
    let of = |known: &&app::Service| known.name == service || needs.contains(&known.name);
    app.services.iter().filter(of).any(|known| known.placed.iter().any(|placed| placed.is_state))
}
