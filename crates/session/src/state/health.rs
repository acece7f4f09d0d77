//! Hosts that come, go, take over or refuse to.

use std::collections::BTreeMap;
use std::time::Duration;

use app::{Diagnostic, SourcePlace};
use local_cluster::Doer;
use protocol::{Config, instance_of};
use session_api::snapshot::EditOutcome;
use session_api::{Fate, Report};

use super::State;
use super::instances::host_name;
use super::service::{Host, Live, Service};
use crate::effect::Effect;
use crate::event::HostEndpoint;

/// A crash within this long of the last start lengthens the pause before the next.
const STEADY: Duration = Duration::from_secs(10);
/// The first pause before a restart; it doubles up to [`LONGEST_PAUSE`].
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A host that ends so often while it takes a version over dies of that version.
const DEATHS: u32 = 2;
/// A version that was taken over not longer ago than this, and whose host ended so often since, is no good.
const TRIAL: Duration = Duration::from_secs(60);
const CRASHES: u32 = 3;

impl State {
    pub(super) fn started(&mut self, now: Duration, service: &str) -> Vec<Effect> {
        if let Some(known) = self.services.get_mut(service) {
            known.host = Host::Up;
            known.begun = now;
        }
        self.go_on_after(service)
    }

    pub(super) fn live(
        &mut self,
        now: Duration,
        service: &str,
        version: String,
        states: BTreeMap<String, Fate>,
        answered: Duration,
    ) -> Vec<Effect> {
        let Some(known) = self.services.get_mut(service) else { return Vec::new() };
        if known.swapping.as_ref() != Some(&version) {
            return Vec::new();
        }
        known.swapping = None;
        known.bring.clear();
        (known.deaths, known.own_crashes, known.was_deaf) = (0, 0, false);
        known.own_ends.clear();
        let Some(kept) = known.artifact.as_ref().filter(|kept| kept.artifact.version == version) else {
            return Vec::new();
        };
        known.renewed = false;
        known.previous = known.live.take();
        let library = kept.artifact.file.file_name().map(|name| name.to_string_lossy().into_owned());
        known.live = Some(Live {
            key: kept.key.clone(),
            app: kept.app.clone(),
            built: kept.built.clone(),
            placed_at: None,
            moved: None,
            version: version.clone(),
            library: library.unwrap_or_default(),
            since: now,
            taken: now,
            states: states.clone(),
        });
        self.taking.live(now, answered, service, version, states);
        Vec::new()
    }

    pub(super) fn told(&mut self, service: &str, config: Config, trouble: Option<String>) -> Vec<Effect> {
        if let Some(known) = self.services.get_mut(service) {
            known.telling = false;
            known.told = Some(config);
        }
        let edit = self.taking.edit;
        let refused = |why| {
            let why = format!("its routes stay as they were: {why}");
            Effect::Report(Report::RolledBack { edit, service: service.to_owned(), why })
        };
        trouble.map(refused).into_iter().collect()
    }

    pub(super) fn rehoused(&mut self, now: Duration, services: Vec<(String, HostEndpoint)>, ms: f64) -> Vec<Effect> {
        if let Some(backend) = &mut self.backend {
            backend.moving = false;
            backend.front_at = self.routed.as_ref().and_then(|app| app.last()).map(str::to_owned);
            backend.front_host = backend.front_at.as_ref().and_then(|service| self.hosts.get(service)).cloned();
        }
        // It leads to another, and nothing was made anew.
        if services.is_empty() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        for (service, endpoint) in services {
            if let Some(known) = self.services.get_mut(&service) {
                known.endpoint = Some(endpoint);
                known.host = Host::Up;
                known.begun = now;
            }
            effects.extend(self.go_on_after(&service));
        }
        let message = format!("the public listener moved to another container: for {ms:.0} ms nobody answered there");
        effects.extend(self.notice(now, message));
        effects
    }

    pub(super) fn removed(&mut self, now: Duration, service: String, trouble: Option<String>) -> Vec<Effect> {
        let is_wanted = self.wanted.as_ref().is_some_and(|app| self.service_of(app, &service).is_some());
        self.hosts.remove(&service);
        self.alone.remove(&service);
        if let Some(known) = self.services.remove(&service)
            && is_wanted
        {
            // Wanted again meanwhile: what was built of it still counts.
            let again = Service { artifact: known.artifact, build: known.build, ..Service::default() };
            self.services.insert(service.clone(), again);
        }
        if !is_wanted {
            self.counts.remove(&service);
        }
        let mut effects = self.go_on_after(&service);
        let message = trouble.map(|why| format!("{service} is gone, but not all that was made for it: {why}"));
        effects.extend(message.into_iter().flat_map(|message| self.notice(now, message)));
        effects
    }

    pub(super) fn back(&mut self, now: Duration, service: String, version: String, anew: bool) -> Vec<Effect> {
        let Some(known) = self.services.get_mut(&service) else { return Vec::new() };
        known.host = Host::Up;
        known.begun = now;
        known.why = None;
        known.restarts += u32::from(anew);
        if let Some(live) = known.live.as_mut().filter(|_| anew) {
            live.states.values_mut().for_each(|fate| {
                *fate = Fate::Reset { why: "its host was started again".to_owned() };
            });
            live.since = now;
        }
        let next = self.go_on_after(&service);
        [Effect::Report(Report::Up { service, version, anew })].into_iter().chain(next).collect()
    }

    pub(super) fn down(&mut self, now: Duration, service: String, why: String, by: Doer) -> Vec<Effect> {
        if self.falls_between(&service, &why, by) {
            return Vec::new();
        }
        let moving = self.backend.as_ref().is_some_and(|backend| backend.moving);
        let Some(known) = self.services.get_mut(&service).filter(|known| !known.removing && !known.renewing && !moving)
        else {
            return Vec::new();
        };
        let Some(at) = known.endpoint.as_ref().map(|endpoint| endpoint.here) else { return Vec::new() };
        let why = known.condemned.take().unwrap_or(why);
        known.host = Host::Down;
        known.why = Some(why.clone());
        known.telling = false;
        let soon = now.saturating_sub(known.begun) <= STEADY;
        known.crashes = if soon { known.crashes.saturating_add(1) } else { 1 };
        // What somebody else did to it says nothing of its code.
        let own = by == Doer::Service;
        if own {
            known.own_crashes = if soon { known.own_crashes.saturating_add(1) } else { 1 };
            known.own_ends.retain(|at| now.saturating_sub(*at) <= TRIAL);
            known.own_ends.push_back(now);
        }
        known.begun = now;
        let after = pause(known.crashes);
        let last_words = known.last_words();
        let restart_ms = u64::try_from(after.as_millis()).ok();
        let mut effects = vec![Effect::Report(Report::Down { service: service.clone(), why: why.clone(), restart_ms })];
        if let Some(version) = known.swapping.take() {
            known.deaths += u32::from(own);
            if own && known.deaths >= DEATHS {
                let why = format!("its host ended while it took {version} over: {why}{last_words}");
                effects.extend(self.roll_back(&service, why));
            }
        } else if own
            && known.own_crashes >= CRASHES
            && known.live.as_ref().is_some_and(|live| now.saturating_sub(live.taken) < TRIAL)
            && let Some(previous) = known.previous.take()
        {
            let version = known.live.replace(previous).map_or_else(String::new, |live| live.version);
            let why = format!("{version} ended {CRASHES} times soon after it was taken over: {why}{last_words}");
            effects.extend(self.roll_back(&service, why));
        } else if own && known.own_ends.len() >= CRASHES as usize && !self.is_alone(&service) {
            let others = self.hosts.get(&service).map(|host| self.members(host)).unwrap_or_default();
            let why = format!("the one of {} ended {CRASHES} times within a minute", others.join(", "));
            effects.extend(self.part(now, &service, &why));
        }
        let app = self.routed.as_ref().or(self.wanted.as_ref()).cloned();
        let number = instance_of(&service).1;
        let host = app.as_ref().and_then(|app| self.service_of(app, &service));
        let host = host.map(|service| host_name(&service.host, number));
        if let (Some(app), Some(host)) = (app, host) {
            let wiring = self.wire(&app);
            let Some(config) = self.config(&wiring, &service) else { return effects };
            effects.push(Effect::Restart { config: Box::new(config), host, at, after });
        }
        effects
    }

    /// A job ran at a host that ended: what the job was asked to do may have ended it, and its version is not to blame for
    /// that. A job that ends its host again and again fails by itself.
    pub(super) fn run_lost(&mut self, service: &str) -> Vec<Effect> {
        if let Some(known) = self.services.get_mut(service) {
            known.own_crashes = known.own_crashes.saturating_sub(1);
        }
        Vec::new()
    }

    /// A host that listens and reads nothing is started anew, once: its end is told with the reason.
    pub(super) fn deaf(&mut self, service: &str, version: Option<&str>, why: String) -> Vec<Effect> {
        let Some(known) = self.services.get_mut(service).filter(|known| known.host == Host::Up) else {
            return Vec::new();
        };
        if version.is_some() && known.swapping.as_deref() != version {
            return Vec::new();
        }
        known.was_deaf = true;
        known.condemned = Some(format!("its host {why}"));
        vec![Effect::Kill { service: service.to_owned() }]
    }

    /// A service that could not be seated or started, or a version that its host did not take over: then the one
    /// before serves on.
    pub(super) fn refused(&mut self, service: &str, version: Option<&str>, why: String, silent: bool) -> Vec<Effect> {
        let Some(known) = self.services.get_mut(service) else { return Vec::new() };
        known.seating = false;
        if let Some(version) = version {
            if known.swapping.as_deref() != Some(version) {
                return Vec::new();
            }
            known.swapping = None;
        }
        let why = format!("{why}{}", known.last_words());
        let mut effects = self.roll_back(service, why);
        // A host that says nothing would say nothing of the next version either.
        if silent {
            effects.push(Effect::Kill { service: service.to_owned() });
        }
        effects
    }

    fn roll_back(&mut self, service: &str, why: String) -> Vec<Effect> {
        let edit = self.taking.edit;
        let key = self.wanted.as_ref().and_then(|app| self.service_of(app, service)).map(|service| self.key(service));
        if let (Some(known), Some(key)) = (self.services.get_mut(service), key) {
            known.refused = Some((key, why.clone()));
            known.bring.clear();
        }
        self.taking.give_up(service);
        self.outcome(edit, EditOutcome::RolledBack { why: why.clone() });
        if self.ready {
            return vec![Effect::Report(Report::RolledBack { edit, service: service.to_owned(), why })];
        }
        if !self.settings.waits {
            let mut effects = vec![Effect::Report(Report::Failed { message: format!("{service}: {why}"), hint: None })];
            effects.extend(self.close());
            return effects;
        }
        // Nothing served before: what is wrong is told like any other finding, and waits to be mended.
        let app = self.wanted.as_ref();
        let place = app.and_then(|app| self.service_of(app, service)).map(|service| service.place.clone());
        let place = place.unwrap_or_else(|| SourcePlace::start_of(std::path::Path::new("")));
        let mut finding = Diagnostic::error(format!("{service} does not start: {why}"), place);
        let of = instance_of(service).0;
        finding.service = Some(of.to_owned());
        self.trouble.insert(Some(of.to_owned()), vec![finding.clone()]);
        vec![Effect::Report(Report::Broken { edit, diagnostics: vec![finding] })]
    }
}

/// The pause before a restart after so many crashes in a row.
fn pause(crashes: u32) -> Duration {
    let doubled = FIRST_PAUSE.checked_mul(1 << crashes.saturating_sub(1).min(10));
    doubled.map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests;
