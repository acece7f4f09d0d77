//! What an agent knows of load and decides: of every app, its book, its strategy, and where requests go.

mod slow;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use balance::{Cadence, Decision, NodeId, ServiceId, Strategy, StrategyName, StrategySettings, is_news};
use nodes::{
    AwayCircuits, AwayOutcomeSeen, AwayWays, GuestLimits, LoadReport, MemberId, NodeBook, OwnService, ReportedService,
    SentPace,
};
use protocol::{HostLoad, HostSharing};
use rand::rngs::Xoshiro256PlusPlus;

use crate::bundle::NodeBundle;
use crate::error::NodeError;
use crate::policy::policy;
use crate::served::ServedApp;

/// A report goes out at least this often.
const REPORT: Duration = Duration::from_secs(1);

/// A neighbour's link as it is now.
#[derive(Clone, Debug)]
pub(crate) struct NeighbourLink {
    pub(crate) id: MemberId,
    pub(crate) name: String,
    pub(crate) is_up: bool,
    pub(crate) rtt: Option<Duration>,
}

/// Where one request goes that did not fit.
#[derive(Clone, Debug)]
pub(crate) struct AwayChoice {
    pub(crate) node: NodeId,
    pub(crate) id: MemberId,
    pub(crate) name: Arc<str>,
    /// What the neighbour says it takes, with the way.
    pub(crate) said: Duration,
}

/// One app.
struct AppMind {
    book: NodeBook,
    /// None while it decides somewhere else.
    strategy: Option<Box<dyn Strategy>>,
    cadence: Cadence,
    decided: Option<Duration>,
    decision: Decision,
    ways: BTreeMap<ServiceId, AwayWays>,
    guests: GuestLimits,
    circuits: AwayCircuits,
    bundle: Arc<NodeBundle>,
    /// Where its hosts reach the agent.
    away: String,
    observed: BTreeMap<String, Duration>,
    sent: BTreeMap<(ServiceId, NodeId), SentPace>,
}

/// All of it.
pub(crate) struct NodeMind {
    me: NodeId,
    settings: StrategySettings,
    capacity: f64,
    apps: BTreeMap<String, AppMind>,
    ids: Vec<MemberId>,
    links: BTreeMap<MemberId, NeighbourLink>,
    heard: BTreeMap<MemberId, LoadReport>,
    told: BTreeMap<MemberId, (Duration, LoadReport)>,
    /// What people have to know of decisions that were made somewhere else.
    notices: Vec<String>,
    seq: u64,
    random: Xoshiro256PlusPlus,
}

impl NodeMind {
    pub(crate) fn new(me: MemberId, settings: StrategySettings, capacity: f64) -> Self {
        Self {
            me: NodeId(0),
            settings,
            capacity,
            apps: BTreeMap::new(),
            ids: vec![me],
            links: BTreeMap::new(),
            heard: BTreeMap::new(),
            told: BTreeMap::new(),
            notices: Vec::new(),
            seq: 0,
            random: rand::make_rng(),
        }
    }

    /// The number of a node, which stays as long as the agent runs.
    fn number(&mut self, id: MemberId) -> NodeId {
        let at = self.ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.ids.push(id);
            self.ids.len() - 1
        });
        NodeId(at as u32)
    }

    fn id(&self, node: NodeId) -> Option<MemberId> {
        self.ids.get(node.0 as usize).copied()
    }

    /// Notes the apps that run here now. Of one that was deployed anew everything is measured anew.
    pub(crate) fn serve(&mut self, running: &BTreeMap<String, ServedApp>) -> Result<(), NodeError> {
        let is_same = |known: &AppMind, app: &ServedApp| Arc::ptr_eq(&app.bundle, &known.bundle);
        self.apps.retain(|app, known| running.get(app).is_some_and(|app| is_same(known, app)));
        let capacity = self.capacity / running.len().max(1) as f64;
        for (name, app) in running {
            if self.apps.contains_key(name) {
                continue;
            }
            let bundle = &app.bundle;
            let services = bundle.services.iter().map(|(name, service)| {
                let own = OwnService {
                    schema: service.schema.clone(),
                    limit: service.rate,
                    at_once: service.at_once,
                    latency: service.latency_us.map(Duration::from_micros),
                    stays: service.stays,
                    needs: service.needs.clone(),
                    ..OwnService::default()
                };
                (name.clone(), own)
            });
            let strategy = self.settings.build(policy(&self.settings)?)?;
            let mut mind = AppMind {
                book: NodeBook::new(self.me, &bundle.app, services.collect(), capacity).with_watts(self.settings.watts),
                cadence: strategy.cadence(),
                strategy: Some(strategy),
                decided: None,
                decision: Decision::default(),
                ways: BTreeMap::new(),
                guests: GuestLimits::default(),
                circuits: AwayCircuits::default(),
                bundle: bundle.clone(),
                away: app.away.to_string(),
                observed: BTreeMap::new(),
                sent: BTreeMap::new(),
            };
            for link in self.links.values().cloned().collect::<Vec<_>>() {
                let number = self.number(link.id);
                mind.book.link(number, &link.name, link.is_up, link.rtt);
                if let Some(report) = self.heard.get(&link.id) {
                    mind.book.hear(number, report.clone(), Duration::ZERO);
                }
            }
            self.apps.insert(name.clone(), mind);
        }
        Ok(())
    }

    /// Notes the links to neighbours. A link that went down takes the report that came over it along.
    pub(crate) fn link(&mut self, links: Vec<NeighbourLink>) {
        let gone: Vec<MemberId> = self
            .links
            .values()
            .filter(|link| link.is_up)
            .filter(|link| !links.iter().any(|now| now.id == link.id && now.is_up))
            .map(|link| link.id)
            .collect();
        for id in gone {
            let number = self.number(id);
            self.heard.remove(&id);
            self.told.remove(&id);
            self.apps.values_mut().for_each(|app| app.book.forget(number));
        }
        for link in &links {
            let number = self.number(link.id);
            self.apps.values_mut().for_each(|app| app.book.link(number, &link.name, link.is_up, link.rtt));
        }
        let stay: Vec<MemberId> = links.iter().map(|link| link.id).collect();
        let left: Vec<MemberId> = self.links.keys().filter(|id| !stay.contains(id)).copied().collect();
        for id in left {
            let number = self.number(id);
            self.heard.remove(&id);
            self.told.remove(&id);
            self.apps.values_mut().for_each(|app| app.book.forget(number));
        }
        self.links = links.into_iter().map(|link| (link.id, link)).collect();
    }

    /// Notes a neighbour's report.
    pub(crate) fn hear(&mut self, from: MemberId, report: LoadReport, now: Duration) -> bool {
        if !self.links.get(&from).is_some_and(|link| link.is_up) {
            return false;
        }
        let number = self.number(from);
        let mut is_new = self.apps.is_empty();
        for app in self.apps.values_mut() {
            is_new |= app.book.hear(number, report.clone(), now);
        }
        if is_new {
            self.heard.insert(from, report);
        }
        is_new
    }

    /// A neighbour began anew: what it said before counts for nothing.
    pub(crate) fn begins_anew(&mut self, id: MemberId) {
        let number = self.number(id);
        self.heard.remove(&id);
        self.told.remove(&id);
        let link = self.links.get(&id).cloned();
        for app in self.apps.values_mut() {
            app.book.forget(number);
            if let Some(link) = &link {
                app.book.link(number, &link.name, link.is_up, link.rtt);
            }
        }
    }

    /// Notes what a host counted: over the time that the strategy wants means of.
    pub(crate) fn observe(&mut self, app: &str, service: &str, host: &str, load: HostLoad, now: Duration) {
        let Some(mind) = self.apps.get_mut(app) else { return };
        let window = match mind.cadence {
            Cadence::Periodic { window, .. } => window,
            Cadence::Events { .. } => Duration::ZERO,
        };
        let last = mind.observed.get(host).copied();
        if last.is_some_and(|last| now.saturating_sub(last) < window) {
            return;
        }
        if let Some(own) = mind.book.service(service) {
            own.meter.observe(host, now, load);
            mind.observed.insert(host.to_owned(), now);
        }
    }

    /// Forgets a host that is gone: its part of the limit is the others'.
    pub(crate) fn forget_host(&mut self, app: &str, service: &str, host: &str) {
        let Some(mind) = self.apps.get_mut(app) else { return };
        mind.observed.remove(host);
        if let Some(own) = mind.book.service(service) {
            own.meter.remove(host);
        }
    }

    /// Decides where it is time to; what hosts are to be told now, and what people have to know. `clock` is the time of day.
    pub(crate) fn decide(
        &mut self,
        now: Duration,
        clock: Duration,
    ) -> (Vec<(String, String, HostSharing)>, Vec<String>) {
        let (mut told, mut notices) = (Vec::new(), std::mem::take(&mut self.notices));
        let is_slow = self.settings.name == StrategyName::Remote;
        for (name, app) in &mut self.apps {
            if app.is_due(clock)
                && !is_slow
                && let Some(strategy) = &mut app.strategy
            {
                let mut decision = strategy.decide(&app.book.view(now), clock, &mut self.random);
                notices.extend(decision.notice.take());
                app.decided = Some(clock);
                app.take(decision, now);
            }
            for service in app.bundle.services.keys() {
                let Some(id) = app.book.id(service) else { continue };
                if let Some(sharing) = app.book.host_sharing(id, &app.decision, &app.away) {
                    told.push((name.clone(), service.clone(), sharing));
                }
            }
        }
        (told, notices)
    }

    /// The reports that neighbours are to have now: those that changed, and those that are a second old.
    pub(crate) fn reports(&mut self, now: Duration) -> Vec<(MemberId, LoadReport)> {
        self.seq += 1;
        let up: Vec<MemberId> = self.links.values().filter(|link| link.is_up).map(|link| link.id).collect();
        let mut reports = Vec::new();
        for id in up {
            let number = self.number(id);
            let mut report = LoadReport::new(self.seq);
            for app in self.apps.values_mut() {
                let limits = app.decision.limits_in.clone().unwrap_or_default();
                let own = app.book.report(number, &limits, app.decision.margin);
                report.margin = report.margin.max(own.margin);
                report.cpu += own.cpu;
                report.apps.extend(own.apps);
            }
            let is_due = self
                .told
                .get(&id)
                .is_none_or(|(at, last)| now.saturating_sub(*at) >= REPORT || has_news(last, &report));
            if is_due {
                self.told.insert(id, (now, report.clone()));
                reports.push((id, report));
            }
        }
        reports
    }

    /// The next neighbour that a request goes to.
    pub(crate) fn away(&mut self, app: &str, service: &str, tried: &[MemberId], now: Duration) -> Option<AwayChoice> {
        let tried: Vec<NodeId> = tried.iter().map(|id| self.number(*id)).collect();
        let mind = self.apps.get_mut(app)?;
        let of = mind.book.id(service)?;
        let mut passed = tried.clone();
        passed.extend(mind.circuits.open(of, now));
        let ways = mind.ways.get_mut(&of)?;
        let node = ways.next(&passed, tried.len(), now, &mut self.random)?;
        let (name, said) = mind.book.server(node, of)?;
        Some(AwayChoice { node, id: self.id(node)?, name, said })
    }

    pub(crate) fn note(&mut self, app: &str, service: &str, node: NodeId, outcome: AwayOutcomeSeen, now: Duration) {
        if let Some(mind) = self.apps.get_mut(app)
            && let Some(of) = mind.book.id(service)
        {
            if matches!(outcome, AwayOutcomeSeen::Answered { .. }) {
                mind.sent.entry((of, node)).or_default().add(now);
            }
            mind.circuits.note(of, node, outcome, now);
        }
    }

    /// Whether a neighbour's request may go to a host here.
    pub(crate) fn takes(&mut self, app: &str, service: &str, from: MemberId, now: Duration) -> Option<bool> {
        let number = self.number(from);
        let mind = self.apps.get_mut(app)?;
        let of = mind.book.id(service)?;
        if mind.bundle.services.get(service)?.stays {
            return None;
        }
        Some(mind.guests.takes(of, number, now))
    }

    /// What people are shown of this node's services and of what neighbours offer.
    pub(crate) fn shown(&self, now: Duration) -> Vec<(String, String, ShownLoad)> {
        let mut shown = Vec::new();
        for (name, app) in &self.apps {
            let view = app.book.view(now);
            for (service, load) in app.bundle.services.keys().zip(&view.services) {
                let measured = app.book.measured(service).unwrap_or_default();
                let unfit = view.neighbours.iter().filter(|neighbour| neighbour.is_up).filter_map(|neighbour| {
                    let why = match neighbour.services.iter().find(|remote| remote.service == load.service) {
                        None => "does not have it",
                        Some(remote) if !remote.fits => "has another version of it, or lacks a service below it",
                        Some(_) => return None,
                    };
                    Some((neighbour.name.to_string(), why))
                });
                let to = view.neighbours.iter().filter_map(|neighbour| {
                    let rate = app.sent.get(&(load.service, neighbour.node))?.rate(now);
                    (rate > 0.0).then(|| (neighbour.name.to_string(), rate))
                });
                shown.push((
                    name.clone(),
                    service.clone(),
                    ShownLoad {
                        limit: load.limit,
                        users: measured.users,
                        guests: measured.guests,
                        away: measured.away,
                        to: to.collect(),
                        refused: measured.refused,
                        need: load.need(),
                        stays: load.stays,
                        unfit: unfit.collect(),
                    },
                ));
            }
        }
        shown
    }

    /// What a neighbour said last.
    pub(crate) fn said(&self, id: MemberId) -> Option<&LoadReport> {
        self.heard.get(&id)
    }
}

/// A service's load as it is shown.
pub(crate) struct ShownLoad {
    pub(crate) limit: Option<f64>,
    pub(crate) users: f64,
    pub(crate) guests: f64,
    pub(crate) away: f64,
    /// Other nodes that served some of it in the last second, and how many requests.
    pub(crate) to: BTreeMap<String, f64>,
    pub(crate) refused: f64,
    pub(crate) need: f64,
    pub(crate) stays: bool,
    /// Neighbours that are not asked, and why.
    pub(crate) unfit: Vec<(String, &'static str)>,
}

impl AppMind {
    /// `clock` is the time of day: periods begin at its multiples.
    fn is_due(&self, clock: Duration) -> bool {
        let Some(decided) = self.decided else { return true };
        match self.cadence {
            Cadence::Events { .. } => true,
            Cadence::Periodic { period, halves, .. } => {
                let step = if halves { period / 2 } else { period };
                let turn = |at: Duration| at.as_nanos() / step.as_nanos().max(1);
                turn(decided) != turn(clock)
            }
        }
    }

    fn take(&mut self, decision: Decision, now: Duration) {
        if let Some(shares) = decision.shares {
            for share in &shares {
                match self.ways.get_mut(&share.service) {
                    Some(ways) => ways.tell(share.clone(), now),
                    None => drop(self.ways.insert(share.service, AwayWays::new(share.clone(), now))),
                }
            }
            self.decision.shares = Some(shares);
        }
        if let Some(limits) = decision.limits_in {
            self.guests.tell(&limits, now);
            self.decision.limits_in = Some(limits);
        }
        self.decision.limits = decision.limits;
        self.decision.margin = decision.margin;
    }
}

/// Whether a figure of a report changed by a tenth, or from or to nothing.
fn has_news(last: &LoadReport, now: &LoadReport) -> bool {
    let differs = |one: &ReportedService, other: &ReportedService| {
        one.schema != other.schema
            || one.limit != other.limit
            || [(one.users, other.users), (one.served, other.served), (one.need, other.need), (one.offer, other.offer)]
                .into_iter()
                .any(|(old, new)| is_news(old, new))
    };
    let changed = now.apps.iter().any(|(app, services)| {
        let Some(before) = last.apps.get(app) else { return true };
        before.len() != services.len()
            || services.iter().any(|(name, service)| before.get(name).is_none_or(|old| differs(old, service)))
    });
    changed || last.apps.len() != now.apps.len()
}
