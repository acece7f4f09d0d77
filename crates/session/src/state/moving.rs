//! Services that go on in another host while they run, one request after the other.
//!
//! A move has three stages. Its services are opened in their new host and handed over ([`Effect::Carry`]): each has one
//! owner at any time, who the host that it leaves decides. Every host is told where they are, by the way of every edit.
//! Then they leave the host that they were in ([`Effect::Depart`]). It begins when nothing else is under way, and code
//! that is built meanwhile is taken over once its service is there.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use app::App;
use local_cluster::Doer;
use session_api::snapshot::FlowEdge;
use session_api::{Fate, MoveTimes, Report};

use super::State;
use super::service::Host;
use super::wiring::Wiring;
use crate::effect::{Carry, Departure, Effect, Move, Place};
use crate::event::{Carried, Regroup};
use crate::placement::{Advice, Figures, Past, Present, Tenant, Together, advise, company, regroup};

/// The moves of a session.
#[derive(Debug, Default)]
pub(super) struct Moving {
    /// They wait for their turn.
    waiting: VecDeque<Regroup>,
    now: Option<Current>,
    /// What the session did by itself.
    past: Past,
}

/// The one that is under way.
#[derive(Debug)]
struct Current {
    asked: Regroup,
    begun: Duration,
    stage: Stage,
    /// What every service that went leaves behind.
    left: Vec<Departure>,
    moved: Vec<Moved>,
    stayed: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Carrying,
    Telling,
    Leaving,
}

#[derive(Debug)]
struct Moved {
    service: String,
    from: String,
    to: String,
    states: BTreeMap<String, Fate>,
    ms: MoveTimes,
}

impl State {
    /// Somebody wants services together or apart.
    pub(super) fn asked_to_move(&mut self, asked: Regroup) -> Vec<Effect> {
        match self.may_move(&asked) {
            Ok(()) => {
                self.moving.waiting.push_back(asked);
                Vec::new()
            }
            Err(why) => vec![Effect::Settled { number: asked.number, outcome: Err(why) }],
        }
    }

    /// Whether services may move as things stand.
    fn may_move(&self, asked: &Regroup) -> Result<(), String> {
        let app = self.routed.as_ref().filter(|_| self.ready).ok_or("the app does not serve yet")?;
        if self.backend.as_ref().is_none_or(|backend| !backend.moves) {
            return Err(
                "services in containers that call each other by TCP stay where they were started: `--together` starts \
                 them together"
                    .to_owned(),
            );
        }
        if let Some(several) = asked.services.iter().find(|service| self.instances(service) > 1) {
            let count = self.instances(several);
            return Err(format!("{several} has {count} instances, and each is a host of its own"));
        }
        let going = self.goals(app, asked)?;
        if going.is_empty() {
            return Err(format!("{} run in one host already", asked.services.join(", ")));
        }
        match going.iter().find(|(service, _)| !self.serves(service)) {
            Some((service, _)) => Err(format!("{service} does not answer at the moment")),
            None => Ok(()),
        }
    }

    fn serves(&self, service: &str) -> bool {
        self.services.get(service).is_some_and(|known| known.host == Host::Up && known.live.is_some())
    }

    /// Where services go.
    fn goals(&self, app: &App, asked: &Regroup) -> Result<Vec<(String, String)>, String> {
        self.at_present(app, |present| regroup(asked.wanted, &asked.services, present))
    }

    /// Answers by how services stand.
    fn at_present<T>(&self, app: &App, answer: impl FnOnce(Present<'_>) -> T) -> T {
        let environment = |service: &app::Service| {
            self.services.get(&service.name).map(|known| known.given.clone()).unwrap_or_default()
        };
        let tenants: Vec<Tenant<'_>> = app
            .services
            .iter()
            .map(|service| Tenant { service: &service.name, host: &service.host, environment: environment(service) })
            .collect();
        let edges = super::picture::edges(app);
        let edges: Vec<(&str, &str)> =
            edges.iter().map(|FlowEdge { from, to, .. }| (from.as_str(), to.as_str())).collect();
        let takes_in = self.backend.as_ref().is_none_or(|backend| backend.takes_in);
        answer(Present { tenants: &tenants, edges: &edges, hosts: &self.hosts, takes_in })
    }

    /// Places services by what they did, where that is wished for: one move at a time, while nothing else is under way.
    pub(super) fn measured(&mut self, now: Duration, figures: &BTreeMap<String, Figures>) -> Vec<Effect> {
        let is_free = self.ready && !self.is_moving() && self.moving.waiting.is_empty() && self.has_settled();
        if self.environments.together != Together::Auto || !is_free {
            return Vec::new();
        }
        let Some(app) = self.routed.clone() else { return Vec::new() };
        let apart = |service: &str| self.alone.contains(service) || self.instances(service) > 1;
        let advised = self.at_present(&app, |present| advise(present, figures, apart, &self.moving.past, now));
        let Some(advice) = advised else { return Vec::new() };
        let Advice { wanted, services, why } = advice.clone();
        let with: Vec<String> = services.iter().flat_map(|one| company(one, &self.hosts)).collect();
        self.moving.past.note(&advice, &with, now);
        // Nobody waits for it.
        self.asked_to_move(Regroup { number: 0, wanted, services, reset: false, why })
    }

    /// Begins the next move, or goes on with the one that is under way.
    pub(super) fn move_on(&mut self, now: Duration, wiring: &Wiring) -> Vec<Effect> {
        match self.moving.now.as_ref().map(|current| current.stage) {
            None => self.begin_move(now, wiring),
            Some(Stage::Telling) if self.all_know() => self.depart(now),
            Some(_) => Vec::new(),
        }
    }

    fn begin_move(&mut self, now: Duration, wiring: &Wiring) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.ready && !self.moving.waiting.is_empty() && self.has_settled() {
            let Some(asked) = self.moving.waiting.pop_front() else { break };
            // Much may have happened since it was asked for.
            let going = self.may_move(&asked).and_then(|()| {
                let app = self.routed.clone().ok_or("the app does not serve yet")?;
                self.goals(&app, &asked)
            });
            let going = match going {
                Ok(going) => going,
                Err(why) => {
                    effects.push(Effect::Settled { number: asked.number, outcome: Err(why) });
                    continue;
                }
            };
            let carries: Vec<Carry> =
                going.into_iter().filter_map(|(service, to)| self.carry(wiring, &service, to)).collect();
            for carry in &carries {
                if let Some(known) = self.services.get_mut(&carry.going.place.service) {
                    known.moving = true;
                }
            }
            let reset = asked.reset;
            let (left, moved, stage) = (Vec::new(), Vec::new(), Stage::Carrying);
            self.moving.now = Some(Current { asked, begun: now, stage, left, moved, stayed: None });
            effects.push(Effect::Carry { carries, reset });
            break;
        }
        effects
    }

    fn carry(&self, wiring: &Wiring, service: &str, to: String) -> Option<Carry> {
        let app = self.routed.as_ref()?;
        let (known, host) = (self.services.get(service)?, app.service(service)?.host.clone());
        let before = known.endpoint.clone()?;
        // Callers from outside are let in there once all they ask for is there.
        let place =
            Place { service: service.to_owned(), host, group: to, front: None, environment: known.given.clone() };
        let going = Move { place, config: self.config(wiring, service)?, at: before.here, states: Vec::new() };
        let leads = |backend: &&super::Backend| backend.leads_front && backend.front_at.as_deref() == Some(service);
        let front = self.backend.as_ref().filter(leads).map(|backend| backend.front.port());
        Some(Carry { going, from: self.hosts.get(service)?.clone(), before, front })
    }

    /// Services are in their new host, or some of them, and why another is not.
    pub(super) fn carried(
        &mut self,
        now: Duration,
        carried: Vec<Carried>,
        stayed: Option<(String, String)>,
    ) -> Vec<Effect> {
        let Some(mut current) = self.moving.now.take() else { return Vec::new() };
        (current.stage, current.stayed) = (Stage::Telling, stayed);
        let mut effects = Vec::new();
        for one in carried {
            let Carried { service, endpoint, to, config, states, ms, trouble } = one;
            if let Some(why) = trouble {
                effects.extend(self.notice(now, format!("callers from outside are not led to {service}: {why}")));
            }
            let from = self.hosts.insert(service.clone(), to.clone()).unwrap_or_default();
            if let Some(backend) = self.backend.as_mut().filter(|backend| backend.front_at.as_ref() == Some(&service)) {
                backend.front_host = Some(to.clone());
            }
            // Who was asked for is no longer apart for what it did.
            self.alone.remove(&service);
            let Some(known) = self.services.get_mut(&service) else { continue };
            let Some(at) = known.endpoint.replace(endpoint).map(|before| before.here) else { continue };
            known.told = Some(config);
            known.begun = now;
            if let Some(live) = &mut known.live {
                live.states.clone_from(&states);
            }
            current.left.push(Departure { service: service.clone(), at, from: from.clone() });
            current.moved.push(Moved { service, from, to, states, ms });
        }
        self.moving.now = Some(current);
        let mut fallen = Vec::new();
        for (service, known) in self.services.iter_mut().filter(|(_, known)| known.moving) {
            known.moving = false;
            fallen.extend(known.fell.take().map(|(why, by)| (service.clone(), why, by)));
        }
        // Whichever host it was that ended meanwhile: one that runs goes on when it is started.
        effects.extend(fallen.into_iter().flat_map(|(service, why, by)| self.down(now, service, why, by)));
        effects
    }

    /// The end of a host that a service leaves or goes to is looked at once it is known where it is.
    pub(super) fn falls_between(&mut self, service: &str, why: &str, by: Doer) -> bool {
        let known = self.services.get_mut(service).filter(|known| known.moving);
        known.map(|known| known.fell = Some((why.to_owned(), by))).is_some()
    }

    /// Whether every host knows where the others are.
    fn all_know(&mut self) -> bool {
        let Some(routed) = self.routed.clone() else { return true };
        let wiring = self.wire(&routed);
        self.each(&routed).iter().all(|one| {
            let known = self.services.get(&*one.name).filter(|known| known.host == Host::Up && known.live.is_some());
            known.is_none_or(|known| {
                let goes_by = |told: &protocol::Config| self.goes_by(told, &wiring, &one.name);
                !known.telling && known.told.as_ref().is_some_and(goes_by)
            })
        })
    }

    fn depart(&mut self, now: Duration) -> Vec<Effect> {
        let Some(current) = &mut self.moving.now else { return Vec::new() };
        current.stage = Stage::Leaving;
        let total = now.saturating_sub(current.begun).as_secs_f64() * 1e3;
        let mut effects = Vec::new();
        for moved in &mut current.moved {
            moved.ms.total = total;
            let Moved { service, from, to, states, ms } = moved;
            effects.push(Effect::Report(Report::Moved {
                service: service.clone(),
                from: from.clone(),
                to: to.clone(),
                why: current.asked.why.clone(),
                states: states.clone(),
                ms: *ms,
            }));
        }
        if let Some((service, why)) = &current.stayed {
            let (services, why) = (vec![service.clone()], why.clone());
            effects.push(Effect::Report(Report::Stayed { services, why }));
        }
        effects.push(Effect::Depart(std::mem::take(&mut current.left)));
        effects
    }

    /// Nothing is left of the services where they were.
    pub(super) fn departed(&mut self, now: Duration, trouble: Option<String>) -> Vec<Effect> {
        let Some(Current { asked, moved, stayed, .. }) = self.moving.now.take() else { return Vec::new() };
        let outcome = match stayed {
            None => Ok(words(&moved)),
            Some((service, why)) if moved.is_empty() => Err(format!("{service} stays where it is: {why}")),
            Some((service, why)) => Err(format!("{}, but {service} stays where it is: {why}", words(&moved))),
        };
        let told = trouble.map(|why| self.notice(now, format!("a host that services left may still be there: {why}")));
        let mut effects = told.unwrap_or_default();
        effects.push(Effect::Settled { number: asked.number, outcome });
        effects
    }

    /// Whether services are on their way to another host.
    pub(super) fn is_moving(&self) -> bool {
        self.moving.now.is_some()
    }
}

fn words(moved: &[Moved]) -> String {
    let one = |moved: &Moved| {
        let waited = moved.ms.hold + moved.ms.carry;
        let reset: Vec<&str> = moved
            .states
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Reset { .. }))
            .map(|(name, _)| name.as_str())
            .collect();
        let reset = if reset.is_empty() { String::new() } else { format!(", and {} began anew", reset.join(", ")) };
        format!("{} runs in the host {}: requests waited for {waited:.1} ms{reset}", moved.service, moved.to)
    };
    moved.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
