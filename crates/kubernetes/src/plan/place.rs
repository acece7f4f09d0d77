//! Places of services in a plan.

use super::PlanPlace;
use crate::model::{RunningApp, Unit, WantedService};

/// The places that services of a host have pods in, and why.
pub(super) fn places(unit: &Unit<'_>) -> Vec<PlanPlace> {
    let service = unit.first();
    let one = |place: &crate::settings::PlaceNodes| PlanPlace {
        service: service.name.clone(),
        place: place.place.clone(),
        object: unit.object_in(place),
        nodes: place.nodes.clone(),
        why: why(service, &place.place),
    };
    unit.places().iter().map(one).collect()
}

/// What a place holds of the bucket of a service, as far as settings say.
fn why(service: &WantedService, place: &str) -> Option<String> {
    let near = &service.config.near.as_ref()?.settings;
    let bucket = near.services.get(&service.name)?.bucket.as_ref()?;
    let of = near.table.buckets.get(bucket)?;
    Some(match of.at.get(place) {
        Some(_) if of.master == place => format!("the master of {bucket} is there"),
        Some(_) => format!("a copy of {bucket} is there"),
        None => format!("settings name no copy of {bucket} there"),
    })
}

/// The pods of a service afterwards, in all places: as many as are said, else as there are, else one.
pub(super) fn replicas(service: &WantedService, running: &RunningApp) -> u32 {
    let there = |place: Option<&str>| {
        let mut current = running.services.iter().filter(|runs| runs.name == service.name && runs.current);
        current.find(|runs| runs.place.as_deref() == place).map(|runs| runs.replicas)
    };
    let pods = |place: Option<&str>| service.settings.replicas.or_else(|| there(place)).unwrap_or(1);
    match service.settings.place_nodes.as_slice() {
        [] => pods(None),
        places => places.iter().map(|place| pods(Some(&place.place))).sum(),
    }
}
