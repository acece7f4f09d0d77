//! What is wanted and what was seen, and its one update.

mod moves;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::placing::{CopyPlaces, PlacingBucket, PlacingStore, place};
use crate::settings::DataSettings;

/// Places, stores and buckets: wanted and seen. Objects are kept elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataCatalog {
    /// Counts changes of the settings.
    pub revision: u64,
    pub settings: DataSettings,
    pub stores: BTreeMap<String, StoreRecord>,
    pub buckets: BTreeMap<String, BucketRecord>,
}

/// What is known of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreRecord {
    /// The content of its identity object: another one is another disk.
    pub identity: Option<String>,
    /// None before it was looked at.
    pub is_up: Option<bool>,
    pub trouble: Option<String>,
    /// Bytes of ours that it holds.
    pub used: u64,
}

/// What is known of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BucketRecord {
    /// Store that becomes the master once its copy is whole.
    pub moving: Option<String>,
    pub hold: Option<BucketHold>,
    /// Deletions of the next comparison are believed, however many.
    pub is_released: bool,
    pub is_paused: bool,
    /// The bucket was found at its master once: it not being there is a loss from then on.
    pub is_seen: bool,
    /// Why the master could not be listed last.
    pub trouble: Option<String>,
    pub replicas: BTreeMap<String, ReplicaRecord>,
    /// Copies that no store can be found for.
    pub short: usize,
    pub why: BTreeMap<String, String>,
    pub objects: u64,
    pub bytes: u64,
}

/// Why nothing of a bucket is copied or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum BucketHold {
    /// Too many keys vanished at once.
    Deletions { gone: u64, known: u64 },
    /// The store of the master is another one than it was.
    Identity,
    /// The bucket is not at the master any more.
    NoBucket,
}

impl std::fmt::Display for BucketHold {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deletions { gone, known } => write!(to, "{gone} of {known} keys vanished from the master at once"),
            Self::Identity => to.write_str("the store of the master is another one than it was"),
            Self::NoBucket => to.write_str("the bucket is not at its master any more"),
        }
    }
}

/// What is known of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaRecord {
    /// It is to be removed once the rest is whole.
    pub is_leaving: bool,
    /// The bucket at its store is ours.
    pub is_ours: bool,
    /// It was whole once: what it lacks since then is known.
    #[serde(default)]
    pub is_filled: bool,
    /// The change at which listings agreed last.
    pub checked: Option<u64>,
    pub trouble: Option<String>,
}

/// One change of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogChange {
    Configured {
        settings: DataSettings,
        move_master: bool,
    },
    StoreSeen {
        store: String,
        is_up: bool,
        trouble: Option<String>,
    },
    StoreUsed {
        store: String,
        bytes: u64,
    },
    Identified {
        store: String,
        identity: String,
    },
    Held {
        bucket: String,
        hold: BucketHold,
    },
    /// A person says that the master is right.
    Released {
        bucket: String,
    },
    /// The deletions that were released are made.
    ReleaseUsed {
        bucket: String,
    },
    Paused {
        bucket: String,
        is_paused: bool,
    },
    BucketSeen {
        bucket: String,
    },
    /// The master could not be listed, or could again.
    MasterTroubled {
        bucket: String,
        trouble: Option<String>,
    },
    Counted {
        bucket: String,
        objects: u64,
        bytes: u64,
    },
    /// The bucket of a replica is ours, or it was made.
    Adopted {
        bucket: String,
        store: String,
    },
    /// Listings of master and replica agreed.
    Compared {
        bucket: String,
        store: String,
        seq: u64,
    },
    /// They do not, or no longer.
    Differs {
        bucket: String,
        store: String,
    },
    Troubled {
        bucket: String,
        store: String,
        trouble: Option<String>,
    },
    /// A copy becomes the master.
    Promoted {
        bucket: String,
        store: String,
    },
    /// What a leaving replica held is deleted.
    Removed {
        bucket: String,
        store: String,
    },
}

/// What a change led to, for people and for who acts on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum CatalogEvent {
    Configured {
        revision: u64,
    },
    BucketAdded {
        bucket: String,
    },
    /// Its objects stay where they are.
    BucketForgotten {
        bucket: String,
    },
    ReplicaAdded {
        bucket: String,
        store: String,
    },
    ReplicaLeaving {
        bucket: String,
        store: String,
        why: String,
    },
    ReplicaRemoved {
        bucket: String,
        store: String,
    },
    ReplicaWhole {
        bucket: String,
        store: String,
    },
    ReplicaTrouble {
        bucket: String,
        store: String,
        trouble: String,
    },
    MasterTrouble {
        bucket: String,
        trouble: String,
    },
    MasterMoving {
        bucket: String,
        from: String,
        to: String,
    },
    MasterMoved {
        bucket: String,
        from: String,
        to: String,
    },
    BucketHeld {
        bucket: String,
        why: String,
    },
    BucketReleased {
        bucket: String,
    },
    BucketPaused {
        bucket: String,
    },
    BucketResumed {
        bucket: String,
    },
    Short {
        bucket: String,
        copies: usize,
    },
    StoreUp {
        store: String,
    },
    StoreAway {
        store: String,
        why: String,
    },
}

impl DataCatalog {
    /// Makes one change. All that follows from it is in the answer.
    pub fn update(&mut self, change: CatalogChange) -> Vec<CatalogEvent> {
        let mut events = Vec::new();
        match change {
            CatalogChange::Configured { settings, move_master } => self.configure(settings, move_master, &mut events),
            CatalogChange::StoreSeen { store, is_up, trouble } => self.seen(&store, is_up, trouble, &mut events),
            CatalogChange::StoreUsed { store, bytes } => self.store(&store, |record| record.used = bytes),
            CatalogChange::Identified { store, identity } => {
                self.store(&store, |record| record.identity = Some(identity));
            }
            CatalogChange::Held { bucket, hold } => self.bucket(&bucket, |record| {
                if record.hold.as_ref() != Some(&hold) {
                    events.push(CatalogEvent::BucketHeld { bucket: bucket.clone(), why: hold.to_string() });
                }
                record.hold = Some(hold);
            }),
            CatalogChange::Released { bucket } => self.release(&bucket, &mut events),
            CatalogChange::ReleaseUsed { bucket } => self.bucket(&bucket, |record| record.is_released = false),
            CatalogChange::Paused { bucket, is_paused } => self.bucket(&bucket, |record| {
                if record.is_paused != is_paused {
                    let bucket = bucket.clone();
                    events.push(match is_paused {
                        true => CatalogEvent::BucketPaused { bucket },
                        false => CatalogEvent::BucketResumed { bucket },
                    });
                }
                record.is_paused = is_paused;
            }),
            CatalogChange::BucketSeen { bucket } => self.bucket(&bucket, |record| record.is_seen = true),
            CatalogChange::MasterTroubled { bucket, trouble } => self.bucket(&bucket, |record| {
                if let Some(trouble) = trouble.clone().filter(|_| record.trouble != trouble) {
                    events.push(CatalogEvent::MasterTrouble { bucket: bucket.clone(), trouble });
                }
                record.trouble = trouble;
            }),
            CatalogChange::Counted { bucket, objects, bytes } => self.bucket(&bucket, |record| {
                record.objects = objects;
                record.bytes = bytes;
            }),
            CatalogChange::Adopted { bucket, store } => {
                self.replica(&bucket, &store, |replica| replica.is_ours = true);
            }
            CatalogChange::Compared { bucket, store, seq } => self.replica(&bucket, &store, |replica| {
                if replica.checked.is_none() {
                    events.push(CatalogEvent::ReplicaWhole { bucket: bucket.clone(), store: store.clone() });
                }
                replica.checked = Some(seq);
                replica.is_filled = true;
                replica.trouble = None;
            }),
            CatalogChange::Differs { bucket, store } => {
                self.replica(&bucket, &store, |replica| replica.checked = None);
            }
            CatalogChange::Troubled { bucket, store, trouble } => self.replica(&bucket, &store, |replica| {
                if let Some(trouble) = trouble.clone().filter(|_| replica.trouble != trouble) {
                    let (bucket, store) = (bucket.clone(), store.clone());
                    events.push(CatalogEvent::ReplicaTrouble { bucket, store, trouble });
                }
                replica.trouble = trouble;
            }),
            CatalogChange::Promoted { bucket, store } => self.promote(&bucket, &store, &mut events),
            CatalogChange::Removed { bucket, store } => {
                let is_leaving = |replica: &ReplicaRecord| replica.is_leaving;
                self.bucket(&bucket, |record| {
                    if record.replicas.get(&store).is_some_and(is_leaving) {
                        record.replicas.remove(&store);
                        events.push(CatalogEvent::ReplicaRemoved { bucket: bucket.clone(), store: store.clone() });
                    }
                });
            }
        }
        self.place_all(&mut events);
        events
    }

    /// The name of a bucket's master.
    pub fn master(&self, bucket: &str) -> Option<&str> {
        self.settings.buckets.get(bucket).map(|bucket| bucket.master.as_str())
    }

    /// Whether a leaving replica may go: every copy that stays is whole, and no fewer than it leaves.
    pub fn may_remove(&self, bucket: &str, store: &str) -> bool {
        let Some(record) = self.buckets.get(bucket) else { return false };
        let Some(settings) = self.settings.buckets.get(bucket) else { return false };
        let is_leaving = record.replicas.get(store).is_some_and(|replica| replica.is_leaving);
        let mut stays = record.replicas.values().filter(|replica| !replica.is_leaving);
        let is_up = self.stores.get(&settings.master).is_some_and(|store| store.is_up == Some(true));
        is_leaving
            && is_up
            && record.hold.is_none()
            && !record.is_paused
            && record.moving.is_none()
            && record.short == 0
            && stays.all(|replica| replica.checked.is_some() && replica.trouble.is_none())
    }

    /// Where the copies of a bucket belong, by what is wanted and seen now.
    pub fn places_of(&self, bucket: &str) -> Option<CopyPlaces> {
        let settings = self.settings.buckets.get(bucket)?;
        let record = self.buckets.get(bucket)?;
        let stores = self.settings.stores.keys().map(|name| (name.clone(), self.placing_store(name))).collect();
        let mut wanted = PlacingBucket {
            name: bucket.to_owned(),
            master: settings.master.clone(),
            zones: settings.zones.clone(),
            replicas: settings.replicas,
            at: settings.at.clone(),
            holding: record.replicas.keys().cloned().collect(),
            bytes: record.bytes,
        };
        // A copy that is about to be the master is none of the copies that are counted, and takes the master's place.
        if let Some(to) = &record.moving {
            wanted.master.clone_from(to);
            wanted.at.remove(to);
        }
        Some(place(&wanted, &stores))
    }

    fn placing_store(&self, name: &str) -> PlacingStore {
        let settings = self.settings.stores.get(name);
        let record = self.stores.get(name);
        let capacity =
            settings.and_then(|store| store.capacity.as_deref()).and_then(|text| crate::amount::bytes(text).ok());
        PlacingStore {
            place: settings.map(|store| store.place.clone()).unwrap_or_default(),
            zones: self.settings.zones_of(name).cloned().collect(),
            is_up: record.is_none_or(|record| record.is_up != Some(false)),
            free: capacity.map(|capacity| capacity.saturating_sub(record.map_or(0, |record| record.used))),
        }
    }

    /// Adds the copies that are lacking, and marks those that belong elsewhere.
    fn place_all(&mut self, events: &mut Vec<CatalogEvent>) {
        let names: Vec<String> = self.buckets.keys().cloned().collect();
        for name in names {
            let Some(places) = self.places_of(&name) else { continue };
            let Some(record) = self.buckets.get_mut(&name) else { continue };
            let target = record.moving.clone();
            let wanted: BTreeSet<&String> = places.keep.iter().chain(&places.add).chain(&target).collect();
            for store in &wanted {
                if !record.replicas.contains_key(*store) {
                    record.replicas.insert((*store).clone(), ReplicaRecord::default());
                    events.push(CatalogEvent::ReplicaAdded { bucket: name.clone(), store: (*store).clone() });
                }
            }
            for (store, replica) in &mut record.replicas {
                let leaves = !wanted.contains(store);
                if leaves && !replica.is_leaving {
                    let why = places.why.get(store).cloned().unwrap_or_default();
                    events.push(CatalogEvent::ReplicaLeaving { bucket: name.clone(), store: store.clone(), why });
                }
                if !leaves && replica.is_leaving {
                    // It may have lost something meanwhile: it is compared anew.
                    replica.checked = None;
                }
                replica.is_leaving = leaves;
            }
            if places.short > record.short {
                events.push(CatalogEvent::Short { bucket: name.clone(), copies: places.short });
            }
            record.short = places.short;
            record.why = places.why;
        }
    }

    fn seen(&mut self, store: &str, is_up: bool, trouble: Option<String>, events: &mut Vec<CatalogEvent>) {
        self.store(store, |record| {
            if record.is_up != Some(is_up) {
                let (store, why) = (store.to_owned(), trouble.clone().unwrap_or_default());
                events.push(if is_up {
                    CatalogEvent::StoreUp { store }
                } else {
                    CatalogEvent::StoreAway { store, why }
                });
            }
            record.is_up = Some(is_up);
            record.trouble = trouble;
        });
    }

    fn store(&mut self, store: &str, change: impl FnOnce(&mut StoreRecord)) {
        if let Some(record) = self.stores.get_mut(store) {
            change(record);
        }
    }

    fn bucket(&mut self, bucket: &str, change: impl FnOnce(&mut BucketRecord)) {
        if let Some(record) = self.buckets.get_mut(bucket) {
            change(record);
        }
    }

    fn replica(&mut self, bucket: &str, store: &str, change: impl FnOnce(&mut ReplicaRecord)) {
        if let Some(replica) = self.buckets.get_mut(bucket).and_then(|record| record.replicas.get_mut(store)) {
            change(replica);
        }
    }
}
