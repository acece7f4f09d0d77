//! Which stores hold the copies of a bucket. What is valid stays where it is.

use std::collections::{BTreeMap, BTreeSet};

/// A store, as placing sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacingStore {
    pub place: String,
    pub zones: BTreeSet<String>,
    pub is_up: bool,
    /// Bytes that it still has room for; none where it is not bounded.
    pub free: Option<u64>,
}

/// A bucket, as placing sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlacingBucket {
    pub name: String,
    pub master: String,
    pub zones: BTreeSet<String>,
    pub replicas: usize,
    /// Exactly these, where there are any.
    pub at: BTreeSet<String>,
    /// Stores that hold a copy now.
    pub holding: BTreeSet<String>,
    pub bytes: u64,
}

/// Where the copies of a bucket belong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyPlaces {
    pub keep: BTreeSet<String>,
    pub add: BTreeSet<String>,
    pub drop: BTreeSet<String>,
    /// Copies that no store can be found for.
    pub short: usize,
    /// Why each other store holds none.
    pub why: BTreeMap<String, String>,
}

/// The order in which stores are picked for a bucket: its own for each, and the same on every machine.
fn rank(bucket: &str, store: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bucket.as_bytes()).update(b"\0").update(store.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// Why a store may not hold a copy of a bucket, whatever else there is.
fn refused(bucket: &PlacingBucket, name: &str, store: &PlacingStore, master: Option<&PlacingStore>) -> Option<String> {
    if !bucket.zones.is_empty() && store.zones.is_disjoint(&bucket.zones) {
        return Some(format!("not in {}", bucket.zones.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    if bucket.at.is_empty() {
        return master.filter(|master| master.place == store.place).map(|_| "in the place of the master".to_owned());
    }
    (!bucket.at.contains(name)).then(|| "not listed in `at`".to_owned())
}

/// Why a store takes no new copy.
fn full(bucket: &PlacingBucket, store: &PlacingStore) -> Option<String> {
    if !store.is_up {
        return Some("does not answer".to_owned());
    }
    let free = store.free.filter(|free| *free < bucket.bytes)?;
    Some(format!("{} free, {} needed", crate::amount::size(free), crate::amount::size(bucket.bytes)))
}

/// Picks the stores of a bucket's copies: those that hold one and may stay; then by rank, a place without one first.
pub fn place(bucket: &PlacingBucket, stores: &BTreeMap<String, PlacingStore>) -> CopyPlaces {
    let mut found = CopyPlaces::default();
    let wanted = if bucket.at.is_empty() { bucket.replicas } else { bucket.at.len() };
    let master = stores.get(&bucket.master);
    let mut ranked: Vec<(&String, &PlacingStore)> = stores.iter().filter(|(name, _)| **name != bucket.master).collect();
    ranked.sort_by_key(|(name, _)| std::cmp::Reverse((rank(&bucket.name, name), *name)));
    let mut valid = Vec::new();
    let mut open = Vec::new();
    for (name, store) in ranked {
        let holds = bucket.holding.contains(name);
        match refused(bucket, name, store, master) {
            Some(why) => drop(found.why.insert(name.clone(), why)),
            None if holds => valid.push((name, store)),
            None => match full(bucket, store) {
                Some(why) => drop(found.why.insert(name.clone(), why)),
                None => open.push((name, store)),
            },
        }
    }
    let mut places: BTreeSet<&str> = BTreeSet::new();
    pick(&valid, wanted, &mut places, &mut found.keep);
    let left = wanted - found.keep.len();
    pick(&open, left, &mut places, &mut found.add);
    found.short = wanted - found.keep.len() - found.add.len();
    found.drop = bucket.holding.difference(&found.keep).filter(|name| **name != bucket.master).cloned().collect();
    for (name, _) in valid.iter().chain(&open) {
        if !found.keep.contains(*name) && !found.add.contains(*name) {
            found.why.insert((*name).clone(), "there are enough copies".to_owned());
        }
    }
    found
}

/// Picks so many by rank: first one in each place that has none, then others.
fn pick<'a>(
    from: &[(&'a String, &'a PlacingStore)],
    count: usize,
    places: &mut BTreeSet<&'a str>,
    into: &mut BTreeSet<String>,
) {
    for (name, store) in from {
        if into.len() < count && places.insert(&store.place) {
            into.insert((*name).clone());
        }
    }
    for (name, _) in from {
        if into.len() < count {
            into.insert((*name).clone());
        }
    }
}
