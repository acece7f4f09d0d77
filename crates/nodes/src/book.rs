//! What a node knows of itself and of its neighbours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use balance::{
    Decision, LimitIn, LocalLoad, Neighbour, NodeId, NodeResources, NodeWatts, RemoteLoad, ServiceId, Sharing,
    SharingMode, View,
};
use protocol::{AdmissionMode, HostSharing, OverLimit};

use crate::meter::{MeasuredLoad, ServiceMeter};
use crate::report::{LoadReport, ReportedService};

/// How long a host goes by what it was told.
const TTL_MS: u64 = 3000;
/// How long a request waits for its turn where nobody takes it.
const PATIENCE_MS: u64 = 50;

/// A service of this node.
#[derive(Clone, Debug, Default)]
pub struct OwnService {
    pub schema: String,
    pub limit: Option<f64>,
    pub at_once: Option<usize>,
    pub latency: Option<Duration>,
    pub stays: bool,
    /// Services that a request of it needs where it is served.
    pub needs: Vec<String>,
    pub meter: ServiceMeter,
}

/// A neighbour as far as it is known.
#[derive(Clone, Debug)]
struct Known {
    name: Arc<str>,
    report: Option<(Duration, LoadReport)>,
    rtt: Option<Duration>,
    is_up: bool,
}

/// This node's services, and its neighbours' reports.
#[derive(Clone, Debug)]
pub struct NodeBook {
    me: NodeId,
    app: String,
    /// By name; a service's place is its id.
    services: BTreeMap<String, OwnService>,
    neighbours: BTreeMap<NodeId, Known>,
    thresholds: NodeResources,
    /// CPU that services may use, in percent of one core.
    capacity: f64,
    watts: Option<NodeWatts>,
    seq: u64,
}

impl NodeBook {
    pub fn new(me: NodeId, app: &str, services: BTreeMap<String, OwnService>, capacity: f64) -> Self {
        let thresholds = NodeResources { cpu: capacity, ..NodeResources::UNLIMITED };
        Self {
            me,
            app: app.to_owned(),
            services,
            neighbours: BTreeMap::new(),
            thresholds,
            capacity,
            watts: None,
            seq: 0,
        }
    }

    /// The same with what its machine takes.
    #[must_use]
    pub fn with_watts(mut self, watts: Option<NodeWatts>) -> Self {
        self.watts = watts;
        self.thresholds.power = watts.map_or(f64::INFINITY, NodeWatts::most);
        self
    }

    pub fn service(&mut self, name: &str) -> Option<&mut OwnService> {
        self.services.get_mut(name)
    }

    /// What was measured of a service.
    pub fn measured(&self, name: &str) -> Option<MeasuredLoad> {
        self.services.get(name).map(|own| own.meter.load())
    }

    /// The id of a service.
    pub fn id(&self, name: &str) -> Option<ServiceId> {
        self.services.keys().position(|known| known == name).map(|at| ServiceId(at as u32))
    }

    /// Notes a neighbour, and whether its link is up.
    pub fn link(&mut self, node: NodeId, name: &str, is_up: bool, rtt: Option<Duration>) {
        let known =
            self.neighbours.entry(node).or_insert_with(|| Known { name: name.into(), report: None, rtt: None, is_up });
        known.is_up = is_up;
        known.rtt = rtt.or(known.rtt);
    }

    pub fn forget(&mut self, node: NodeId) {
        self.neighbours.remove(&node);
    }

    /// Notes a neighbour's report; an older one than the last is left aside, as is that of no neighbour.
    pub fn hear(&mut self, node: NodeId, report: LoadReport, now: Duration) -> bool {
        let Some(known) = self.neighbours.get_mut(&node) else { return false };
        if known.report.as_ref().is_some_and(|(_, last)| last.seq >= report.seq) {
            return false;
        }
        known.report = Some((now, report));
        true
    }

    /// What a strategy decides on.
    pub fn view(&self, now: Duration) -> View {
        let services = self.loads();
        let resources = self.used(&services);
        View {
            me: self.me,
            services,
            neighbours: self.neighbours.iter().map(|(node, known)| self.neighbour(*node, known, now)).collect(),
            resources,
            thresholds: self.thresholds,
            capacity: self.capacity,
        }
    }

    fn loads(&self) -> Vec<LocalLoad> {
        let loads = self.services.values().enumerate().map(|(at, own)| local(at, own));
        let weigh = |watts: NodeWatts, cost| watts.weigh(cost, self.capacity);
        loads
            .map(|load| LocalLoad {
                cost: load.cost.map(|cost| self.watts.map_or(cost, |watts| weigh(watts, cost))),
                ..load
            })
            .collect()
    }

    /// What services use now, and what the machine takes with them.
    fn used(&self, loads: &[LocalLoad]) -> NodeResources {
        let none = NodeResources::default();
        let used = loads.iter().fold(none, |used, load| used.plus(load.cost.unwrap_or(none), load.served));
        let power = self.watts.map_or(0.0, |watts| watts.at(used.cpu, self.capacity));
        NodeResources { power, ..used }
    }

    fn neighbour(&self, node: NodeId, known: &Known, now: Duration) -> Neighbour {
        let report = known.report.as_ref();
        let power = report.and_then(|(_, report)| report.power);
        let said = report.and_then(|(_, report)| report.apps.get(&self.app));
        let services = self.services.iter().enumerate();
        let services = services.filter_map(|(at, own)| self.remote(ServiceId(at as u32), own, said?));
        Neighbour {
            node,
            name: known.name.clone(),
            is_up: known.is_up && report.is_some(),
            rtt: known.rtt,
            age: report.map_or(Duration::MAX, |(heard, _)| now.saturating_sub(*heard)),
            services: services.collect(),
            margin: report.map_or(0.0, |(_, report)| report.margin),
            resources: NodeResources {
                cpu: report.map_or(0.0, |(_, report)| report.cpu),
                power: power.map_or(0.0, |(used, _)| used),
                ..NodeResources::default()
            },
            thresholds: NodeResources {
                cpu: report.and_then(|(_, report)| report.capacity).unwrap_or(f64::INFINITY),
                power: power.map_or(f64::INFINITY, |(_, most)| most),
                ..NodeResources::UNLIMITED
            },
        }
    }

    /// The name of a neighbour that could serve a service now, and how long it says that a request takes, way and all.
    pub fn server(&self, node: NodeId, service: ServiceId) -> Option<(Arc<str>, Duration)> {
        let known = self.neighbours.get(&node).filter(|known| known.is_up)?;
        let said = known.report.as_ref().and_then(|(_, report)| report.apps.get(&self.app))?;
        let own = self.services.iter().nth(service.0 as usize)?;
        let load = self.remote(service, own, said).filter(|load| load.fits)?;
        Some((known.name.clone(), known.rtt.unwrap_or_default() + load.p50))
    }

    /// What a neighbour said of a service of this node's.
    fn remote(
        &self,
        service: ServiceId,
        (name, own): (&String, &OwnService),
        said: &BTreeMap<String, ReportedService>,
    ) -> Option<RemoteLoad> {
        let there = said.get(name)?;
        Some(RemoteLoad {
            service,
            fits: there.schema == own.schema && own.needs.iter().all(|needed| self.has(said, needed)),
            limit: there.limit,
            users: there.users,
            served: there.served,
            offer: there.offer,
            need: there.need,
            cost: None,
            p50: Duration::from_micros(there.p50_us),
            replicas: there.replicas,
            sent: 0.0,
            refused: 0.0,
        })
    }

    /// Whether a neighbour has a service of the schema that this node's has.
    fn has(&self, said: &BTreeMap<String, ReportedService>, needed: &str) -> bool {
        let there = said.get(needed);
        let own = self.services.get(needed);
        there.zip(own).is_some_and(|(there, own)| there.schema == own.schema)
    }

    /// What a neighbour is told.
    pub fn report(&mut self, to: NodeId, limits_in: &[LimitIn], margin: f64) -> LoadReport {
        self.seq += 1;
        let services = self.services.iter().enumerate().map(|(at, (name, own))| {
            let load = local(at, own);
            let offer = limits_in.iter().find(|limit| limit.service == load.service && limit.node == to);
            let reported = ReportedService {
                schema: own.schema.clone(),
                limit: load.limit,
                users: load.users,
                served: load.served,
                need: load.need(),
                offer: offer.map_or(0.0, |limit| limit.rate),
                p50_us: u64::try_from(load.p50.as_micros()).unwrap_or(u64::MAX),
                replicas: load.replicas,
            };
            (name.clone(), reported)
        });
        let used = self.used(&self.loads());
        let power = self.watts.map(|watts| (used.power, watts.most()));
        let apps = BTreeMap::from([(self.app.clone(), services.collect())]);
        LoadReport { margin, cpu: used.cpu, capacity: Some(self.capacity), power, apps, ..LoadReport::new(self.seq) }
    }

    /// What each host of a service is told of a decision. `away`: where the agent takes requests.
    pub fn host_sharing(&self, service: ServiceId, decision: &Decision, away: &str) -> Option<HostSharing> {
        let own = self.services.values().nth(service.0 as usize)?;
        let sharing = decision.shares.as_ref()?.iter().find(|sharing| sharing.service == service)?;
        let told = decision.limits.iter().find(|(of, _)| *of == service).map(|(_, limit)| *limit);
        let hosts = own.meter.hosts().max(1) as f64;
        let limit = own.limit.or(told).filter(|limit| *limit > 0.0).map(|limit| limit / hosts);
        let goes = !sharing.to.is_empty() || !sharing.beyond.is_empty();
        Some(HostSharing {
            epoch: format!("{}.{}", self.me.0, self.seq),
            ttl_ms: TTL_MS,
            away: goes.then(|| away.to_owned()),
            limit,
            burst: None,
            at_once: own.at_once.map(|most| (most / hosts as usize).max(1)),
            mode: mode(sharing),
            over: OverLimit::Refuse,
            patience_ms: PATIENCE_MS,
        })
    }
}

/// Weights as percentages.
fn mode(sharing: &Sharing) -> AdmissionMode {
    let SharingMode::Split { local, reject } = sharing.mode else { return AdmissionMode::Spill };
    let all = local + reject + sharing.to.iter().map(|to| to.weight).sum::<f64>();
    if all > 0.0 {
        let percent = |part: f64| 100.0 * part / all;
        let local = percent(local);
        // Rounding takes the sum above 100 nowhere.
        return AdmissionMode::Split { local, reject: percent(reject).min(100.0 - local) };
    }
    AdmissionMode::Spill
}

fn local(at: usize, own: &OwnService) -> LocalLoad {
    let load = own.meter.load();
    LocalLoad {
        service: ServiceId(at as u32),
        limit: own.limit,
        users: load.users,
        served: load.served,
        refused: load.refused,
        cost: own.meter.cost(),
        p50: load.p50,
        replicas: own.meter.hosts() as u32,
        stays: own.stays,
        latency: own.latency,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_server_is_what_the_whole_view_says_of_it() {
        let own = |schema: &str, needs: &[&str]| OwnService {
            schema: schema.to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            ..OwnService::default()
        };
        let services = [("a", own("1", &[])), ("b", own("2", &["a"])), ("c", own("3", &[]))];
        let services = services.map(|(name, own)| (name.to_owned(), own)).into();
        let mut book = NodeBook::new(NodeId(0), "app", services, 340.0);
        let now = Duration::from_secs(9);
        // All of them; another schema of `a`, which `b` needs; nothing said; a link that is down.
        let said =
            [Some([("a", "1"), ("b", "2")]), Some([("a", "9"), ("b", "2")]), None, Some([("a", "1"), ("b", "2")])];
        for (at, said) in (1..).zip(said) {
            book.link(NodeId(at), &format!("n{at}"), at != 4, Some(Duration::from_millis(at.into())));
            if let Some(said) = said {
                let reported = |(name, schema): (&str, &str)| {
                    let (schema, limit) = (schema.to_owned(), None);
                    let (users, served, need, offer, p50_us, replicas) = (0.0, 0.0, 0.0, 0.0, 100, 1);
                    (name.to_owned(), ReportedService { schema, limit, users, served, need, offer, p50_us, replicas })
                };
                let apps = BTreeMap::from([("app".to_owned(), said.map(reported).into())]);
                assert!(book.hear(NodeId(at), LoadReport { apps, ..LoadReport::new(1) }, now));
            }
        }
        let view = book.view(now);
        let mut served = 0;
        for (at, service) in (1..=5).flat_map(|at| (0..4).map(move |service| (NodeId(at), ServiceId(service)))) {
            let seen = view.servers(service).find(|(neighbour, _)| neighbour.node == at);
            let seen = seen.map(|(neighbour, load)| (neighbour.name.clone(), neighbour.rtt.unwrap() + load.p50));
            assert_eq!(book.server(at, service), seen, "{at:?} {service:?}");
            served += u32::from(seen.is_some());
        }
        assert_eq!(served, 2, "both services of the first neighbour");
    }
}
