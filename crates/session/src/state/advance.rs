//! What is missing between what runs and what the file says, and the next steps towards it.
//!
//! In this order: an endpoint and a host for every service, a library for every meaning, the gate, libraries taken over,
//! routes told, the public listener moved, what is wanted no more removed, the edit told.

use std::sync::Arc;
use std::time::Duration;

use app::App;
use session_api::Report;
use session_api::snapshot::EditOutcome;

use super::service::{Build, Host};
use super::wiring::Wiring;
use super::{State, keep};
use crate::effect::{Bring, Effect, Move, Place, Swap, Wanted};

impl State {
    /// The next steps. Whatever is under way already is not asked for again.
    pub(super) fn advance(&mut self, now: Duration) -> Vec<Effect> {
        let Some(wanted) = self.wanted.clone() else { return Vec::new() };
        let wiring = self.wire(&wanted);
        let mut effects = self.seat_and_start(now, &wanted, &wiring);
        effects.extend(self.build(&wanted));
        self.commit(&wanted);
        effects.extend(self.swap(&wanted, &wiring));
        effects.extend(self.surround_anew(now, &wanted, &wiring));
        effects.extend(self.move_on(now, &wiring));
        let settling = self.settle();
        let settled = settling.is_empty() && self.has_settled();
        effects.extend(settling);
        if settled {
            effects.extend(self.conclude(now, &wanted));
            effects.extend(self.tell_places(&wanted, &wiring));
        }
        effects
    }

    fn seat_and_start(&mut self, now: Duration, wanted: &App, wiring: &Wiring) -> Vec<Effect> {
        if self.backend.is_none() {
            return Vec::new();
        }
        let mut effects = self.place(now, wanted);
        for one in self.each(wanted) {
            let Some(known) = self.services.get(&*one.name) else { continue };
            // One that is wanted again while it is removed is seated once that is done.
            if known.removing || known.seating || known.endpoint.is_some() && known.host != Host::None {
                continue;
            }
            let config = self.config(wiring, &one.name);
            let group = if one.number > 1 { one.host() } else { self.host_of(one.service) };
            if config.is_some() && !self.leads(wiring, &one.name) {
                continue;
            }
            let Some(known) = self.services.get_mut(&*one.name) else { continue };
            let Some(config) = config else {
                // Peers are told of all instances of a service, or of none.
                if known.endpoint.is_some() {
                    continue;
                }
                known.seating = true;
                known.given = self.environments.get(&one.service.name);
                let (service, host) = (one.name.to_string(), one.host());
                let place = Place { service, host, group, front: None, environment: known.given.clone() };
                effects.push(Effect::Reserve { place });
                continue;
            };
            known.host = Host::Starting;
            known.told = Some(config.clone());
            let library = known.artifact.as_ref().map(|kept| kept.artifact.file.clone());
            let library = library.filter(|_| known.live.is_some());
            effects.push(Effect::Start { config: Box::new(config), host: one.host(), library });
        }
        effects
    }

    fn build(&mut self, wanted: &Arc<App>) -> Vec<Effect> {
        if self.recipe.is_none() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        for service in &wanted.services {
            let key = self.key(service);
            let known = self.services.entry(service.name.clone()).or_default();
            if known.serves(&key) || known.has_built(&key) || known.has_failed(&key) {
                if known.building().is_some_and(|building| building != key) {
                    known.build = Build::None;
                    effects.push(Effect::Abandon { service: service.name.clone() });
                }
                continue;
            }
            if known.building() == Some(&key) {
                continue;
            }
            self.tickets += 1;
            known.build = Build::Running { ticket: self.tickets, key };
            known.compiling = Some(wanted.clone());
            let (edit, ticket, service) = (self.taking.edit, self.tickets, service.name.clone());
            effects.push(Effect::Report(Report::Building { edit, service: service.clone() }));
            effects.push(Effect::Build { ticket, app: Wanted(wanted.clone()), service });
        }
        effects
    }

    /// Opens the gate once the services are known to fit together and, where more than bodies changed, all are built.
    fn commit(&mut self, wanted: &Arc<App>) {
        if self.gate.committed || !self.gate.checked {
            return;
        }
        let is_built = |service: &app::Service| {
            let key = self.key(service);
            self.services.get(&service.name).is_some_and(|known| known.serves(&key) || known.has_built(&key))
        };
        if self.gate.structural && !wanted.services.iter().all(is_built) {
            return;
        }
        self.gate.committed = true;
        self.routed = Some(wanted.clone());
        for service in &wanted.services {
            let bring = self.brings(wanted, service);
            if let Some(known) = self.services.get_mut(&service.name) {
                known.bring = bring;
            }
        }
    }

    /// Placed values that this edit moves to a service: another has them now and will not have them any more.
    fn brings(&self, wanted: &App, service: &app::Service) -> Vec<Bring> {
        let has = |app: &App, name: &str, state: &app::PlacedStatic| {
            let placed = app.service(name).map(|service| service.placed.as_slice()).unwrap_or_default();
            placed.iter().any(|placed| placed.is_state && placed.name == state.name && placed.ty == state.ty)
        };
        let own = self.services.get(&service.name).and_then(|known| known.live.as_ref());
        let states = service.placed.iter().filter(|placed| placed.is_state);
        let states = states.filter(|state| own.is_none_or(|live| !has(&live.app, &service.name, state)));
        let from = |state: &app::PlacedStatic| {
            let (name, known) = self.services.iter().find(|(name, known)| {
                let serves_it = known.live.as_ref().is_some_and(|live| has(&live.app, name, state));
                *name != &service.name && serves_it && !has(wanted, name, state)
            })?;
            let from = known.endpoint.as_ref()?.here;
            Some(Bring { state: state.name.clone(), service: name.clone(), from })
        };
        states.filter_map(from).collect()
    }

    fn swap(&mut self, wanted: &App, wiring: &Wiring) -> Vec<Effect> {
        let mut effects = Vec::new();
        // A value is fetched before the one who has it becomes one who has not.
        let fetched: Vec<String> = self
            .services
            .values()
            .filter(|known| !known.bring.is_empty())
            .flat_map(|known| known.bring.iter().map(|bring| bring.service.clone()))
            .collect();
        for one in self.each(wanted) {
            let service = one.service;
            let key = self.key(service);
            let committed = self.gate.committed;
            let Some(known) = self.services.get(&*one.name) else { continue };
            let (Some(kept), Host::Up) = (&known.artifact, known.host) else { continue };
            // A new service may start ahead of the rest of its edit, but for values that are only its with the edit.
            let may = committed || (known.live.is_none() && self.brings(wanted, service).is_empty());
            let needs = kept.key == key && !known.serves(&key) && !known.has_failed(&key);
            let is_held = known.bring.is_empty() && fetched.iter().any(|name| *name == one.name);
            if !may || !needs || is_held || known.swapping.is_some() || known.moving || !self.leads(wiring, &one.name) {
                continue;
            }
            let Some(config) = self.config(wiring, &one.name) else { continue };
            let artifact = kept.artifact.clone();
            let Some(known) = self.services.get_mut(&*one.name) else { continue };
            known.swapping = Some(artifact.version.clone());
            known.told = Some(config.clone());
            let library = artifact.file.file_name().map(|name| name.to_string_lossy().into_owned());
            effects.push(Effect::Swap(Box::new(Swap {
                at: config_address(known.endpoint.as_ref()),
                before: config.library.clone(),
                config: protocol::Config { library, ..config },
                host: one.host(),
                library: artifact.file,
                version: artifact.version,
                bring: known.bring.clone(),
                patient: known.was_deaf,
            })));
        }
        effects
    }

    /// Routes, the public listener and removals: only once every library of the edit is taken over.
    fn settle(&mut self) -> Vec<Effect> {
        let Some(routed) = self.routed.clone().filter(|_| self.gate.committed && !self.taking.waits()) else {
            return Vec::new();
        };
        let is_busy = |known: &super::Service| {
            let is_going = known.removing || known.renewing || known.moving;
            known.swapping.is_some() || known.telling || is_going
        };
        if self.services.values().any(is_busy) {
            return Vec::new();
        }
        let wiring = self.wire(&routed);
        let tells = self.tell(&routed, &wiring);
        if !tells.is_empty() {
            return tells;
        }
        let moves = self.rehouse(&routed, &wiring);
        if !moves.is_empty() {
            return moves;
        }
        // One that never had an endpoint leaves nothing behind.
        self.services.retain(|_, known| !known.leaving || known.endpoint.is_some() || known.seating);
        let leaving = self.services.iter_mut().filter(|(_, known)| known.leaving && known.endpoint.is_some());
        let removals = leaving.map(|(name, known)| {
            known.removing = true;
            Effect::Remove { service: name.clone(), at: config_address(known.endpoint.as_ref()) }
        });
        removals.collect()
    }

    /// Who opens the public listener is told before who closes it.
    fn tell(&mut self, routed: &App, wiring: &Wiring) -> Vec<Effect> {
        let mut tells = Vec::new();
        for one in self.each(routed) {
            let Some(known) = self.services.get(&*one.name).filter(|known| known.host == Host::Up) else { continue };
            let goes_by = |told: &protocol::Config| self.goes_by(told, wiring, &one.name);
            if known.live.is_some() && !known.told.as_ref().is_some_and(goes_by) && self.leads(wiring, &one.name) {
                let Some(config) = self.config(wiring, &one.name) else { continue };
                let opens = config.front.is_some() && known.told.as_ref().is_some_and(|told| told.front.is_none());
                tells.push((opens, one, config));
            }
        }
        let any_opens = tells.iter().any(|(opens, ..)| *opens);
        let tells = tells.into_iter().filter(|(opens, ..)| *opens == any_opens).map(|(_, one, config)| {
            let at = config_address(self.services.get(&*one.name).and_then(|known| known.endpoint.as_ref()));
            Effect::Tell { config: Box::new(config), host: one.host(), at }
        });
        let tells: Vec<Effect> = tells.collect();
        for tell in &tells {
            if let Effect::Tell { config, .. } = tell
                && let Some(known) = self.services.get_mut(&config.instance_name())
            {
                known.telling = true;
            }
        }
        tells
    }

    /// Tells hosts where the code of their library stands by now. Nobody waits for it, and no edit is told later for it.
    fn tell_places(&mut self, wanted: &App, wiring: &Wiring) -> Vec<Effect> {
        let mut tells = Vec::new();
        if !self.ready {
            return tells;
        }
        for one in self.each(wanted) {
            let service = one.service;
            let key = self.key(service);
            let known = self.services.get_mut(&*one.name).filter(|known| known.host == Host::Up);
            let Some(live) = known.and_then(|known| known.live.as_mut()).filter(|live| live.key == key) else {
                continue;
            };
            let told = live.placed_at.as_ref().or(live.built.service(&service.name).map(|built| &built.places));
            if told == Some(&service.places) {
                continue;
            }
            let shift = |shift: &app::CodeShift| protocol::Shift { was: shift.was, now: shift.now };
            let files = wanted.moved(&live.built, &service.name).into_iter();
            let files = files.map(|(file, shifts)| (file.display().to_string(), shifts.iter().map(shift).collect()));
            let moved = protocol::Moved { library: live.library.clone(), files: files.collect() };
            live.placed_at = Some(service.places.clone());
            if moved.files.is_empty() && live.moved.is_none() {
                continue;
            }
            live.moved = Some(Arc::new(moved));
            let Some(config) = self.config(wiring, &one.name) else { continue };
            let Some(known) = self.services.get_mut(&*one.name) else { continue };
            known.telling = true;
            let at = config_address(known.endpoint.as_ref());
            tells.push(Effect::Tell { config: Box::new(config), host: one.host(), at });
        }
        tells
    }

    /// Where the backend leads to the public listener, whoever had it and whoever gets it are seated anew, unless it leads
    /// on without that.
    fn rehouse(&mut self, routed: &App, wiring: &Wiring) -> Vec<Effect> {
        let is_free = |backend: &&super::Backend| !backend.hosts_bind_front && !backend.moving && !self.is_moving();
        let Some(backend) = self.backend.as_ref().filter(is_free) else {
            return Vec::new();
        };
        let last = routed.last().map(str::to_owned);
        if backend.front_at == last || last.as_ref().is_some_and(|last| !self.is_up(last)) {
            return Vec::new();
        }
        let port = backend.front.port();
        let one = |name: &String, front: Option<u16>| {
            let (service, known) = (routed.service(name)?, self.services.get(name)?);
            let states = service.placed.iter().filter(|placed| placed.is_state);
            Some(Move {
                place: Place {
                    service: name.clone(),
                    host: service.host.clone(),
                    group: self.host_of(service),
                    front,
                    environment: known.given.clone(),
                },
                config: self.config(wiring, name)?,
                at: known.endpoint.as_ref()?.here,
                states: states.map(|placed| placed.name.clone()).collect(),
            })
        };
        let leads = backend.leads_front;
        let gone = backend.front_at.clone().filter(|name| !leads && routed.service(name).is_none());
        // A port is published by a container: all that is in it moves.
        let next = last.as_ref().and_then(|last| self.hosts.get(last));
        let hosts: std::collections::BTreeSet<&String> = backend.front_host.iter().chain(next).collect();
        let names: Vec<String> = match leads {
            true => last.iter().cloned().collect(),
            false => hosts.into_iter().flat_map(|host| self.members(host)).collect(),
        };
        if names.is_empty() {
            return Vec::new();
        }
        let moves = names.into_iter().filter_map(|name| one(&name, (last.as_ref() == Some(&name)).then_some(port)));
        let mut moves: Vec<Move> = moves.collect();
        // The one that gets the port comes after those that had it.
        moves.sort_by_key(|one| one.place.front.is_some());
        // The port is free for the next one only when the container that had it is gone.
        if let Some(known) =
            gone.as_ref().and_then(|gone| self.services.get_mut(gone)).filter(|known| known.endpoint.is_some())
        {
            known.removing = true;
            let at = config_address(known.endpoint.as_ref());
            return gone.map(|service| Effect::Remove { service, at }).into_iter().collect();
        }
        if let Some(backend) = &mut self.backend {
            backend.moving = true;
        }
        vec![Effect::Rehouse { moves }]
    }

    fn is_up(&self, service: &str) -> bool {
        self.services.get(service).is_some_and(|known| known.host == Host::Up)
    }

    /// Whether nothing is under way any more.
    pub(super) fn has_settled(&self) -> bool {
        let moving = self.backend.as_ref().is_none_or(|backend| backend.moving);
        let busy = |known: &super::Service| {
            let is_moving = known.telling || known.removing || known.renewing || known.moving;
            known.swapping.is_some() || is_moving || known.building().is_some()
        };
        !moving && self.gate.committed && !self.taking.waits() && !self.services.values().any(busy)
    }

    /// Says what came of the edit.
    fn conclude(&mut self, now: Duration, wanted: &App) -> Vec<Effect> {
        if !self.ready {
            let serves = |one: &super::instances::Instance<'_>| {
                self.services.get(&*one.name).is_some_and(|known| known.live.is_some() && known.host == Host::Up)
            };
            if !self.each(wanted).iter().all(serves) {
                return Vec::new();
            }
            self.ready = true;
            self.taking.give_up_all();
            return self.ready_report(now).map(Effect::Report).into_iter().collect();
        }
        let Some(report) = self.taking.close(now) else { return Vec::new() };
        let mut judging = Vec::new();
        if let Report::Live { edit, services, ms, .. } = &report {
            keep(&mut self.totals, ms.total);
            if let Some(line) = self.edits.iter_mut().rev().find(|line| line.edit == *edit) {
                if line.outcome == EditOutcome::Open {
                    line.outcome = EditOutcome::Live;
                }
                line.ms = Some(*ms);
                for edited in &mut line.services {
                    let taken = services.iter().find(|taken| taken.name == edited.name);
                    edited.version = taken.map(|taken| taken.version.clone());
                }
            }
            judging = self.judge(now, *edit, services);
        }
        let mut effects = vec![Effect::Report(report)];
        effects.extend(judging);
        effects
    }
}

/// Where a service can be called. Only services with an endpoint come here.
fn config_address(endpoint: Option<&crate::event::HostEndpoint>) -> std::net::SocketAddr {
    endpoint.map_or_else(|| ([127, 0, 0, 1], 0).into(), |endpoint| endpoint.here)
}
