//! One decision of admission, and one of a strategy: what a request and an agent pay.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use balance::{
    LocalLoad, Neighbour, NodeId, NodeResources, RemoteLoad, ServiceId, StrategyName, StrategySettings, View,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::report::{Row, Target};
use crate::sample::Sample;

/// Rounds of admission: each is short, and a machine is busy with others.
const ROUNDS: u32 = 101;
/// Decisions of a strategy.
const DECISIONS: usize = 51;
const NEIGHBOURS: u32 = 16;
const SERVICES: u32 = 50;
/// Nanoseconds of a decision of admission.
const ADMISSION: f64 = 60.0;

pub(super) fn measure() -> anyhow::Result<Vec<Row>> {
    let mut nanos = Sample::default();
    host::admission_nanos(ROUNDS).context("tell a host its limit")?.into_iter().for_each(|each| nanos.push(each));
    let row = Row::sample("admission: one request that has a token", "", "ns", &nanos, Some(Target::P50(ADMISSION)));
    let mut rows = vec![row.note("200,000 decisions a round, one thread")];
    for (name, most) in [(StrategyName::Offer, 0.2), (StrategyName::NodeMargin, 10.0)] {
        let mut strategy = StrategySettings::new(name).build(None).context("begin a strategy")?;
        let (view, mut random) = (view(), Xoshiro256PlusPlus::seed_from_u64(1));
        let mut sample = Sample::default();
        for turn in 0..DECISIONS {
            let begun = Instant::now();
            black_box(strategy.decide(black_box(&view), Duration::from_secs(60 * turn as u64), &mut random));
            sample.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let words = format!("one decision of {}, {NEIGHBOURS} neighbours, {SERVICES} services", name.as_str());
        rows.push(Row::spread(&words, "", &sample, Some(Target::P50(most))));
    }
    Ok(rows)
}

/// A node that is overloaded, and neighbours that have room.
fn view() -> View {
    let cost = Some(NodeResources { cpu: 0.05, ..NodeResources::default() });
    let local = |at| LocalLoad {
        service: ServiceId(at),
        limit: Some(100.0),
        users: 120.0,
        served: 100.0,
        refused: 0.0,
        cost,
        p50: Duration::from_micros(140),
        replicas: 1,
        stays: false,
        latency: None,
    };
    let remote = |at| RemoteLoad {
        service: ServiceId(at),
        fits: true,
        limit: Some(200.0),
        users: 20.0,
        served: 20.0,
        offer: 12.5,
        need: 0.0,
        cost,
        p50: Duration::from_micros(140),
        replicas: 1,
        sent: 1.0,
        refused: 0.0,
    };
    let neighbour = |at| Neighbour {
        node: NodeId(at),
        name: format!("n{at:02}").into(),
        is_up: true,
        rtt: Some(Duration::from_millis(u64::from(at))),
        age: Duration::from_millis(500),
        services: (0..SERVICES).map(remote).collect(),
        margin: 20.0,
        resources: NodeResources { cpu: 40.0, ..NodeResources::default() },
        thresholds: NodeResources { cpu: 340.0, ..NodeResources::UNLIMITED },
    };
    View {
        me: NodeId(0),
        services: (0..SERVICES).map(local).collect(),
        neighbours: (1..=NEIGHBOURS).map(neighbour).collect(),
        resources: NodeResources { cpu: 250.0, ..NodeResources::default() },
        thresholds: NodeResources { cpu: 340.0, ..NodeResources::UNLIMITED },
        capacity: 340.0,
    }
}
