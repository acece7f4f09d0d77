//! Settings that come anew, and masters that move.

use super::{BucketRecord, CatalogEvent, DataCatalog, ReplicaRecord, StoreRecord};
use crate::placing::{PlacingBucket, place};
use crate::settings::DataSettings;

impl DataCatalog {
    /// Takes new settings. A bucket whose master is to be another one keeps its master until the other copy is whole.
    pub(super) fn configure(&mut self, mut settings: DataSettings, move_master: bool, events: &mut Vec<CatalogEvent>) {
        self.revision += 1;
        events.push(CatalogEvent::Configured { revision: self.revision });
        let mut moves = Vec::new();
        for (name, bucket) in &mut settings.buckets {
            let Some(old) = self.settings.buckets.get(name) else { continue };
            if bucket.master != old.master {
                moves.push((name.clone(), Some(std::mem::replace(&mut bucket.master, old.master.clone()))));
            } else {
                moves.push((name.clone(), None));
            }
        }
        for name in self.buckets.keys().filter(|name| !settings.buckets.contains_key(*name)) {
            events.push(CatalogEvent::BucketForgotten { bucket: name.clone() });
        }
        for name in settings.buckets.keys().filter(|name| !self.buckets.contains_key(*name)) {
            events.push(CatalogEvent::BucketAdded { bucket: name.clone() });
        }
        self.buckets.retain(|name, _| settings.buckets.contains_key(name));
        self.stores.retain(|name, _| settings.stores.contains_key(name));
        for name in settings.stores.keys() {
            let is_same = self
                .settings
                .stores
                .get(name)
                .zip(settings.stores.get(name))
                .is_some_and(|(old, new)| (&old.endpoint, &old.folder) == (&new.endpoint, &new.folder));
            // Another endpoint may be another disk: its identity is compared all the same.
            let record = self.stores.entry(name.clone()).or_default();
            if !is_same {
                *record = StoreRecord { identity: record.identity.take(), ..StoreRecord::default() };
            }
        }
        for (name, bucket) in &settings.buckets {
            let record = self.buckets.entry(name.clone()).or_default();
            record.replicas.retain(|store, _| settings.stores.contains_key(store));
            // Other patterns, another name: what agreed before says nothing.
            if self.settings.buckets.get(name).is_some_and(|old| {
                (&old.only, &old.except, &old.names, old.deletes)
                    != (&bucket.only, &bucket.except, &bucket.names, bucket.deletes)
            }) {
                record.replicas.values_mut().for_each(|replica| replica.checked = None);
            }
        }
        self.settings = settings;
        for (bucket, to) in moves {
            let to = to.or_else(|| if move_master { self.inside(&bucket) } else { None });
            let from = self.master(&bucket).unwrap_or_default().to_owned();
            let before = self.buckets.get(&bucket).and_then(|record| record.moving.clone());
            if let Some(to) = to.clone().filter(|to| before.as_ref() != Some(to)) {
                events.push(CatalogEvent::MasterMoving { bucket: bucket.clone(), from, to });
            }
            self.bucket(&bucket, |record| record.moving = to);
        }
    }

    /// The store that a master outside the zones of its bucket moves to; none where it is inside, or there is none.
    pub(crate) fn inside(&self, bucket: &str) -> Option<String> {
        let settings = self.settings.buckets.get(bucket)?;
        if self.settings.is_inside(&settings.master, &settings.zones) {
            return None;
        }
        let record = self.buckets.get(bucket)?;
        let stores = self.settings.stores.keys().map(|name| (name.clone(), self.placing_store(name))).collect();
        let wanted = PlacingBucket {
            name: bucket.to_owned(),
            master: settings.master.clone(),
            zones: settings.zones.clone(),
            replicas: 1,
            at: settings.at.clone(),
            holding: record.replicas.keys().cloned().collect(),
            bytes: record.bytes,
        };
        let places = place(&wanted, &stores);
        places.keep.into_iter().chain(places.add).next()
    }

    pub(super) fn promote(&mut self, bucket: &str, store: &str, events: &mut Vec<CatalogEvent>) {
        let Some(settings) = self.settings.buckets.get_mut(bucket) else { return };
        let Some(record) = self.buckets.get_mut(bucket) else { return };
        if record.replicas.remove(store).is_none() {
            return;
        }
        let from = std::mem::replace(&mut settings.master, store.to_owned());
        settings.at.remove(store);
        // What the old master holds is a copy from now on, until placing says otherwise. It is ours.
        let old = ReplicaRecord { is_ours: true, is_filled: true, ..ReplicaRecord::default() };
        record.replicas.insert(from.clone(), old);
        record.moving = None;
        record.hold = None;
        record.is_released = false;
        // Every copy is compared with its new master.
        record.replicas.values_mut().for_each(|replica| replica.checked = None);
        self.revision += 1;
        events.push(CatalogEvent::MasterMoved { bucket: bucket.to_owned(), from, to: store.to_owned() });
    }

    pub(super) fn release(&mut self, bucket: &str, events: &mut Vec<CatalogEvent>) {
        let Some(BucketRecord { hold, is_released, is_seen, .. }) = self.buckets.get_mut(bucket) else { return };
        if let Some(hold) = hold.take() {
            // Another disk or another bucket is taken as it is; what is not on it is asked about by itself.
            match hold {
                super::BucketHold::Deletions { .. } => *is_released = true,
                super::BucketHold::NoBucket => *is_seen = false,
                super::BucketHold::Identity => {}
            }
            events.push(CatalogEvent::BucketReleased { bucket: bucket.to_owned() });
            if hold == super::BucketHold::Identity {
                // Whatever it is now is right.
                let master = self.master(bucket).unwrap_or_default().to_owned();
                self.store(&master, |record| record.identity = None);
            }
        }
    }
}
