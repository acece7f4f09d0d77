//! All nodes: what each sees, decides and reports.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::flow::ServiceFlow;
use super::{Policies, Scenario};
use crate::{
    Cadence, Decision, LocalLoad, Neighbour, NodeId, NodeResources, RemoteLoad, Sharing, Strategy, StrategyError,
    StrategySettings, View, is_news,
};

/// Every node of a scenario, each with a strategy of its own.
pub(super) struct World {
    pub(super) nodes: Vec<WorldNode>,
    /// What strategies had people know, and how often.
    pub(super) notices: BTreeMap<String, u64>,
}

/// More notices than these differ in a number alone.
const MOST_NOTICES: usize = 20;

pub(super) struct WorldNode {
    name: Arc<str>,
    pub(super) view: View,
    pub(super) peers: Vec<WorldPeer>,
    pub(super) shares: Vec<Sharing>,
    /// By service and peer: the rate that is taken, and whether nothing above it is. Absent: whatever there is room for.
    pub(super) limits_in: Option<Vec<Vec<(f64, bool)>>>,
    strategy: Box<dyn Strategy>,
    random: Xoshiro256PlusPlus,
    margin: f64,
    /// Something came that changes what is to be decided.
    has_news: bool,
    /// Rates of users when this node decided last.
    decided: Vec<f64>,
    window: Window,
}

/// A neighbour, and which of its neighbours this node is.
#[derive(Clone, Copy)]
pub(super) struct WorldPeer {
    pub(super) node: usize,
    pub(super) back: usize,
    heard: Duration,
}

/// Rates of the last steps, for their mean.
struct Window {
    steps: usize,
    last: VecDeque<Vec<f64>>,
    sums: Vec<f64>,
}

impl Window {
    fn push(&mut self, rates: Vec<f64>) {
        if self.steps == 1 {
            self.sums = rates;
            return;
        }
        for (sum, rate) in self.sums.iter_mut().zip(&rates) {
            *sum += rate;
        }
        self.last.push_back(rates);
        if self.last.len() > self.steps
            && let Some(first) = self.last.pop_front()
        {
            for (sum, rate) in self.sums.iter_mut().zip(first) {
                *sum = (*sum - rate).max(0.0);
            }
        }
    }

    fn mean(&self, service: usize) -> f64 {
        self.sums[service] / self.last.len().max(1) as f64
    }
}

impl World {
    pub(super) fn new(
        scenario: &Scenario,
        settings: &StrategySettings,
        step: Duration,
        seed: u64,
        policies: Policies<'_>,
    ) -> Result<Self, StrategyError> {
        let mut adjacent: Vec<Vec<(usize, Duration)>> = vec![Vec::new(); scenario.nodes.len()];
        for edge in &scenario.edges {
            adjacent[edge.a].push((edge.b, edge.rtt));
            adjacent[edge.b].push((edge.a, edge.rtt));
        }
        for peers in &mut adjacent {
            peers.sort_unstable();
            peers.dedup_by_key(|(node, _)| *node);
        }
        let mut seeds = Xoshiro256PlusPlus::seed_from_u64(seed);
        let names: Vec<Arc<str>> = scenario.nodes.iter().map(|node| node.name.as_str().into()).collect();
        let node = |at: usize| {
            let strategy = settings.build(policies())?;
            let steps = match strategy.cadence() {
                Cadence::Periodic { window, .. } => window.div_duration_f64(step).round().max(1.0) as usize,
                Cadence::Events { .. } => 1,
            };
            let own = &scenario.nodes[at].services;
            let peers = adjacent[at].iter().map(|(node, _)| {
                let back = adjacent[*node].binary_search_by_key(&at, |(other, _)| *other).unwrap_or_default();
                WorldPeer { node: *node, back, heard: Duration::ZERO }
            });
            Ok(WorldNode {
                name: names[at].clone(),
                view: view(scenario, at, &adjacent[at], &names),
                peers: peers.collect(),
                shares: own.iter().map(|(service, ..)| Sharing::local(*service)).collect(),
                limits_in: None,
                strategy,
                random: Xoshiro256PlusPlus::from_rng(&mut seeds),
                margin: 0.0,
                has_news: true,
                decided: vec![0.0; own.len()],
                window: Window { steps, last: VecDeque::new(), sums: vec![0.0; own.len()] },
            })
        };
        let nodes = (0..scenario.nodes.len()).map(node).collect::<Result<_, _>>()?;
        Ok(Self { nodes, notices: BTreeMap::new() })
    }

    pub(super) fn cadence(&self) -> Option<Cadence> {
        self.nodes.first().map(|node| node.strategy.cadence())
    }

    /// Every node decides at one time on what was reported before; then all report.
    pub(super) fn decide_all(&mut self, now: Duration) {
        for node in 0..self.nodes.len() {
            self.decide(node, now);
        }
        for node in 0..self.nodes.len() {
            self.report(node, now, false);
        }
    }

    /// Nodes for which something changed decide.
    pub(super) fn decide_changed(&mut self, now: Duration) {
        let due: Vec<usize> = (0..self.nodes.len()).filter(|node| self.nodes[*node].is_due()).collect();
        for node in &due {
            self.decide(*node, now);
        }
        for node in due {
            self.report(node, now, true);
        }
    }

    fn decide(&mut self, node: usize, now: Duration) {
        let Some(notice) = self.nodes[node].decide(now) else { return };
        let notice = format!("{}: {notice}", self.nodes[node].name);
        if self.notices.len() < MOST_NOTICES || self.notices.contains_key(&notice) {
            *self.notices.entry(notice).or_default() += 1;
        }
    }

    /// Notes what a step brought.
    pub(super) fn measure(&mut self, flows: &[Vec<ServiceFlow>]) {
        for (node, flows) in self.nodes.iter_mut().zip(flows) {
            node.window.push(flows.iter().map(|flow| flow.users).collect());
            let mut resources = NodeResources::default();
            for (at, (load, flow)) in node.view.services.iter_mut().zip(flows).enumerate() {
                load.users = node.window.mean(at);
                load.served = flow.local + flow.guests;
                load.refused = flow.lost;
                resources = resources.plus(load.cost.unwrap_or_default(), load.served);
            }
            node.view.resources = resources;
        }
    }

    /// Tells neighbours; with `news_only` those alone for whom something changed.
    fn report(&mut self, from: usize, now: Duration, news_only: bool) {
        for peer in 0..self.nodes[from].peers.len() {
            let WorldPeer { node: to, back, .. } = self.nodes[from].peers[peer];
            let Ok([sender, receiver]) = self.nodes.get_disjoint_mut([from, to]) else { continue };
            let seen = &mut receiver.view.neighbours[back];
            let mut has_news = is_news(seen.margin, sender.margin);
            let mut said = Vec::with_capacity(seen.services.len());
            for load in &seen.services {
                let Ok(at) = sender.view.services.binary_search_by_key(&load.service, |own| own.service) else {
                    said.push(load.clone());
                    continue;
                };
                let own = &sender.view.services[at];
                let offer = sender.limits_in.as_ref().map_or(0.0, |limits| limits[at][peer].0);
                let new = RemoteLoad {
                    limit: own.limit,
                    users: own.users,
                    served: own.served,
                    need: own.need(),
                    offer,
                    ..load.clone()
                };
                has_news |= is_news(load.offer, new.offer) || is_news(load.need, new.need);
                has_news |= is_news(load.users, new.users);
                said.push(new);
            }
            if news_only && !has_news {
                continue;
            }
            seen.services = said;
            seen.margin = sender.margin;
            seen.resources = sender.view.resources;
            receiver.has_news |= has_news;
            receiver.peers[back].heard = now;
        }
    }
}

impl WorldNode {
    fn is_due(&self) -> bool {
        let changed = |(load, before): (&LocalLoad, &f64)| is_news(*before, load.users);
        self.has_news || self.view.services.iter().zip(&self.decided).any(changed)
    }

    fn decide(&mut self, now: Duration) -> Option<String> {
        self.has_news = false;
        for (decided, load) in self.decided.iter_mut().zip(&self.view.services) {
            *decided = load.users;
        }
        for (neighbour, peer) in self.view.neighbours.iter_mut().zip(&self.peers) {
            neighbour.age = now.saturating_sub(peer.heard);
        }
        let mut decision = self.strategy.decide(&self.view, now, &mut self.random);
        let notice = decision.notice.take();
        self.take(decision);
        notice
    }

    fn take(&mut self, decision: Decision) {
        self.margin = decision.margin;
        if let Some(shares) = decision.shares {
            self.shares = shares;
        }
        let Some(limits_in) = decision.limits_in else { return };
        let mut limits = vec![vec![(0.0, true); self.peers.len()]; self.view.services.len()];
        for limit in limits_in {
            let service = self.view.services.binary_search_by_key(&limit.service, |load| load.service);
            if let (Ok(service), Ok(peer)) = (service, self.peer(limit.node.0 as usize)) {
                limits[service][peer] = (limit.rate, limit.is_hard);
            }
        }
        self.limits_in = Some(limits);
    }

    /// Which of this node's neighbours a node is.
    pub(super) fn peer(&self, node: usize) -> Result<usize, usize> {
        self.peers.binary_search_by_key(&node, |peer| peer.node)
    }
}

fn view(scenario: &Scenario, at: usize, adjacent: &[(usize, Duration)], names: &[Arc<str>]) -> View {
    let node = &scenario.nodes[at];
    let local = |(service, limit, cost): &(_, f64, NodeResources)| LocalLoad {
        service: *service,
        limit: Some(*limit),
        users: 0.0,
        served: 0.0,
        refused: 0.0,
        cost: Some(*cost),
        p50: Duration::ZERO,
        replicas: 1,
        stays: false,
        latency: None,
    };
    let neighbour = |(other, rtt): &(usize, Duration)| {
        let there = &scenario.nodes[*other];
        let is_common = |(service, ..): &&(_, f64, NodeResources)| {
            node.services.binary_search_by_key(service, |(own, ..)| *own).is_ok()
        };
        let remote = |(service, limit, cost): &(_, f64, NodeResources)| RemoteLoad {
            service: *service,
            fits: true,
            limit: Some(*limit),
            users: 0.0,
            served: 0.0,
            offer: 0.0,
            need: 0.0,
            cost: Some(*cost),
            p50: Duration::ZERO,
            replicas: 1,
            sent: 0.0,
            refused: 0.0,
        };
        Neighbour {
            node: NodeId(*other as u32),
            name: names[*other].clone(),
            is_up: true,
            rtt: Some(*rtt),
            age: Duration::ZERO,
            services: there.services.iter().filter(is_common).map(remote).collect(),
            margin: 0.0,
            resources: NodeResources::default(),
            thresholds: there.thresholds,
        }
    };
    View {
        me: NodeId(at as u32),
        services: node.services.iter().map(local).collect(),
        neighbours: adjacent.iter().map(neighbour).collect(),
        resources: NodeResources::default(),
        thresholds: node.thresholds,
        capacity: if node.thresholds.cpu.is_finite() { node.thresholds.cpu } else { 0.0 },
    }
}
