//! Views of a node, as short as tests need them.

use std::time::Duration;

use balance::{LocalLoad, Neighbour, NodeId, NodeResources, RemoteLoad, ServiceId, View};

pub(crate) const F: ServiceId = ServiceId(0);
pub(crate) const G: ServiceId = ServiceId(1);

pub(crate) fn load(service: ServiceId, limit: f64, users: f64) -> LocalLoad {
    LocalLoad {
        service,
        limit: Some(limit),
        users,
        served: 0.0,
        refused: 0.0,
        cost: None,
        p50: Duration::ZERO,
        replicas: 1,
        stays: false,
        latency: None,
    }
}

pub(crate) fn remote(service: ServiceId, limit: f64) -> RemoteLoad {
    RemoteLoad {
        service,
        fits: true,
        limit: Some(limit),
        users: 0.0,
        served: 0.0,
        offer: 0.0,
        need: 0.0,
        cost: None,
        p50: Duration::ZERO,
        replicas: 1,
        sent: 0.0,
        refused: 0.0,
    }
}

pub(crate) fn neighbour(node: u32, services: Vec<RemoteLoad>) -> Neighbour {
    Neighbour {
        node: NodeId(node),
        name: format!("node_{node}").into(),
        is_up: true,
        rtt: None,
        age: Duration::ZERO,
        services,
        margin: 0.0,
        resources: NodeResources::default(),
        thresholds: NodeResources::UNLIMITED,
    }
}

/// Node 0, and its neighbours from 1 on.
pub(crate) fn view(services: Vec<LocalLoad>, neighbours: Vec<Vec<RemoteLoad>>) -> View {
    let neighbours = neighbours.into_iter().enumerate().map(|(at, services)| neighbour(at as u32 + 1, services));
    View {
        me: NodeId(0),
        services,
        neighbours: neighbours.collect(),
        resources: NodeResources::default(),
        thresholds: NodeResources::UNLIMITED,
        capacity: 0.0,
    }
}
