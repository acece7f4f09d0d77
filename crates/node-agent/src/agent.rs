//! The agent of a node: what its tasks share.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use balance::StrategySettings;
use nodes::{
    FleetMember, InvitationBook, LinkFrame, MemberId, Membership, MembershipEffect, MembershipPace, NeighbourCandidate,
    NeighbourRule, choose_neighbours,
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Notify, watch};

use crate::apps::NodeApps;
use crate::authority::Authority;
use crate::bundle::NodeBundle;
use crate::card::NodeCard;
use crate::error::NodeError;
use crate::events::EventLog;
use crate::folder::{FleetFolder, FleetRecord};
use crate::http::HttpPool;
use crate::link::{self, LinkOut};
use crate::mind::{NeighbourLink, NodeMind};
use crate::tls::{FleetTls, HeardCrl, PeerIdentity};

/// How an agent is to run.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    pub folder: FleetFolder,
    /// Where other nodes reach it.
    pub listen: SocketAddr,
    /// What others are told, where that is another address.
    pub advertise: Option<SocketAddr>,
    /// `host:port` of nodes to ask, beside those that are remembered.
    pub seeds: Vec<String>,
    pub pace: MembershipPace,
    pub strategy: StrategySettings,
    pub neighbours: Vec<NeighbourRule>,
    pub metrics: Option<SocketAddr>,
    /// CPUs that services may use; none: those of the machine.
    pub cpus: Option<f64>,
    pub backend: NodeBackend,
    /// `dyn` itself, which runs services.
    pub program: PathBuf,
    /// The version of the C interface between libraries and hosts.
    pub interface: u32,
    /// The services, where they are a cluster's pods and not this node's to run.
    pub pods: Option<PodApp>,
}

/// Where a node runs services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeBackend {
    /// Each is a process.
    #[default]
    Process,
    /// Each is a container of this machine's Docker engine.
    Docker,
}

/// An app that runs in pods, beside the agent's own.
#[derive(Clone, Debug)]
pub struct PodApp {
    /// What there is; of libraries and their environment nothing is known.
    pub bundle: NodeBundle,
    /// What lets the agent in at hosts, and hosts in here.
    pub token: String,
    /// Where hosts hand over what they have no room for.
    pub away: SocketAddr,
    /// Where hosts take requests, by Rust name, as pods come and go.
    pub hosts: watch::Receiver<BTreeMap<String, Vec<SocketAddr>>>,
}

/// Why an agent ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Runs,
    Asked,
    /// Goodbyes are said.
    Over,
}

/// Counts for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct NodeCounts {
    pub(crate) frames_out: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bad_frames: AtomicU64,
    pub(crate) refused_connections: AtomicU64,
    pub(crate) away_answered: AtomicU64,
    pub(crate) away_nobody: AtomicU64,
    pub(crate) away_lost: AtomicU64,
    pub(crate) guests: AtomicU64,
    pub(crate) guests_refused: AtomicU64,
    pub(crate) decisions: AtomicU64,
    pub(crate) decision_ns: AtomicU64,
}

impl NodeCounts {
    pub(crate) fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn of(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }
}

/// What is known of a member beyond its membership.
#[derive(Clone, Debug)]
pub(crate) struct KnownNode {
    pub(crate) card: NodeCard,
    pub(crate) rtt: Option<Duration>,
}

/// An agent that runs.
pub(crate) struct Agent {
    pub(crate) settings: NodeSettings,
    pub(crate) record: FleetRecord,
    pub(crate) tls: FleetTls,
    pub(crate) begun: Instant,
    pub(crate) membership: Mutex<Membership>,
    /// The membership wants to be woken earlier.
    pub(crate) woken: Notify,
    pub(crate) links: Mutex<HashMap<MemberId, Arc<LinkOut>>>,
    pub(crate) neighbours: Mutex<Vec<MemberId>>,
    pub(crate) known: Mutex<HashMap<MemberId, KnownNode>>,
    /// Since when a member is there.
    pub(crate) since: Mutex<BTreeMap<MemberId, Instant>>,
    pub(crate) gone: Mutex<BTreeMap<MemberId, FleetMember>>,
    /// Who called, by the number of the link: a node, its address, and its life.
    pub(crate) incoming: Mutex<HashMap<u64, (MemberId, SocketAddr, u64)>>,
    pub(crate) calls: AtomicU64,
    pub(crate) mind: Mutex<NodeMind>,
    /// Something changed that may change a decision.
    pub(crate) news: Notify,
    pub(crate) pool: HttpPool,
    pub(crate) apps: Arc<NodeApps>,
    pub(crate) events: EventLog,
    pub(crate) invitations: Mutex<InvitationBook>,
    pub(crate) authority: Option<Mutex<Authority>>,
    pub(crate) counts: NodeCounts,
    pub(crate) crl_changed: watch::Sender<u64>,
    pub(crate) is_expelled: AtomicBool,
    pub(crate) ending: watch::Sender<Ending>,
}

impl Agent {
    /// Where its services run, in a word.
    pub(crate) fn backend(&self) -> &'static str {
        match (&self.settings.pods, self.settings.backend) {
            (Some(_), _) => "cluster",
            (None, NodeBackend::Process) => "process",
            (None, NodeBackend::Docker) => "docker",
        }
    }

    /// The time since the agent began.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn me(&self) -> FleetMember {
        self.membership.lock().me().clone()
    }

    /// Does something with the membership, and what comes of it.
    pub(crate) fn with_members(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Membership, Duration) -> Vec<MembershipEffect>,
    ) {
        let effects = work(&mut self.membership.lock(), self.now());
        self.carry(effects);
    }

    pub(crate) fn carry(self: &Arc<Self>, effects: Vec<MembershipEffect>) {
        let mut has_changed = false;
        for effect in effects {
            match effect {
                MembershipEffect::Send { to, bytes } => self.send(&to, LinkFrame::Swim(bytes)),
                MembershipEffect::Up(member) => {
                    has_changed = true;
                    self.since.lock().insert(member.id, Instant::now());
                    self.gone.lock().remove(&member.id);
                    self.events.tell("node.joined", &member.name, json!({ "address": member.address }));
                }
                MembershipEffect::Down(member) => {
                    has_changed = true;
                    self.since.lock().remove(&member.id);
                    self.events.tell("node.lost", &member.name, json!({ "address": member.address }));
                    self.gone.lock().insert(member.id, member);
                }
                MembershipEffect::Changed(member) => {
                    has_changed = true;
                    // The next frame goes to where it is now.
                    let old = self.links.lock().get(&member.id).is_some_and(|link| link.address != member.address);
                    if old {
                        self.close_link(member.id);
                    }
                }
                MembershipEffect::Rejoined(me) => {
                    self.events.tell("node.rejoined", &me.name, json!({ "address": me.address }));
                }
            }
        }
        if has_changed {
            self.choose();
            self.remember();
        }
        self.woken.notify_one();
    }

    /// Sends a frame over the link to a member, which is opened where there is none.
    pub(crate) fn send(self: &Arc<Self>, to: &FleetMember, frame: LinkFrame) {
        // Whoever is expelled is let in nowhere, and whoever ends has said goodbye.
        if self.is_expelled.load(Ordering::Relaxed) || *self.ending.borrow() == Ending::Over {
            return;
        }
        self.link_to(to).send(frame);
    }

    fn link_to(self: &Arc<Self>, to: &FleetMember) -> Arc<LinkOut> {
        let mut links = self.links.lock();
        if let Some(link) = links.get(&to.id).filter(|link| !link.is_over()) {
            return link.clone();
        }
        let link = link::open(self.clone(), to.clone());
        links.insert(to.id, link.clone());
        link
    }

    /// Ends the link to a member, and the requests that wait for it.
    pub(crate) fn close_link(&self, id: MemberId) {
        if let Some(link) = self.links.lock().remove(&id) {
            link.end();
        }
        self.pool.forget(id);
    }

    /// Ends every link.
    pub(crate) fn close_links(&self) {
        self.neighbours.lock().clear();
        for link in std::mem::take(&mut *self.links.lock()).into_values() {
            link.end();
        }
    }

    pub(crate) fn is_neighbour(&self, id: MemberId) -> bool {
        self.neighbours.lock().contains(&id)
    }

    /// Chooses neighbours anew, and has a link to each.
    pub(crate) fn choose(self: &Arc<Self>) {
        let members = self.membership.lock().members();
        let own: Vec<(String, String)> = self
            .apps
            .served()
            .values()
            .flat_map(|app| app.bundle.services.keys().map(|service| (app.bundle.app.clone(), service.clone())))
            .collect();
        let candidates: Vec<NeighbourCandidate> = {
            let known = self.known.lock();
            let candidate = |member: &FleetMember| {
                let of = known.get(&member.id);
                let has = |(app, service): &(String, String)| {
                    of.is_some_and(|of| of.card.apps.get(app).is_some_and(|services| services.contains_key(service)))
                };
                NeighbourCandidate {
                    id: member.id,
                    name: member.name.clone(),
                    labels: of.map(|of| of.card.labels.clone()).unwrap_or_default(),
                    rtt: of.and_then(|of| of.rtt),
                    shares: of.map(|_| own.iter().any(has)),
                }
            };
            members.iter().map(candidate).collect()
        };
        let mut chosen = choose_neighbours(&self.settings.neighbours, &candidates);
        if self.is_expelled.load(Ordering::Relaxed) {
            chosen.clear();
        }
        self.neighbours.lock().clone_from(&chosen);
        for member in members.iter().filter(|member| chosen.contains(&member.id)) {
            self.link_to(member);
        }
        self.tell_links();
    }

    /// Has the strategy see the links as they are.
    pub(crate) fn tell_links(&self) {
        let names: HashMap<MemberId, String> =
            self.membership.lock().members().into_iter().map(|member| (member.id, member.name)).collect();
        let links = self.links.lock();
        let neighbours = self.neighbours.lock().clone();
        let seen = neighbours.into_iter().filter_map(|id| {
            let link = links.get(&id);
            Some(NeighbourLink {
                id,
                name: names.get(&id)?.clone(),
                is_up: link.is_some_and(|link| link.is_up()),
                rtt: link.and_then(|link| link.rtt()),
            })
        });
        let seen: Vec<NeighbourLink> = seen.collect();
        drop(links);
        self.mind.lock().link(seen);
        self.news.notify_one();
    }

    /// Keeps the members, to find them again after a restart.
    fn remember(&self) {
        let mut members = self.membership.lock().members();
        let gone: Vec<FleetMember> = self.gone.lock().values().cloned().collect();
        members.extend(gone.into_iter().take(100));
        if let Err(error) = self.settings.folder.save_json("members.json", &members) {
            tracing::warn!(%error, "members cannot be remembered");
        }
    }

    /// What others are told of this node.
    pub(crate) fn card(&self) -> NodeCard {
        let apps = self.apps.served();
        let services = |app: &crate::served::ServedApp| {
            let services = app.bundle.services.iter();
            services.map(|(name, service)| (name.clone(), service.schema.clone())).collect()
        };
        NodeCard {
            v: 1,
            member: self.me(),
            fleet: self.record.fleet.clone(),
            labels: self.record.labels.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            void: self.tls.crl().1,
            apps: apps.iter().map(|(name, app)| (name.clone(), services(app))).collect(),
        }
    }

    /// Tells every link who this node is now.
    pub(crate) fn introduce(&self) {
        let Ok(card) = serde_json::to_vec(&self.card()) else { return };
        for link in self.links.lock().values() {
            link.send(LinkFrame::Hello(card.clone()));
        }
    }

    /// Goes by a list of void certificates, and hands it on.
    pub(crate) fn hear_crl(self: &Arc<Self>, bytes: &[u8], from: &str) {
        match self.tls.hear_crl(bytes) {
            Ok(HeardCrl::Known) => {}
            Ok(HeardCrl::New { is_own_void }) => {
                if let Err(error) = self.settings.folder.save("crl.der", bytes) {
                    tracing::warn!(%error, "the list of void certificates cannot be kept");
                }
                self.events.tell("fleet.expelled", from, json!({ "certificates": self.tls.crl().1 }));
                for link in self.links.lock().values() {
                    link.send(LinkFrame::Crl(bytes.to_vec()));
                }
                self.crl_changed.send_modify(|count| *count += 1);
                if is_own_void {
                    self.is_expelled.store(true, Ordering::Relaxed);
                    self.events.tell("node.expelled", &self.record.name, json!({}));
                    self.choose();
                }
            }
            Err(error) => {
                NodeCounts::add(&self.counts.bad_frames, 1);
                tracing::warn!(%error, from, "a list of void certificates is refused");
            }
        }
    }

    /// Whether a peer is let in still.
    pub(crate) fn is_welcome(&self, peer: &PeerIdentity) -> bool {
        !self.tls.is_void(&peer.serial)
    }

    /// Notes what a member says of itself; why not, where it cannot be.
    pub(crate) fn meet(self: &Arc<Self>, peer: &PeerIdentity, bytes: &[u8]) -> Result<NodeCard, String> {
        let card = NodeCard::read(bytes)?;
        if card.member.id != peer.id || card.member.name != peer.name {
            return Err("it says that it is another than its certificate says".to_owned());
        }
        let me = self.me();
        if card.member.id == me.id && card.member.address == me.address {
            return Err("it is this node itself".to_owned());
        }
        if card.member.id == me.id {
            let words = format!("the key of {} is used at {} and at {}", me.name, me.address, card.member.address);
            self.events.tell("node.refused", &me.name, json!({ "why": words }));
            return Err(words);
        }
        let changed = {
            let mut known = self.known.lock();
            let rtt = known.get(&peer.id).and_then(|known| known.rtt);
            let before = known.insert(peer.id, KnownNode { card: card.clone(), rtt });
            before.is_none_or(|before| before.card.apps != card.apps || before.card.labels != card.labels)
        };
        if changed {
            self.choose();
        }
        if card.void < self.tls.crl().1 {
            let (crl, _) = self.tls.crl();
            self.send(&card.member, LinkFrame::Crl(crl));
        }
        Ok(card)
    }

    /// The link to a neighbour that is up.
    pub(crate) fn link_of(&self, id: MemberId) -> Option<Arc<LinkOut>> {
        self.links.lock().get(&id).filter(|link| link.is_up()).cloned()
    }

    /// Lets invitations outlive the agent.
    pub(crate) fn keep_invitations(&self) -> Result<(), NodeError> {
        let book = self.invitations.lock().clone();
        self.settings.folder.save_json("invitations.json", &book)
    }
}
