//! Where requests go in one step: served here, sent to neighbours, taken by them or not.

use super::world::World;
use crate::{NodeId, SharingMode, pour};

/// Below this nothing is left to send.
const NOTHING: f64 = 1e-9;

/// Rates of a service of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ServiceFlow {
    pub(super) users: f64,
    /// Of users, served here.
    pub(super) local: f64,
    /// Of users, served by others.
    pub(super) away: f64,
    /// Of users, served by nobody.
    pub(super) lost: f64,
    /// Of other nodes, served here.
    pub(super) guests: f64,
}

/// What a node has to send of one service.
struct Sending {
    node: usize,
    service: usize,
    left: f64,
    /// By recipient: what it took, and whether it has refused some.
    took: Vec<(f64, bool)>,
}

/// What comes to a node.
struct Arrival {
    sending: usize,
    recipient: usize,
    node: usize,
    service: usize,
    rate: f64,
}

/// What becomes of requests that nobody takes, and of room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    /// Limits hold: nobody serves more, and what is left is lost.
    Hold,
    /// Whatever is sent is taken, and what is left stays with its node, which sheds later.
    Give,
}

/// One step. `users`: by node and service.
pub(super) fn flow(world: &mut World, users: &[Vec<f64>], bounds: Bounds) -> Vec<Vec<ServiceFlow>> {
    let mut flows: Vec<Vec<ServiceFlow>> = users
        .iter()
        .map(|users| users.iter().map(|users| ServiceFlow { users: *users, ..ServiceFlow::default() }).collect())
        .collect();
    let mut sendings = Vec::new();
    for (at, node) in world.nodes.iter_mut().enumerate() {
        for neighbour in &mut node.view.neighbours {
            for load in &mut neighbour.services {
                (load.sent, load.refused) = (0.0, 0.0);
            }
        }
        for (service, flow) in flows[at].iter_mut().enumerate().filter(|(_, flow)| flow.users > 0.0) {
            let (sharing, limit) = (&node.shares[service], node.view.services[service].limit);
            let limit = limit.unwrap_or(f64::INFINITY);
            let left = match sharing.mode {
                SharingMode::Spill => {
                    flow.local = flow.users.min(limit);
                    flow.users - flow.local
                }
                SharingMode::Split { local, reject } => {
                    let away: f64 = sharing.to.iter().map(|recipient| recipient.weight).sum();
                    let all = local + reject + away;
                    let (local, reject) = if all > 0.0 { (local / all, reject / all) } else { (1.0, 0.0) };
                    flow.lost = flow.users * reject;
                    let here = flow.users * local;
                    flow.local = if bounds == Bounds::Hold { here.min(limit) } else { here };
                    flow.lost += here - flow.local;
                    (flow.users - here - flow.users * reject).max(0.0)
                }
            };
            if left > NOTHING {
                let took = vec![(0.0, false); sharing.to.len()];
                sendings.push(Sending { node: at, service, left, took });
            }
        }
    }
    let tries = sendings.iter().map(|sending| world.nodes[sending.node].shares[sending.service].tries).max();
    for turn in 0..tries.unwrap_or_default() {
        let arrivals = arrivals(world, &sendings, turn);
        if arrivals.is_empty() {
            break;
        }
        arrive(world, &mut flows, &mut sendings, arrivals, bounds);
    }
    ask_beyond(world, &mut flows, &mut sendings, bounds);
    for sending in sendings {
        let flow = &mut flows[sending.node][sending.service];
        match (bounds, world.nodes[sending.node].shares[sending.service].mode) {
            (Bounds::Give, SharingMode::Spill) => flow.local += sending.left.max(0.0),
            _ => flow.lost += sending.left.max(0.0),
        }
    }
    flows
}

/// What goes where, by weights and at the pace of each recipient.
fn arrivals(world: &World, sendings: &[Sending], turn: u8) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    for (at, sending) in sendings.iter().enumerate().filter(|(_, sending)| sending.left > NOTHING) {
        let sharing = &world.nodes[sending.node].shares[sending.service];
        if turn >= sharing.tries {
            continue;
        }
        let into: Vec<(f64, f64)> = sharing
            .to
            .iter()
            .zip(&sending.took)
            .map(|(recipient, (took, has_refused))| {
                let weight = if *has_refused { 0.0 } else { recipient.weight };
                (weight, recipient.pace.map_or(f64::INFINITY, |pace| (pace - took).max(0.0)))
            })
            .collect();
        for (recipient, rate) in pour(sending.left, &into).into_iter().enumerate().filter(|(_, rate)| *rate > NOTHING) {
            let to = sharing.to[recipient].node;
            if let Some(service) = service_at(world, sending, to) {
                arrivals.push(Arrival { sending: at, recipient, node: to.0 as usize, service, rate });
            }
        }
    }
    arrivals
}

/// Which service of a node a sending means.
fn service_at(world: &World, sending: &Sending, node: NodeId) -> Option<usize> {
    let service = world.nodes[sending.node].view.services[sending.service].service;
    world.nodes[node.0 as usize].view.services.binary_search_by_key(&service, |load| load.service).ok()
}

/// The rate that a node takes of a sender's at most.
fn cap(world: &World, sending: &Sending, node: usize, service: usize, took: f64) -> f64 {
    let receiver = &world.nodes[node];
    match (&receiver.limits_in, receiver.peer(sending.node)) {
        (Some(limits), Ok(peer)) => match limits[service][peer] {
            (rate, true) => (rate - took).max(0.0),
            _ => f64::INFINITY,
        },
        _ => f64::INFINITY,
    }
}

fn room(world: &World, flow: &ServiceFlow, node: usize, service: usize, bounds: Bounds) -> f64 {
    match (world.nodes[node].view.services[service].limit, bounds) {
        (Some(limit), Bounds::Hold) => (limit - flow.local - flow.guests).max(0.0),
        _ => f64::INFINITY,
    }
}

/// Nodes take what their limits and their own users leave, of all that ask alike.
fn arrive(
    world: &mut World,
    flows: &mut [Vec<ServiceFlow>],
    sendings: &mut [Sending],
    arrivals: Vec<Arrival>,
    bounds: Bounds,
) {
    let mut asked: Vec<Vec<f64>> = flows.iter().map(|flows| vec![0.0; flows.len()]).collect();
    let mut admitted = Vec::with_capacity(arrivals.len());
    for arrival in &arrivals {
        let sending = &sendings[arrival.sending];
        let took = sending.took[arrival.recipient].0;
        let rate = arrival.rate.min(cap(world, sending, arrival.node, arrival.service, took));
        asked[arrival.node][arrival.service] += rate;
        admitted.push(rate);
    }
    let parts: Vec<f64> = arrivals
        .iter()
        .map(|arrival| {
            let asked = asked[arrival.node][arrival.service];
            let flow = &flows[arrival.node][arrival.service];
            let room = room(world, flow, arrival.node, arrival.service, bounds);
            if asked > room { room / asked } else { 1.0 }
        })
        .collect();
    for ((arrival, admitted), part) in arrivals.into_iter().zip(admitted).zip(parts) {
        let taken = admitted * part;
        let sending = &mut sendings[arrival.sending];
        sending.left -= taken;
        let (took, has_refused) = &mut sending.took[arrival.recipient];
        *took += taken;
        *has_refused |= taken < arrival.rate - NOTHING;
        flows[arrival.node][arrival.service].guests += taken;
        flows[sending.node][sending.service].away += taken;
        note(world, sending, arrival.node, arrival.rate, taken);
    }
}

/// Notes with the sender what a neighbour took and refused.
fn note(world: &mut World, sending: &Sending, node: usize, rate: f64, taken: f64) {
    let sender = &mut world.nodes[sending.node];
    let service = sender.view.services[sending.service].service;
    let Ok(peer) = sender.peer(node) else { return };
    let services = &mut sender.view.neighbours[peer].services;
    if let Ok(at) = services.binary_search_by_key(&service, |load| load.service) {
        services[at].sent += rate;
        services[at].refused += rate - taken;
    }
}

/// What is left goes to neighbours whatever they offered, one after the other.
fn ask_beyond(world: &mut World, flows: &mut [Vec<ServiceFlow>], sendings: &mut [Sending], bounds: Bounds) {
    for sending in sendings.iter_mut().filter(|sending| sending.left > NOTHING) {
        for to in world.nodes[sending.node].shares[sending.service].beyond.clone() {
            let Some(service) = service_at(world, sending, to) else { continue };
            let node = to.0 as usize;
            let rate = sending.left;
            let taken = rate.min(room(world, &flows[node][service], node, service, bounds));
            sending.left -= taken;
            flows[node][service].guests += taken;
            flows[sending.node][sending.service].away += taken;
            note(world, sending, node, rate, taken);
            if sending.left <= NOTHING {
                break;
            }
        }
    }
}
