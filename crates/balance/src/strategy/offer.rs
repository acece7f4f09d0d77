//! Offers that stand before they are needed.
//!
//! Each node offers its neighbours the room that its own users leave. A tenth is offered to all alike at all times, the rest
//! to those that need it. Offers add up to the room: nobody is promised the same room twice.

use std::time::Duration;

use rand::Rng;

use super::Strategy;
use crate::{
    Cadence, Decision, LimitIn, LocalLoad, Neighbour, Recipient, RemoteLoad, ServiceId, Sharing, SharingMode, View,
};

/// The room that is kept for this node's own users, of what they use now.
const OWN: f64 = 1.1;
/// The part of the room that is offered to everybody at all times.
const OPEN: f64 = 0.1;
/// The round trip that halves a neighbour's weight, where a service has no limit of latency.
const TAU: Duration = Duration::from_millis(20);
/// How many neighbours one request is sent to.
const TRIES: u8 = 3;

/// Room in parts, one for each need.
pub fn offers(room: f64, needs: &[f64]) -> Vec<f64> {
    let (count, all) = (needs.len() as f64, needs.iter().sum::<f64>());
    let part = |need: &f64| {
        if all > 0.0 { OPEN * room / count + (1.0 - OPEN) * room * need / all } else { room / count }
    };
    needs.iter().map(part).collect()
}

pub(crate) struct Offer;

impl Strategy for Offer {
    fn cadence(&self) -> Cadence {
        Cadence::Events { debounce: Duration::from_millis(50), at_least: Duration::from_secs(1) }
    }

    fn decide(&mut self, view: &View, _now: Duration, _random: &mut dyn Rng) -> Decision {
        Decision {
            shares: Some(view.services.iter().map(|load| sharing(view, load)).collect()),
            limits_in: Some(limits_in(view)),
            limits: limits(view),
            ..Decision::default()
        }
    }
}

fn limits_in(view: &View) -> Vec<LimitIn> {
    let mut offered = Vec::new();
    for load in view.services.iter().filter(|load| !load.stays) {
        let Some(limit) = load.limit else { continue };
        let room = OWN.mul_add(-load.users, limit).max(0.0);
        let servers: Vec<_> = view.servers(load.service).collect();
        let needs: Vec<f64> = servers.iter().map(|(_, remote)| remote.need).collect();
        let limit_in = |((neighbour, _), rate): (&(&Neighbour, &RemoteLoad), f64)| LimitIn {
            service: load.service,
            node: neighbour.node,
            rate,
            is_hard: false,
        };
        offered.extend(servers.iter().zip(offers(room, &needs)).map(limit_in));
    }
    offered.extend(by_cpu(view));
    offered
}

/// Offers of services without a limit: the CPU that is left, by the same rule over every service and neighbour.
fn by_cpu(view: &View) -> Vec<LimitIn> {
    let cost = |load: &LocalLoad| load.cost.map_or(0.0, |cost| cost.cpu);
    let used: f64 = view.services.iter().map(|load| load.users * cost(load)).sum();
    let room = OWN.mul_add(-used, view.capacity).max(0.0);
    let mut asked = Vec::new();
    for load in view.services.iter().filter(|load| load.limit.is_none() && !load.stays && cost(load) > 0.0) {
        asked.extend(view.servers(load.service).map(|(neighbour, remote)| (load, neighbour.node, remote.need)));
    }
    let needs: Vec<f64> = asked.iter().map(|(load, _, need)| need * cost(load)).collect();
    let limit_in = |((load, node, _), cpu): (&(&LocalLoad, _, _), f64)| LimitIn {
        service: load.service,
        node: *node,
        rate: cpu / cost(load),
        is_hard: false,
    };
    asked.iter().zip(offers(room, &needs)).map(limit_in).collect()
}

/// Limits of services for which none is set, while the node uses more than it has.
fn limits(view: &View) -> Vec<(ServiceId, f64)> {
    if view.resources.cpu <= view.capacity {
        return Vec::new();
    }
    let part = view.capacity / view.resources.cpu;
    let unlimited = view.services.iter().filter(|load| load.limit.is_none());
    unlimited.map(|load| (load.service, load.served * part)).collect()
}

fn sharing(view: &View, load: &LocalLoad) -> Sharing {
    let mut to = Vec::new();
    let mut beyond = Vec::new();
    for (neighbour, remote) in view.servers(load.service).filter(|_| !load.stays) {
        let Some(weight) = weight(load, neighbour.rtt, remote) else { continue };
        if weight > 0.0 {
            to.push(Recipient { node: neighbour.node, weight, pace: Some(remote.offer) });
        }
        let spare = remote.spare();
        if spare > 0.0 {
            beyond.push((spare, neighbour.node));
        }
    }
    let all: f64 = to.iter().map(|recipient| recipient.weight).sum();
    for recipient in &mut to {
        recipient.weight /= all;
    }
    // The sort is stable: equal ones stay in the order of names.
    beyond.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let beyond = beyond.into_iter().take(TRIES.into()).map(|(_, node)| node).collect();
    Sharing { service: load.service, mode: SharingMode::Spill, to, tries: TRIES, beyond }
}

/// What a neighbour offers, less the farther it is; nothing where it is too far.
fn weight(load: &LocalLoad, rtt: Option<Duration>, remote: &RemoteLoad) -> Option<f64> {
    let rtt = rtt.unwrap_or_default();
    if load.latency.is_some_and(|most| rtt + remote.p50 > most) {
        return None;
    }
    let tau = load.latency.map_or(TAU, |most| most / 2).max(Duration::from_micros(1));
    Some(remote.offer / (1.0 + rtt.as_secs_f64() / tau.as_secs_f64()))
}
