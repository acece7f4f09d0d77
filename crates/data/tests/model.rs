//! A simulated world of three stores under puts, deletes, lost events, wipes, foreign writes and changes of the settings.
//! After quiet every copy equals its master, no zone is broken, and nothing was deleted under the guard.

use std::collections::{BTreeMap, BTreeSet};

use data::catalog::{BucketHold, CatalogChange, DataCatalog};
use data::compare::{self, CopyTags, KnownObject, MasterFinding, ReplicaFinding, ReplicaView, SeenObject};
use data::guard;
use data::settings::{BucketSettings, DataSettings, PlaceSettings, StoreSettings};
use proptest::prelude::*;

const BUCKET: &str = "images";

/// Objects of one store: key to tag and size.
type Objects = BTreeMap<String, (String, u64)>;

#[derive(Default)]
struct World {
    catalog: DataCatalog,
    /// Each with its identity.
    stores: BTreeMap<String, (u32, Objects)>,
    known: BTreeMap<String, KnownObject>,
    head: u64,
    pending: BTreeMap<String, BTreeSet<String>>,
    conflicts: Vec<(String, String, String)>,
    versions: u64,
    /// Keys that were deleted from copies.
    deleted: u64,
}

#[derive(Clone, Debug)]
enum Act {
    Put(u8),
    Delete(u8),
    /// An event, which may be doubled, out of order, or of a key that never was.
    Event(u8),
    Foreign(u8, u8),
    Audit,
    /// Some of the copies that are due are made.
    Copy(u8),
    Wipe,
    Vanish,
    Release,
    Promote(u8),
    Zones(bool),
    Replicas(u8),
    Away(u8, bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..20_u8).prop_map(Act::Put),
        2 => (0..20_u8).prop_map(Act::Delete),
        3 => (0..20_u8).prop_map(Act::Event),
        1 => (0..3_u8, 0..20_u8).prop_map(|(store, key)| Act::Foreign(store, key)),
        3 => Just(Act::Audit),
        3 => (0..5_u8).prop_map(Act::Copy),
        1 => Just(Act::Wipe),
        1 => Just(Act::Vanish),
        1 => Just(Act::Release),
        1 => (0..3_u8).prop_map(Act::Promote),
        1 => any::<bool>().prop_map(Act::Zones),
        1 => (0..3_u8).prop_map(Act::Replicas),
        1 => (0..3_u8, any::<bool>()).prop_map(|(store, up)| Act::Away(store, up)),
    ]
}

const NAMES: [&str; 3] = ["cc1", "cc2", "hpc"];

impl World {
    fn new() -> Self {
        let mut settings = DataSettings::default();
        for name in NAMES {
            let zones = if name == "cc2" { vec!["germany"] } else { vec!["germany", "fast"] };
            let zones = zones.into_iter().map(str::to_owned).collect();
            settings.places.insert(name.to_owned(), PlaceSettings { zones, ..PlaceSettings::default() });
            let store =
                StoreSettings { place: name.to_owned(), folder: Some(format!("/{name}")), ..StoreSettings::default() };
            settings.stores.insert(name.to_owned(), store);
        }
        settings.server.place = Some("hpc".to_owned());
        let bucket = BucketSettings { master: "hpc".to_owned(), replicas: 2, ..BucketSettings::default() };
        settings.buckets.insert(BUCKET.to_owned(), bucket);
        let mut world = Self::default();
        for name in NAMES {
            world.stores.insert(name.to_owned(), (0, Objects::new()));
        }
        world.change(CatalogChange::Configured { settings, move_master: false });
        for store in NAMES {
            world.change(CatalogChange::StoreSeen { store: store.to_owned(), is_up: true, trouble: None });
            world.change(CatalogChange::Identified { store: store.to_owned(), identity: "0".to_owned() });
        }
        world
    }

    /// Makes a change, and holds what every change has to hold.
    fn change(&mut self, change: CatalogChange) {
        let holds = |catalog: &DataCatalog| -> BTreeSet<String> {
            catalog.buckets.get(BUCKET).map(|record| record.replicas.keys().cloned().collect()).unwrap_or_default()
        };
        let before = holds(&self.catalog);
        let removes = matches!(&change, CatalogChange::Removed { .. });
        let promotes = matches!(&change, CatalogChange::Promoted { .. });
        self.catalog.update(change);
        let after = holds(&self.catalog);
        if !removes && !promotes {
            assert!(before.is_subset(&after), "a copy is forgotten: {before:?} {after:?}");
        }
        let settings = &self.catalog.settings;
        let record = &self.catalog.buckets[BUCKET];
        for (store, replica) in &record.replicas {
            let is_inside = settings.is_inside(store, &settings.buckets[BUCKET].zones);
            assert!(is_inside || replica.is_leaving, "{store} is outside the zones and stays");
        }
    }

    fn master(&self) -> String {
        self.catalog.master(BUCKET).expect("a master").to_owned()
    }

    fn is_stopped(&self) -> bool {
        let record = &self.catalog.buckets[BUCKET];
        record.hold.is_some() || record.is_paused
    }

    fn is_up(&self, store: &str) -> bool {
        self.catalog.stores[store].is_up == Some(true)
    }

    fn seen(objects: &Objects) -> Vec<SeenObject> {
        let seen = |(key, (etag, size)): (&String, &(String, u64))| SeenObject {
            key: key.clone(),
            etag: etag.clone(),
            size: *size,
        };
        objects.iter().map(seen).collect()
    }

    fn put(&mut self, store: &str, key: String) {
        self.versions += 1;
        let object = (format!("v{}", self.versions), self.versions % 7);
        self.stores.get_mut(store).expect("a store").1.insert(key, object);
    }

    /// The master is another disk: nothing may be deleted. True where all is well.
    fn identified(&mut self) -> bool {
        let master = self.master();
        let identity = self.stores[&master].0.to_string();
        match self.catalog.stores[&master].identity.clone() {
            Some(known) if known != identity => {
                self.change(CatalogChange::Held { bucket: BUCKET.to_owned(), hold: BucketHold::Identity });
                false
            }
            Some(_) => true,
            None => {
                self.change(CatalogChange::Identified { store: master, identity });
                true
            }
        }
    }

    fn apply(&mut self, findings: Vec<MasterFinding>) {
        for finding in findings {
            self.head += 1;
            let blank = |key: &str| KnownObject {
                key: key.to_owned(),
                seq: 0,
                etag: String::new(),
                size: 0,
                is_gone: true,
                before: Vec::new(),
            };
            let (key, next) = match finding {
                MasterFinding::Changed(seen) => {
                    let old = self.known.get(&seen.key).cloned().unwrap_or_else(|| blank(&seen.key));
                    (seen.key, old.changed(self.head, &seen.etag, seen.size))
                }
                MasterFinding::Gone(key) => {
                    let next = self.known[&key].gone(self.head);
                    (key, next)
                }
            };
            self.known.insert(key.clone(), next);
            for store in self.catalog.buckets[BUCKET].replicas.keys() {
                self.pending.entry(store.clone()).or_default().insert(key.clone());
            }
        }
    }

    fn audit(&mut self) {
        let master = self.master();
        if self.is_stopped() || !self.is_up(&master) || !self.identified() {
            return;
        }
        let known: Vec<_> = self.known.values().cloned().collect();
        let findings = compare::master(&known, &Self::seen(&self.stores[&master].1));
        let gone = findings.iter().filter(|finding| matches!(finding, MasterFinding::Gone(_))).count() as u64;
        let there = known.iter().filter(|known| !known.is_gone).count() as u64;
        if guard::is_too_much(gone, there, 10) && !self.catalog.buckets[BUCKET].is_released {
            let hold = BucketHold::Deletions { gone, known: there };
            return self.change(CatalogChange::Held { bucket: BUCKET.to_owned(), hold });
        }
        self.apply(findings);
        self.change(CatalogChange::ReleaseUsed { bucket: BUCKET.to_owned() });
        let known: Vec<_> = self.known.values().cloned().collect();
        let replicas: Vec<String> = self.catalog.buckets[BUCKET].replicas.keys().cloned().collect();
        for store in replicas {
            if !self.is_up(&store) || self.catalog.buckets[BUCKET].replicas[&store].is_leaving {
                continue;
            }
            let pending = self.pending.entry(store.clone()).or_default().clone();
            let tags = CopyTags::new();
            let view = ReplicaView { tags: &tags, pending: &pending, wants: &|_| true, keeps: false };
            let findings = compare::replica(&known, &Self::seen(&self.stores[&store].1), &view);
            let agrees = findings.is_empty() && pending.is_empty();
            for finding in findings {
                let key = match finding {
                    ReplicaFinding::Lacks(key) | ReplicaFinding::Surplus(key) => key,
                    ReplicaFinding::Foreign(seen) => {
                        self.conflicts.push((store.clone(), seen.key.clone(), seen.etag));
                        seen.key
                    }
                };
                self.pending.entry(store.clone()).or_default().insert(key);
            }
            let (bucket, store) = (BUCKET.to_owned(), store);
            self.change(match agrees {
                true => CatalogChange::Compared { bucket, store, seq: self.head },
                false => CatalogChange::Differs { bucket, store },
            });
        }
    }

    /// Makes so many copies at each store, as the source is now.
    fn copy(&mut self, most: usize) {
        let master = self.master();
        if self.is_stopped() || !self.is_up(&master) || !self.identified() {
            return;
        }
        for store in NAMES {
            let Some(replica) = self.catalog.buckets[BUCKET].replicas.get(store).cloned() else { continue };
            if !self.is_up(store) || replica.is_leaving {
                continue;
            }
            let keys: Vec<String> =
                self.pending.entry(store.to_owned()).or_default().iter().take(most).cloned().collect();
            for key in keys {
                match self.stores[&master].1.get(&key).cloned() {
                    Some(object) => {
                        let is_news = self.known.get(&key).is_none_or(|known| known.is_gone || known.etag != object.0);
                        if is_news {
                            let seen = SeenObject { key: key.clone(), etag: object.0.clone(), size: object.1 };
                            self.apply(vec![MasterFinding::Changed(seen)]);
                        }
                        self.stores.get_mut(store).expect("a store").1.insert(key.clone(), object);
                    }
                    // The listing has to say that it is gone: this alone deletes nothing.
                    None if self.known.get(&key).is_some_and(|known| !known.is_gone) => continue,
                    None => {
                        if self.stores.get_mut(store).expect("a store").1.remove(&key).is_some() {
                            self.deleted += 1;
                        }
                    }
                }
                self.pending.entry(store.to_owned()).or_default().remove(&key);
            }
        }
    }

    fn remove_leaving(&mut self) {
        for store in NAMES {
            if self.catalog.may_remove(BUCKET, store) {
                let record = &self.catalog.buckets[BUCKET];
                for (kept, _) in record.replicas.iter().filter(|(_, replica)| !replica.is_leaving) {
                    assert!(self.catalog.buckets[BUCKET].replicas[kept].checked.is_some(), "{kept} is not whole");
                }
                self.stores.get_mut(store).expect("a store").1.clear();
                self.pending.remove(store);
                self.change(CatalogChange::Removed { bucket: BUCKET.to_owned(), store: store.to_owned() });
            }
        }
    }

    fn configure(&mut self, change: impl FnOnce(&mut BucketSettings)) {
        let mut settings = self.catalog.settings.clone();
        change(settings.buckets.get_mut(BUCKET).expect("the bucket"));
        let plan = data::planning::plan(&self.catalog, &settings, false);
        if plan.refused.is_empty() {
            self.change(CatalogChange::Configured { settings, move_master: false });
        }
    }

    fn act(&mut self, act: &Act) {
        let key = |number: u8| format!("key-{number:02}");
        let master = self.master();
        match act {
            Act::Put(number) => self.put(&master, key(*number)),
            Act::Delete(number) => drop(self.stores.get_mut(&master).expect("the master").1.remove(&key(*number))),
            Act::Event(number) => {
                // A hint: the key is looked at as it is now.
                if !self.is_stopped() && self.is_up(&master) && self.identified() {
                    let known: Vec<_> = self.known.get(&key(*number)).cloned().into_iter().collect();
                    let mut objects = self.stores[&master].1.clone();
                    objects.retain(|name, _| *name == key(*number));
                    self.apply(compare::master(&known, &Self::seen(&objects)));
                }
            }
            Act::Foreign(store, number) => {
                let store = NAMES[usize::from(*store)];
                if store != master && self.catalog.buckets[BUCKET].replicas.contains_key(store) {
                    self.put(store, key(*number));
                }
            }
            Act::Audit => self.audit(),
            Act::Copy(most) => self.copy(usize::from(*most)),
            Act::Wipe => {
                // Where fewer than that are lost, they may be deletions.
                let there = self.known.values().filter(|known| !known.is_gone).count();
                if self.catalog.stores[&master].identity.is_none() {
                    // A person has just said that it may be any disk.
                    return;
                }
                let store = self.stores.get_mut(&master).expect("the master");
                let before = self.deleted;
                let stays: Objects = std::mem::take(&mut store.1);
                store.0 += 1;
                self.audit();
                self.copy(100);
                assert!(self.deleted == before, "a wiped master of {there} keys deleted at its copies");
                let store = self.stores.get_mut(&master).expect("the master");
                (store.0, store.1) = (store.0 - 1, stays);
            }
            Act::Vanish => {
                let store = self.stores.get_mut(&master).expect("the master");
                let stays: Objects = store.1.clone();
                let mut number = 0;
                store.1.retain(|_, _| {
                    number += 1;
                    number % 3 != 0
                });
                let lost = stays
                    .keys()
                    .filter(|key| {
                        !self.stores[&master].1.contains_key(*key)
                            && self.known.get(*key).is_some_and(|known| !known.is_gone)
                    })
                    .count() as u64;
                let there = self.known.values().filter(|known| !known.is_gone).count() as u64;
                let is_up = self.is_up(&master);
                if guard::is_too_much(lost, there, 10)
                    && !self.is_stopped()
                    && is_up
                    && !self.catalog.buckets[BUCKET].is_released
                {
                    // Copies that were due before are made first: what they delete was deleted before.
                    let before = self.deleted;
                    let due: usize = self.pending.values().map(BTreeSet::len).sum();
                    self.audit();
                    assert!(self.is_stopped(), "a third of the keys is gone, and nothing stops");
                    self.copy(100);
                    assert!(self.deleted - before <= due as u64 && self.deleted == before);
                }
                self.stores.get_mut(&master).expect("the master").1 = stays;
            }
            Act::Release => self.change(CatalogChange::Released { bucket: BUCKET.to_owned() }),
            Act::Promote(store) => {
                let store = NAMES[usize::from(*store)];
                let replica = self.catalog.buckets[BUCKET].replicas.get(store).cloned();
                let is_empty = self.pending.get(store).is_none_or(BTreeSet::is_empty);
                if replica.is_some_and(|replica| !replica.is_leaving && replica.checked.is_some()) && is_empty {
                    self.change(CatalogChange::Promoted { bucket: BUCKET.to_owned(), store: store.to_owned() });
                    self.pending.remove(store);
                }
            }
            Act::Zones(is_fast) => self.configure(|bucket| {
                let zone = if *is_fast { "fast" } else { "germany" };
                bucket.zones = BTreeSet::from([zone.to_owned()]);
            }),
            Act::Replicas(count) => self.configure(|bucket| bucket.replicas = usize::from(*count)),
            Act::Away(store, is_up) => {
                let store = NAMES[usize::from(*store)].to_owned();
                self.change(CatalogChange::StoreSeen { store, is_up: *is_up, trouble: None });
            }
        }
    }

    /// Lets everything come to rest.
    fn rest(&mut self) {
        for store in NAMES {
            self.change(CatalogChange::StoreSeen { store: store.to_owned(), is_up: true, trouble: None });
        }
        self.change(CatalogChange::Released { bucket: BUCKET.to_owned() });
        for _ in 0..12 {
            self.audit();
            self.copy(100);
            self.remove_leaving();
            self.change(CatalogChange::Released { bucket: BUCKET.to_owned() });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn after_quiet_every_copy_equals_its_master(acts in prop::collection::vec(act(), 0..120)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
            world.remove_leaving();
        }
        world.rest();
        let master = &world.stores[&world.master()].1;
        let record = &world.catalog.buckets[BUCKET];
        prop_assert!(record.hold.is_none(), "{:?}", record.hold);
        for (store, replica) in &record.replicas {
            prop_assert!(!replica.is_leaving, "{store} does not leave: {record:?}");
            prop_assert_eq!(&world.stores[store].1, master, "{} {:?}", store, acts);
            prop_assert_eq!(replica.checked, Some(world.head), "{}", store);
        }
        // At rest a further comparison finds nothing to do.
        let (head, conflicts) = (world.head, world.conflicts.len());
        world.audit();
        prop_assert_eq!((world.head, world.conflicts.len()), (head, conflicts));
        prop_assert!(world.pending.values().all(BTreeSet::is_empty));
    }
}
