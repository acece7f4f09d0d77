//! A change of the settings, seen before it is made: the update itself, made to a copy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{CatalogChange, CatalogEvent, DataCatalog};
use crate::check::{DataMistake, check};
use crate::settings::DataSettings;

/// What a change of the settings leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigPlan {
    /// The settings that it was worked out for: those of another revision make another plan.
    pub revision: u64,
    pub steps: Vec<ConfigStep>,
    /// Why it is refused, all of it.
    pub refused: Vec<DataMistake>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum ConfigStep {
    AddStore {
        store: String,
    },
    /// What it holds stays there.
    ForgetStore {
        store: String,
    },
    AddBucket {
        bucket: String,
        master: String,
    },
    /// Its objects stay at every store.
    ForgetBucket {
        bucket: String,
    },
    Copy {
        bucket: String,
        from: String,
        to: String,
        objects: u64,
        bytes: u64,
    },
    MoveMaster {
        bucket: String,
        from: String,
        to: String,
    },
    /// Delete the copies at a store, once all others are whole.
    Remove {
        bucket: String,
        store: String,
        why: String,
    },
    /// Other settings of a bucket.
    Change {
        bucket: String,
    },
    AddEndpoint {
        endpoint: String,
        place: String,
    },
    ChangeEndpoint {
        endpoint: String,
    },
    ForgetEndpoint {
        endpoint: String,
    },
    /// Other zones or labels of places.
    ChangePlaces,
    /// Other rules for requests.
    ChangeRoutes,
    /// Other settings of the server.
    ChangeServer,
}

/// Works out what new settings lead to.
pub fn plan(now: &DataCatalog, wanted: &DataSettings, move_master: bool) -> ConfigPlan {
    let mut plan = ConfigPlan { revision: now.revision, steps: Vec::new(), refused: check(wanted) };
    if !plan.refused.is_empty() {
        return plan;
    }
    let mut then = now.clone();
    let events = then.update(CatalogChange::Configured { settings: wanted.clone(), move_master });
    refuse(now, &then, wanted, move_master, &mut plan.refused);
    if !plan.refused.is_empty() {
        return plan;
    }
    let stores = |catalog: &DataCatalog| catalog.settings.stores.keys().cloned().collect::<Vec<_>>();
    let (before, after) = (stores(now), stores(&then));
    plan.steps.extend(
        after.iter().filter(|name| !before.contains(name)).map(|store| ConfigStep::AddStore { store: store.clone() }),
    );
    for event in events {
        let step = match event {
            CatalogEvent::BucketAdded { bucket } => {
                let master = then.master(&bucket).unwrap_or_default().to_owned();
                ConfigStep::AddBucket { bucket, master }
            }
            CatalogEvent::BucketForgotten { bucket } => ConfigStep::ForgetBucket { bucket },
            CatalogEvent::ReplicaAdded { bucket, store } => {
                let (objects, bytes) = now.buckets.get(&bucket).map_or((0, 0), |record| (record.objects, record.bytes));
                let from = then.master(&bucket).unwrap_or_default().to_owned();
                // A master that becomes a copy has everything.
                if from == store {
                    continue;
                }
                ConfigStep::Copy { bucket, from, to: store, objects, bytes }
            }
            CatalogEvent::MasterMoving { bucket, from, to } => ConfigStep::MoveMaster { bucket, from, to },
            CatalogEvent::ReplicaLeaving { bucket, store, why } => ConfigStep::Remove { bucket, store, why },
            _ => continue,
        };
        plan.steps.push(step);
    }
    // Copies come before the master moves, and removals are last.
    plan.steps.sort_by_key(|step| match step {
        ConfigStep::AddStore { .. } => 0,
        ConfigStep::AddBucket { .. } => 1,
        ConfigStep::Change { .. } => 2,
        ConfigStep::Copy { .. } => 3,
        ConfigStep::MoveMaster { .. } => 4,
        ConfigStep::Remove { .. } => 5,
        ConfigStep::ForgetBucket { .. } => 6,
        ConfigStep::ForgetStore { .. } => 7,
        // These come below, in their order.
        _ => 8,
    });
    for (name, bucket) in &then.settings.buckets {
        let is_named = plan.steps.iter().any(|step| matches!(step,
            ConfigStep::AddBucket { bucket, .. } | ConfigStep::Copy { bucket, .. } | ConfigStep::MoveMaster { bucket, .. }
            | ConfigStep::Remove { bucket, .. } if bucket == name));
        if !is_named && now.settings.buckets.get(name).is_some_and(|old| old != bucket) {
            plan.steps.push(ConfigStep::Change { bucket: name.clone() });
        }
    }
    let gone = before.iter().filter(|name| !after.contains(name));
    plan.steps.extend(gone.map(|store| ConfigStep::ForgetStore { store: store.clone() }));
    endpoints(&now.settings, wanted, &mut plan.steps);
    if now.revision > 0 && now.settings.places != wanted.places {
        plan.steps.push(ConfigStep::ChangePlaces);
    }
    if now.settings.routes != wanted.routes {
        plan.steps.push(ConfigStep::ChangeRoutes);
    }
    if now.revision > 0 && now.settings.server != wanted.server {
        plan.steps.push(ConfigStep::ChangeServer);
    }
    plan
}

/// Endpoints that come, change and go.
fn endpoints(now: &DataSettings, wanted: &DataSettings, into: &mut Vec<ConfigStep>) {
    for (name, of) in &wanted.endpoints {
        let endpoint = name.clone();
        match now.endpoints.get(name) {
            None => into.push(ConfigStep::AddEndpoint { endpoint, place: of.place.clone() }),
            Some(known) if known != of => into.push(ConfigStep::ChangeEndpoint { endpoint }),
            Some(_) => {}
        }
    }
    let gone = now.endpoints.keys().filter(|name| !wanted.endpoints.contains_key(*name));
    into.extend(gone.map(|endpoint| ConfigStep::ForgetEndpoint { endpoint: endpoint.clone() }));
}

/// What cannot be done, or not without a word more.
fn refuse(
    now: &DataCatalog,
    then: &DataCatalog,
    wanted: &DataSettings,
    move_master: bool,
    into: &mut Vec<DataMistake>,
) {
    for (name, bucket) in &wanted.buckets {
        let at = format!("buckets.{name}.zones");
        let zones = bucket.zones.iter().cloned().collect::<Vec<_>>().join(", ");
        if !wanted.is_inside(&bucket.master, &bucket.zones) {
            let is_moving = then.buckets.get(name).is_some_and(|record| record.moving.is_some());
            let known = now.settings.buckets.contains_key(name);
            if !(move_master && is_moving) {
                let hint = match (known, move_master) {
                    (true, false) => "--move-master copies it to a store inside first",
                    (true, true) => "add a store in one of the zones",
                    (false, _) => "name a store inside the zones as `master`",
                };
                let message = format!("the master {} is outside of {zones}", bucket.master);
                into.push(DataMistake::new(at, message, hint));
                continue;
            }
        }
        // What a store lacks today is no mistake of the settings: all of them count as there and empty.
        let mut ideal = then.clone();
        ideal.stores.values_mut().for_each(|store| (store.is_up, store.used) = (None, 0));
        let Some(places) = ideal.places_of(name).filter(|places| places.short > 0) else { continue };
        let why = places.why.iter().map(|(store, why)| format!("{store}: {why}")).collect::<Vec<_>>().join("; ");
        let message = format!("no store can be found for {} of its copies ({why})", places.short);
        let hint = "add a store in another place, widen `zones`, or ask for fewer replicas";
        into.push(DataMistake::new(format!("buckets.{name}.replicas"), message, hint));
    }
    let in_use = now.settings.stores.keys().filter(|store| !wanted.stores.contains_key(*store));
    for store in in_use {
        // A bucket that is still wanted would lose its master's store: the check has said so. A copy alone may be forgotten.
        let whole = now
            .buckets
            .iter()
            .find(|(name, record)| wanted.buckets.contains_key(*name) && record.moving.as_ref() == Some(store));
        if let Some((name, _)) = whole {
            let message = format!("{name} is moving there");
            into.push(DataMistake::new(format!("stores.{store}"), message, "wait until the master has moved"));
        }
    }
}
