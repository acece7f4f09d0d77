//! The catalog as others see it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{DataCatalog, ReplicaRecord};
use crate::route::BucketRoute;
use crate::watermark;

/// All of the catalog but objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataView {
    pub revision: u64,
    pub stores: BTreeMap<String, StoreLook>,
    pub buckets: BTreeMap<String, BucketLook>,
    /// Endpoints of functions.
    #[serde(default)]
    pub endpoints: BTreeMap<String, EndpointLook>,
}

/// An endpoint of functions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointLook {
    pub place: String,
    /// Its URL with its path.
    pub url: String,
    /// Why the last request did not come to it.
    pub trouble: Option<String>,
    /// Requests that it answered since the server began.
    pub requests: u64,
}

/// A store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreLook {
    pub place: String,
    pub zones: Vec<String>,
    /// `up`, `away` or `unknown`.
    pub state: String,
    pub trouble: Option<String>,
    pub used: u64,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BucketLook {
    pub master: String,
    pub zones: Vec<String>,
    /// `following`, `held`, `paused` or `moving`.
    pub state: String,
    /// Why it is held or short, in a sentence.
    pub why: Option<String>,
    pub objects: u64,
    pub bytes: u64,
    /// The number of its last change.
    pub head: u64,
    pub replicas: BTreeMap<String, ReplicaLook>,
    /// Its own way for requests from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<BucketRoute>,
}

/// A copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaLook {
    /// `whole`, `following`, `filling`, `behind`, `held`, `away`, `refusing` or `leaving`.
    pub state: String,
    /// It has every change up to this one.
    pub through: u64,
    pub pending: u64,
    pub failed: u64,
    /// Why, where the state needs a reason; or an object that cannot be copied.
    pub trouble: Option<String>,
}

/// What is still to be copied to a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingCount {
    pub pending: u64,
    /// Of them, those that are given up until something changes.
    pub failed: u64,
    /// The oldest change among them.
    pub oldest: Option<u64>,
    /// Why one of them failed, with its key.
    pub example: Option<String>,
}

/// What is known of a bucket's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketCount {
    pub head: u64,
    pub pending: BTreeMap<String, PendingCount>,
}

/// Shows the catalog.
pub fn view(catalog: &DataCatalog, counts: &BTreeMap<String, BucketCount>) -> DataView {
    let stores = catalog.settings.stores.iter().map(|(name, settings)| {
        let record = catalog.stores.get(name).cloned().unwrap_or_default();
        let state = match record.is_up {
            Some(true) => "up",
            Some(false) => "away",
            None => "unknown",
        };
        let zones = catalog.settings.zones_of(name).cloned().collect();
        let look = StoreLook {
            place: settings.place.clone(),
            zones,
            state: state.to_owned(),
            trouble: record.trouble,
            used: record.used,
        };
        (name.clone(), look)
    });
    let buckets = catalog.settings.buckets.iter().map(|(name, settings)| {
        let record = catalog.buckets.get(name).cloned().unwrap_or_default();
        let count = counts.get(name).cloned().unwrap_or_default();
        let mut why = record.hold.as_ref().map(ToString::to_string);
        if record.short > 0 && why.is_none() {
            let each = record.why.iter().map(|(store, why)| format!("{store}: {why}")).collect::<Vec<_>>().join("; ");
            why = Some(format!("{} copies short ({each})", record.short));
        }
        let state = match () {
            () if record.hold.is_some() => "held",
            () if record.is_paused => "paused",
            () if record.moving.is_some() => "moving",
            () => "following",
        };
        let replicas = record.replicas.iter().map(|(store, replica)| {
            let pending = count.pending.get(store).cloned().unwrap_or_default();
            let is_away = catalog.stores.get(store).is_some_and(|store| store.is_up == Some(false));
            let state = state_of(replica, &pending, count.head, record.hold.is_some(), is_away);
            let look = ReplicaLook {
                state: state.to_owned(),
                // What was never compared may lack anything.
                through: if replica.is_filled { watermark::through(count.head, pending.oldest) } else { 0 },
                pending: pending.pending,
                failed: pending.failed,
                trouble: replica.trouble.clone().or(pending.example),
            };
            (store.clone(), look)
        });
        let look = BucketLook {
            master: settings.master.clone(),
            zones: settings.zones.iter().cloned().collect(),
            state: state.to_owned(),
            why,
            objects: record.objects,
            bytes: record.bytes,
            head: count.head,
            replicas: replicas.collect(),
            route: settings.route.clone(),
        };
        (name.clone(), look)
    });
    let endpoints = catalog.settings.endpoints.iter().map(|(name, of)| {
        let url = format!("{}{}", of.url, of.path.as_deref().unwrap_or_default());
        (name.clone(), EndpointLook { place: of.place.clone(), url, ..EndpointLook::default() })
    });
    DataView {
        revision: catalog.revision,
        stores: stores.collect(),
        buckets: buckets.collect(),
        endpoints: endpoints.collect(),
    }
}

/// The state of a copy in a word.
pub fn state_of(
    replica: &ReplicaRecord,
    pending: &PendingCount,
    head: u64,
    is_held: bool,
    is_away: bool,
) -> &'static str {
    match replica.checked {
        _ if replica.is_leaving => "leaving",
        _ if is_held => "held",
        _ if is_away => "away",
        _ if replica.trouble.is_some() => "refusing",
        None if !replica.is_filled || pending.pending > 0 => "filling",
        _ if pending.pending > 0 => "behind",
        Some(checked) if checked == head => "whole",
        _ => "following",
    }
}
