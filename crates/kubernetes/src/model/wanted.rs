//! What is wanted on a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use app::{App, Service, Wire};
use protocol::near::HostNear;
use protocol::{Config, Limits, Outside, Peer, ServiceLoad};

use super::{RunningApp, Unit, WantedData, WantedNode, hash};
use crate::object::name;
use crate::settings::{AppSettings, PlaceNodes, ServiceSettings};

/// Every host listens here inside its pod or container; one of several services at this port and the next ones.
pub const PORT: u16 = 8080;

/// A host that was told to end lets callers in for so long still, and closes each connection after its answer: nobody
/// who kept one open finds it cut. In milliseconds: until every node of a busy cluster has heard of it, new ones come.
const LINGER_MS: u64 = 5_000;

/// An app as it is to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The app's name: what `dyn.toml` says, else the file's stem.
    pub app: String,
    /// Stands for the project it is of; none where that is not told.
    pub project: Option<String>,
    /// Upstreams before those who call them.
    pub services: Vec<WantedService>,
    /// Rust name of the last service, which is called from outside; none where there is no flow.
    pub entry: Option<String>,
    /// What is said of the app as a whole.
    pub settings: AppSettings,
    /// The agent of the namespace as a node of a fleet; none where it is in none.
    pub node: Option<WantedNode>,
    /// The data server beside the app; none where none is asked for.
    pub data: Option<WantedData>,
}

/// A service as it is to run.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedService {
    /// Rust name.
    pub name: String,
    /// Its DNS label.
    pub dns: String,
    /// The group whose pods it runs in, by its name in `dyn.toml`; none: it has pods of its own.
    pub group: Option<String>,
    /// `service@hash`; where nothing is built, of what it means.
    pub version: String,
    /// Hash of its wire form.
    pub wire: String,
    /// The wire form itself.
    pub form: Wire,
    /// How it is to run.
    pub settings: ServiceSettings,
    /// Its image by digest, `repository@sha256:…`, which services of a group share; none where none is made.
    pub image: Option<String>,
    /// Whether nodes fetch the image or have it: `IfNotPresent`, `Never`.
    pub pull_policy: String,
    /// Compressed bytes of its image that no other service has.
    pub bytes: u64,
    /// Rust names of those that feed it or that its body calls.
    pub upstreams: BTreeSet<String>,
    /// What its host is told; peers by the names they have on a cluster.
    pub config: Config,
    /// What it reaches, by label, each with its hash.
    pub reaches: BTreeMap<String, String>,
    /// Names of placed state: it is each pod's own and begins anew with it.
    pub state: Vec<String>,
}

/// What was built of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    /// `service@hash`.
    pub version: String,
    /// Its image by digest, `repository@sha256:…`; empty where none is made yet.
    pub image: String,
    /// Whether nodes have it already, and are not to ask for it (`imagePullPolicy: Never`).
    pub is_there: bool,
    /// File name of the library inside; empty likewise.
    pub library: String,
    /// Compressed bytes of the image that no other service has.
    pub bytes: u64,
}

impl Wanted {
    /// An app as its text and its settings say; `built` by Rust name, as far as it is built.
    pub fn of(app: &App, settings: &AppSettings, built: &BTreeMap<String, Built>) -> Self {
        let mut forms: BTreeMap<String, Wire> = app.wires();
        let limits = Limits::default();
        let limits = Limits { depth: limits.depth.max(app.services.len()), linger_ms: LINGER_MS, ..limits };
        let table = settings.pod_stores.as_ref().map(|found| found.table.clone());
        let near = settings.near(app, table.unwrap_or_default()).map(Arc::new);
        let place = &settings.data.place;
        let mut wanted = |service: &Service| {
            let built = built.get(&service.name);
            let form = forms.remove(&service.name).unwrap_or_default();
            let peer = |other: &Service| {
                let inputs = other.inputs.iter().map(|input| input.name.clone()).collect();
                (
                    other.name.clone(),
                    Peer { address: String::new(), others: Vec::new(), host: other.host.clone(), inputs },
                )
            };
            let state = service.placed.iter().filter(|placed| placed.is_state);
            WantedService {
                name: service.name.clone(),
                dns: service.host.clone(),
                group: settings.group_of(&service.name).map(str::to_owned),
                version: built.map_or_else(|| meant(service), |built| built.version.clone()),
                wire: form.hash(),
                form,
                settings: settings.services.get(&service.name).cloned().unwrap_or_default(),
                image: built.map(|built| built.image.clone()).filter(|image| !image.is_empty()),
                pull_policy: if built.is_some_and(|built| built.is_there) { "Never" } else { "IfNotPresent" }
                    .to_owned(),
                bytes: built.map_or(0, |built| built.bytes),
                upstreams: upstreams(app, service),
                config: Config {
                    app: settings.name_of(app).to_owned(),
                    service: service.name.clone(),
                    instance: None,
                    listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
                    front: None,
                    peers: Arc::new(reachable(app, service).into_iter().map(peer).collect()),
                    load: load(settings.services.get(&service.name)),
                    record: false,
                    moved: None,
                    near: near.clone().map(|settings| HostNear { place: place.clone(), settings }),
                    route: app.route_of(&service.name),
                    library: built.map(|built| built.library.clone()).filter(|library| !library.is_empty()),
                    token: String::new(),
                    // Whatever an ingress leads here.
                    names: None,
                    outside: (app.last() == Some(service.name.as_str()))
                        .then_some(Outside { routes: settings.entry.routes, metrics: settings.entry.metrics }),
                    limits,
                },
                reaches: service.reaches.clone(),
                state: state.map(|placed| placed.name.clone()).collect(),
            }
        };
        let services = order(app).into_iter().map(&mut wanted).collect();
        let entry = app.last().map(str::to_owned);
        let mut wanted = Self {
            app: settings.name_of(app).to_owned(),
            project: None,
            services,
            entry,
            settings: settings.clone(),
            node: WantedNode::of(app, settings, built),
            data: WantedData::of(settings, built),
        };
        wanted.address();
        wanted
    }

    /// The same, where what cannot be seen into rests on the versions of what the app depends on: `dependencies` stands
    /// for them.
    pub fn depending_on(mut self, dependencies: &str) -> Self {
        for service in &mut self.services {
            service.form.depend_on(dependencies);
            service.wire = service.form.hash();
        }
        self.address();
        self
    }

    /// Tells every service where the others are: those it needs in the very form it was built for, in each place of theirs, the rest, which only
    /// a route that somebody writes by hand leads to, in whatever form is current. A service of a group is told the address
    /// that others call it by, and so they find it in their own process.
    fn address(&mut self) {
        let units = self.units();
        let ports = units.iter().flat_map(Unit::ports).map(|(service, port)| (service.name.clone(), port));
        let ports: BTreeMap<String, u16> = ports.collect();
        let places: BTreeMap<String, Vec<String>> = units
            .iter()
            .filter(|unit| !unit.places().is_empty())
            .map(|unit| (unit.first().name.clone(), unit.objects()))
            .collect();
        let names: BTreeMap<String, (String, String)> = self
            .services
            .iter()
            .map(|service| (service.name.clone(), (service.dns.clone(), name::of_form(&service.dns, &service.wire))))
            .collect();
        for service in &mut self.services {
            service.config.listen.set_port(ports.get(&service.name).copied().unwrap_or(PORT));
            let is_grouped = service.group.is_some();
            for (peer, told) in Arc::make_mut(&mut service.config.peers) {
                let Some((plain, form)) = names.get(peer) else { continue };
                let is_own = is_grouped && *peer == service.name;
                let host = if is_own || service.upstreams.contains(peer) { form } else { plain };
                told.host.clone_from(host);
                let in_places = places.get(peer).filter(|_| host == form);
                let names = in_places.cloned().unwrap_or_else(|| vec![host.clone()]);
                let mut addresses = names.into_iter().map(|name| format!("{name}:{}", name::PORT));
                told.address = addresses.next().unwrap_or_default();
                told.others = addresses.collect();
            }
        }
    }

    /// The same with services left as they run, by Rust name; their routes are those of this app all the same. One that
    /// does not run is not left.
    pub fn leaving(&self, running: &RunningApp, left: &BTreeSet<String>) -> Self {
        let mut wanted = self.clone();
        let peers: BTreeMap<String, Peer> =
            self.services.iter().map(|service| (service.name.clone(), service.peer())).collect();
        for service in wanted.services.iter_mut().filter(|service| left.contains(&service.name)) {
            let Some(runs) = running.current(&service.name) else { continue };
            service.group.clone_from(&runs.group);
            service.version.clone_from(&runs.version);
            service.wire.clone_from(&runs.wire);
            service.form = runs.form.clone().unwrap_or_default();
            service.image = Some(runs.image.clone());
            service.bytes = 0;
            service.config.library.clone_from(&runs.library);
            service.reaches.clone_from(&runs.reaches);
            // Its body goes on calling whom it called.
            for called in runs.calls() {
                if let Some(peer) = peers.get(&called) {
                    Arc::make_mut(&mut service.config.peers).entry(called.clone()).or_insert_with(|| peer.clone());
                    service.upstreams.insert(called);
                }
            }
        }
        wanted.address();
        wanted
    }

    /// A service by its Rust name.
    pub fn service(&self, name: &str) -> Option<&WantedService> {
        self.services.iter().find(|service| service.name == name)
    }
}

/// What a service's host is told of the load it takes.
fn load(said: Option<&ServiceSettings>) -> ServiceLoad {
    let said = said.map(|said| said.load).unwrap_or_default();
    ServiceLoad {
        rate: said.rate,
        at_once: said.at_once,
        latency_ms: said.latency.map(app::TimeSpan::in_millis),
        idempotent: said.idempotent == Some(true),
        stays: said.stays == Some(true),
    }
}

impl WantedService {
    /// What others are told of it, its address left open.
    fn peer(&self) -> Peer {
        let own = self.config.peers.get(&self.name);
        own.cloned().unwrap_or_else(|| Peer {
            address: String::new(),
            others: Vec::new(),
            host: self.dns.clone(),
            inputs: self.form.inputs.iter().map(|input| input.name.clone()).collect(),
        })
    }

    /// Stands for what its host is told, the library left out: what differs is a route.
    pub fn routes(&self) -> String {
        let config = Config { library: None, ..self.config.clone() };
        hash(&[&serde_json::to_string(&config).unwrap_or_default()])
    }

    /// What its hosts in a place are told, by its number among the service's places.
    pub fn config_in(&self, number: u32, place: &PlaceNodes) -> Config {
        let mut config = self.config.clone();
        config.instance = Some(number).filter(|number| *number > 1);
        if let Some(near) = &mut config.near {
            near.place = Some(place.place.clone());
        }
        config
    }

    /// What its host is told where peers have other names than on a cluster, and no places: `address` gives a Rust name's `host:port`.
    pub fn config_at(&self, address: &dyn Fn(&str) -> String) -> Config {
        let peer = |(name, peer): (&String, &Peer)| {
            let address = address(name);
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host).to_owned();
            (name.clone(), Peer { address, others: Vec::new(), host, inputs: peer.inputs.clone() })
        };
        Config { peers: Arc::new(self.config.peers.iter().map(peer).collect()), near: None, ..self.config.clone() }
    }
}

/// The version of what is not built: of what it means.
fn meant(service: &Service) -> String {
    format!("{}@{}", service.name, &service.meaning.get(..16).unwrap_or(&service.meaning))
}

/// A service and all that a route through it may lead to, however far: nobody else's coming and going is its business.
fn reachable<'a>(app: &'a App, service: &'a Service) -> Vec<&'a Service> {
    let mut found: Vec<&Service> = vec![service];
    let mut at = 0;
    while let Some(service) = found.get(at) {
        let next = upstreams(app, service);
        let fresh =
            |other: &&Service| next.contains(&other.name) && !found.iter().any(|known| known.name == other.name);
        let fresh: Vec<&Service> = app.services.iter().filter(fresh).collect();
        found.extend(fresh);
        at += 1;
    }
    found
}

fn upstreams(app: &App, service: &Service) -> BTreeSet<String> {
    let fed = app.edges().into_iter().filter(|edge| edge.consumer == service.name).map(|edge| edge.producer);
    fed.chain(service.calls.iter().cloned()).collect()
}

/// The services, each after those it needs; those that need each other in a circle, which `app` refuses, as they stand.
fn order(app: &App) -> Vec<&Service> {
    let mut waiting: Vec<&Service> = app.services.iter().collect();
    let mut ordered: Vec<&Service> = Vec::new();
    while !waiting.is_empty() {
        let is_waited_for = |name: &String| waiting.iter().any(|service| service.name == *name);
        let next = waiting.iter().position(|service| !upstreams(app, service).iter().any(is_waited_for)).unwrap_or(0);
        ordered.push(waiting.remove(next));
    }
    ordered
}
