//! Environments that change while services run: whoever has another one now is started anew, with its state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use local_cluster::Doer;
use session_api::Fate;

use super::State;
use super::instances::Instance;
use super::service::{Host, Service};
use super::wiring::Wiring;
use crate::effect::{Effect, Move, Place};
use crate::environment::{Environments, differing};

impl State {
    /// Takes note of the environments there are to be. What is to be said of them is said once. Services that an edit takes away
    /// keep theirs as long as they run: the edit may be refused.
    pub(super) fn surround(&mut self, now: Duration, app: &App, mut environments: Arc<Environments>) -> Vec<Effect> {
        let is_leaving = |name: &String| {
            self.services.contains_key(name) && app.services.iter().all(|service| service.name != *name)
        };
        let before = self.environments.clone();
        let leaving: Vec<&String> = before.services.keys().filter(|name| is_leaving(name)).collect();
        if !leaving.is_empty() {
            let all = Arc::make_mut(&mut environments);
            for name in leaving {
                let (given, terms) = (before.get(name), before.terms.get(name).cloned());
                all.services.insert(name.clone(), given);
                all.terms.extend(terms.map(|terms| (name.clone(), terms)));
            }
        }
        let news = environments.notices.iter().filter(|words| !self.said.contains(*words));
        let news: Vec<String> = news.cloned().collect();
        self.said = environments.notices.iter().cloned().collect();
        self.environments = environments;
        news.into_iter().flat_map(|words| self.notice(now, words)).collect()
    }

    /// Adds to the reasons of an edit the services that find another environment than they were started in.
    pub(super) fn add_surroundings(&self, app: &App, reasons: &mut BTreeMap<String, String>) {
        for one in self.each(app) {
            let service = one.service;
            let known = self.services.get(&*one.name).filter(|known| known.endpoint.is_some());
            let Some(known) = known else { continue };
            let now = self.environments.get(&service.name);
            if known.given == now {
                continue;
            }
            let reason = format!("its environment changed ({})", differing(&known.given, &now));
            let reasons = reasons.entry(one.name.into_owned());
            reasons.and_modify(|reasons| *reasons = format!("{reasons}, {reason}")).or_insert(reason);
        }
    }

    /// Starts services anew that find another environment, once nothing else is done to them: code first.
    pub(super) fn surround_anew(&mut self, now: Duration, wanted: &App, wiring: &Wiring) -> Vec<Effect> {
        if !self.gate.committed || self.is_moving() || self.backend.as_ref().is_none_or(|backend| backend.moving) {
            return Vec::new();
        }
        let is_free = |known: &Service| {
            let is_busy = known.swapping.is_some()
                || known.telling
                || known.removing
                || known.renewing
                || known.building().is_some();
            !is_busy && known.live.is_some() && known.host == Host::Up
        };
        let finds_another = |service: &&app::Service| {
            let given = self.services.get(&service.name).filter(|known| is_free(known)).map(|known| &known.given);
            // A host has one environment: all that are in it are started anew, or nobody.
            let all_free = || {
                let members = self.hosts.get(&service.name).map(|host| self.members(host)).unwrap_or_default();
                members.iter().all(|member| self.services.get(member).is_some_and(is_free))
            };
            given.is_some_and(|given| *given != self.environments.get(&service.name)) && all_free()
        };
        // Of several instances, one at a time: the others serve meanwhile.
        let is_renewing = |service: &app::Service| {
            let names = self.instance_names(&service.name);
            names.iter().any(|name| self.services.get(name).is_some_and(|known| known.renewing))
        };
        let changed: Vec<String> = wanted
            .services
            .iter()
            .filter(|service| finds_another(service) && !is_renewing(service))
            .map(|service| service.name.clone())
            .collect();
        let further = self.each(wanted).into_iter().find(|one| {
            let given = self.services.get(&*one.name).filter(|known| is_free(known)).map(|known| &known.given);
            let finds_another = given.is_some_and(|given| *given != self.environments.get(&one.service.name));
            one.number > 1 && finds_another && !is_renewing(one.service) && !changed.contains(&one.service.name)
        });
        if let Some(further) = further {
            return self.renew_instance(wiring, &further);
        }
        if changed.is_empty() {
            return Vec::new();
        }
        let before = self.hosts.clone();
        let (moved, mut effects) = self.place_anew(now, wanted, &changed);
        // Hosts of one service are started anew one by one, those of several with all of them.
        let mut moves: BTreeMap<String, Vec<Move>> = BTreeMap::new();
        for service in wanted.services.iter().filter(|service| moved.contains(&service.name)) {
            let environment = self.environments.get(&service.name);
            let (Some(config), Some(at)) = (self.config(wiring, &service.name), self.address(&service.name)) else {
                continue;
            };
            let states = service.placed.iter().filter(|placed| placed.is_state);
            let states = states.map(|placed| placed.name.clone()).collect();
            let Some(known) = self.services.get_mut(&service.name) else { continue };
            known.given = environment.clone();
            known.renewing = true;
            known.host = Host::Starting;
            known.told = Some(config.clone());
            let (service, host, group) = (service.name.clone(), service.host.clone(), self.host_of(service));
            // Where the backend leads the public listener stays as it is.
            let place = Place { service, host, group, front: None, environment };
            let left = before.get(&place.service).cloned().unwrap_or_default();
            moves.entry(left).or_default().push(Move { place, config, at, states });
        }
        effects.extend(moves.into_values().map(Effect::Renew));
        effects
    }

    /// Starts one instance of several anew. It has no placed state.
    fn renew_instance(&mut self, wiring: &Wiring, one: &Instance<'_>) -> Vec<Effect> {
        let environment = self.environments.get(&one.service.name);
        let (Some(config), Some(at)) = (self.config(wiring, &one.name), self.address(&one.name)) else {
            return Vec::new();
        };
        let Some(known) = self.services.get_mut(&*one.name) else { return Vec::new() };
        known.given = environment.clone();
        known.renewing = true;
        known.host = Host::Starting;
        known.told = Some(config.clone());
        let (service, host) = (one.name.to_string(), one.host());
        let place = Place { service, group: host.clone(), host, front: None, environment };
        vec![Effect::Renew(vec![Move { place, config, at, states: Vec::new() }])]
    }

    /// A service was started anew, or was not: then it is started again like one that ended.
    pub(super) fn renewed(
        &mut self,
        now: Duration,
        service: String,
        came: Result<(String, BTreeMap<String, Fate>), String>,
        answered: Duration,
    ) -> Vec<Effect> {
        let Some(known) = self.services.get_mut(&service).filter(|known| known.renewing) else { return Vec::new() };
        known.renewing = false;
        known.begun = now;
        let (version, states) = match came {
            Ok(came) => came,
            Err(why) => {
                self.taking.give_up(&service);
                let why = format!("it does not come back in its new environment: {why}");
                return self.down(now, service, why, Doer::Others);
            }
        };
        known.host = Host::Up;
        if let Some(live) = &mut known.live {
            live.since = now;
            live.states.clone_from(&states);
        }
        // Where code came with the edit as well, that is told already.
        known.renewed = self.taking.awaits(&service);
        self.taking.live(now, Duration::ZERO, &service, version, states);
        let ms = answered.as_secs_f64() * 1e3;
        let message = format!("{service} was started anew for its environment: for {ms:.0} ms it did not answer");
        let mut effects = self.notice(now, message);
        effects.extend(self.go_on_after(&service));
        effects
    }
}

#[cfg(test)]
mod tests;
