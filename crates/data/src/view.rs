//! The catalog as others see it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{DataCatalog, ReplicaRecord};
use crate::route::BucketRoute;
use crate::rule::RouteRule;
use crate::watermark;

/// All of the catalog but objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataView {
    pub revision: u64,
    #[serde(default)]
    pub places: BTreeMap<String, PlaceLook>,
    pub stores: BTreeMap<String, StoreLook>,
    pub buckets: BTreeMap<String, BucketLook>,
    /// Endpoints of functions.
    #[serde(default)]
    pub endpoints: BTreeMap<String, EndpointLook>,
    /// Rules for requests. The first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteRule>,
}

/// A place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlaceLook {
    pub zones: BTreeSet<String>,
    pub labels: BTreeSet<String>,
}

/// An endpoint of functions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndpointLook {
    pub place: String,
    /// Its URL with its path.
    pub url: String,
    /// Why the last request did not come to it.
    pub trouble: Option<String>,
    /// Buckets whose requests the door leads to it now.
    #[serde(default)]
    pub buckets: Vec<String>,
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
    /// `following`, `held`, `paused`, `moving`, `away` where the master does not answer as it should, or `unknown` before it
    /// was asked.
    pub state: String,
    /// Why it is held, away or short, in a sentence.
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
    /// `whole`; `following`: it has all that changed since it was; `filled`: it has all that is known, and was not compared
    /// since; `filling`, `behind`, `held`, `away`, `refusing` or `leaving`.
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
        let master = catalog.stores.get(&settings.master).cloned().unwrap_or_default();
        let state = match master.is_up {
            _ if record.hold.is_some() => "held",
            _ if record.is_paused => "paused",
            Some(false) => "away",
            _ if record.trouble.is_some() => "away",
            _ if record.moving.is_some() => "moving",
            Some(true) => "following",
            None => "unknown",
        };
        if state == "away" {
            let trouble = master.trouble.filter(|_| master.is_up == Some(false)).or(record.trouble);
            why = Some(format!("the master {}: {}", settings.master, trouble.unwrap_or_default()));
        }
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
    let places = catalog
        .settings
        .places
        .iter()
        .map(|(name, of)| (name.clone(), PlaceLook { zones: of.zones.clone(), labels: of.labels.clone() }));
    DataView {
        revision: catalog.revision,
        places: places.collect(),
        stores: stores.collect(),
        buckets: buckets.collect(),
        endpoints: endpoints.collect(),
        routes: catalog.settings.routes.clone(),
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
        Some(_) => "following",
        None => "filled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CatalogChange;
    use crate::settings::DataSettings;

    fn catalog() -> DataCatalog {
        let text = "places = { hpc = {}, cc1 = {} }\n[stores]\nhpc = { place = \"hpc\", folder = \"/a\" }\n\
                    cc1 = { place = \"cc1\", folder = \"/b\" }\n[buckets]\nimages = { master = \"hpc\", replicas = 1 }\n";
        let settings = DataSettings::read(text).expect("settings");
        let mut catalog = DataCatalog::default();
        catalog.update(CatalogChange::Configured { settings, move_master: false });
        catalog
    }

    #[test]
    fn bucket_is_away_with_its_master_and_says_why() {
        let mut catalog = catalog();
        let look = |catalog: &DataCatalog| view(catalog, &BTreeMap::new()).buckets["images"].clone();
        let seen = |is_up, trouble: Option<&str>| CatalogChange::StoreSeen {
            store: "hpc".to_owned(),
            is_up,
            trouble: trouble.map(str::to_owned),
        };
        let listed = |trouble: Option<&str>| CatalogChange::MasterTroubled {
            bucket: "images".to_owned(),
            trouble: trouble.map(str::to_owned),
        };
        assert_eq!(look(&catalog).state, "unknown");
        catalog.update(seen(true, None));
        assert_eq!((look(&catalog).state.as_str(), look(&catalog).why), ("following", None));
        catalog.update(seen(false, Some("no answer")));
        let away = look(&catalog);
        assert_eq!((away.state.as_str(), away.why.as_deref()), ("away", Some("the master hpc: no answer")));
        catalog.update(seen(true, None));
        assert_eq!(catalog.update(listed(Some("half a list"))).len(), 1);
        assert_eq!(catalog.update(listed(Some("half a list"))), []);
        assert_eq!(look(&catalog).why.as_deref(), Some("the master hpc: half a list"));
        catalog.update(listed(None));
        assert_eq!((look(&catalog).state.as_str(), look(&catalog).why), ("following", None));
    }

    #[test]
    fn copy_that_was_not_compared_does_not_follow() {
        let state = |is_filled, checked, pending| {
            let replica = ReplicaRecord { is_ours: true, is_filled, checked, ..ReplicaRecord::default() };
            let pending = PendingCount { pending, ..PendingCount::default() };
            state_of(&replica, &pending, 7, false, false)
        };
        assert_eq!([state(false, None, 3), state(false, None, 0), state(true, None, 3)], ["filling"; 3]);
        assert_eq!(state(true, None, 0), "filled");
        let compared = [(6, 1), (6, 0), (7, 0)].map(|(checked, pending)| state(true, Some(checked), pending));
        assert_eq!(compared, ["behind", "following", "whole"]);
    }
}
