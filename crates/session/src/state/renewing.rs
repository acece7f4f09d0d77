//! Environments that change while services run: whoever has another one now is started anew, with its state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use local_cluster::Doer;
use session_api::Fate;

use super::State;
use super::service::Host;
use super::wiring::Wiring;
use crate::effect::{Effect, Move, Place};
use crate::environment::{Environments, differing};

impl State {
    /// Takes note of the environments there are to be. What is to be said of them is said once.
    pub(super) fn surround(&mut self, now: Duration, environments: Arc<Environments>) -> Vec<Effect> {
        let news = environments.notices.iter().filter(|words| !self.said.contains(*words));
        let news: Vec<String> = news.cloned().collect();
        self.said = environments.notices.iter().cloned().collect();
        self.environments = environments;
        news.into_iter().flat_map(|words| self.notice(now, words)).collect()
    }

    /// Adds to the reasons of an edit the services that find another environment than they were started in.
    pub(super) fn add_surroundings(&self, app: &App, reasons: &mut BTreeMap<String, String>) {
        for service in &app.services {
            let known = self.services.get(&service.name).filter(|known| known.endpoint.is_some());
            let Some(known) = known else { continue };
            let now = self.environments.get(&service.name);
            if known.given == now {
                continue;
            }
            let reason = format!("its environment changed ({})", differing(&known.given, &now));
            let reasons = reasons.entry(service.name.clone());
            reasons.and_modify(|reasons| *reasons = format!("{reasons}, {reason}")).or_insert(reason);
        }
    }

    /// Starts services anew that find another environment, once nothing else is done to them: code first.
    pub(super) fn surround_anew(&mut self, wanted: &App, wiring: &Wiring) -> Vec<Effect> {
        if !self.gate.committed || self.backend.as_ref().is_none_or(|backend| backend.moving) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        for service in &wanted.services {
            let environment = self.environments.get(&service.name);
            let Some(known) = self.services.get(&service.name) else { continue };
            let is_busy = known.swapping.is_some()
                || known.telling
                || known.removing
                || known.renewing
                || known.building().is_some();
            if known.given == environment || is_busy || known.live.is_none() || known.host != Host::Up {
                continue;
            }
            let (Some(config), Some(at)) =
                (self.config(wiring, &service.name), known.endpoint.as_ref().map(|endpoint| endpoint.here))
            else {
                continue;
            };
            let states = service.placed.iter().filter(|placed| placed.is_state);
            let states = states.map(|placed| placed.name.clone()).collect();
            let Some(known) = self.services.get_mut(&service.name) else { continue };
            known.given = environment.clone();
            known.renewing = true;
            known.host = Host::Starting;
            known.told = Some(config.clone());
            // Where the backend leads the public listener stays as it is.
            let place = Place { service: service.name.clone(), host: service.host.clone(), front: None, environment };
            effects.push(Effect::Renew(Box::new(Move { place, config, at, states })));
        }
        effects
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
        self.notice(now, format!("{service} was started anew for its environment: for {ms:.0} ms it did not answer"))
    }
}

#[cfg(test)]
mod tests;
