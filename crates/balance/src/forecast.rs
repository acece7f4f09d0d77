//! What a node would use if its load were another one.

use super::{NodeId, NodeResources, ServiceId, View};

/// Predicts resources from rates.
pub trait Forecast: Send {
    /// The resources that a node of the view would use at these rates of its services.
    fn predict(&self, view: &View, node: NodeId, rates: &[(ServiceId, f64)]) -> NodeResources;
}

/// NodeResources in use now, and the measured cost of every request a second more or less.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeasuredForecast;

impl Forecast for MeasuredForecast {
    fn predict(&self, view: &View, node: NodeId, rates: &[(ServiceId, f64)]) -> NodeResources {
        let own = |service| {
            let load = view.services.iter().find(|load| load.service == service);
            load.map(|load| (load.served, load.cost))
        };
        if node == view.me {
            return changed(view.resources, rates, own);
        }
        let Some(neighbour) = view.neighbours.iter().find(|neighbour| neighbour.node == node) else {
            return NodeResources::default();
        };
        // A neighbour that has not measured a service is taken for as quick as this node.
        changed(neighbour.resources, rates, |service| {
            let load = neighbour.services.iter().find(|load| load.service == service)?;
            Some((load.served, load.cost.or_else(|| own(service).and_then(|(_, cost)| cost))))
        })
    }
}

fn changed(
    now: NodeResources,
    rates: &[(ServiceId, f64)],
    load: impl Fn(ServiceId) -> Option<(f64, Option<NodeResources>)>,
) -> NodeResources {
    rates.iter().fold(now, |resources, (service, rate)| match load(*service) {
        Some((before, Some(cost))) => resources.plus(cost, rate - before),
        _ => resources,
    })
}
