//! Placing, under stores and buckets of all kinds.

use std::collections::{BTreeMap, BTreeSet};

use data::placing::{CopyPlaces, PlacingBucket, PlacingStore, place};
use proptest::prelude::*;

fn stores() -> impl Strategy<Value = BTreeMap<String, PlacingStore>> {
    let zones = prop::collection::btree_set(prop::sample::select(vec!["germany", "us", "fast"]), 0..3);
    let store = (0..4_u8, zones, prop::bool::weighted(0.9), prop::option::of(0..200_u64));
    prop::collection::btree_map("[a-h]", store, 0..8).prop_map(|stores| {
        let store = |(place, zones, is_up, free): (u8, BTreeSet<&str>, bool, Option<u64>)| PlacingStore {
            place: format!("place-{place}"),
            zones: zones.into_iter().map(str::to_owned).collect(),
            is_up,
            free,
        };
        stores.into_iter().map(|(name, parts)| (name, store(parts))).collect()
    })
}

fn bucket() -> impl Strategy<Value = PlacingBucket> {
    let zones = prop::collection::btree_set(prop::sample::select(vec!["germany".to_owned(), "us".to_owned()]), 0..2);
    let at = prop_oneof![Just(BTreeSet::new()), prop::collection::btree_set("[a-h]", 0..3)];
    ("[a-z]{3}", "[a-h]", zones, 0..4_usize, at, 0..100_u64).prop_map(
        |(name, master, zones, replicas, mut at, bytes)| {
            at.remove(&master);
            PlacingBucket { name, master, zones, replicas, at, holding: BTreeSet::new(), bytes }
        },
    )
}

/// A bucket whose copies are where placing wants them.
fn settled(bucket: &PlacingBucket, stores: &BTreeMap<String, PlacingStore>) -> PlacingBucket {
    let CopyPlaces { keep, add, .. } = place(bucket, stores);
    PlacingBucket { holding: keep.into_iter().chain(add).collect(), ..bucket.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn placing_twice_moves_nothing(bucket in bucket(), stores in stores()) {
        let settled = settled(&bucket, &stores);
        let again = place(&settled, &stores);
        prop_assert_eq!(&again.keep, &settled.holding);
        prop_assert!(again.add.is_empty() && again.drop.is_empty());
    }

    #[test]
    fn a_store_more_moves_nothing(bucket in bucket(), stores in stores(), more in stores()) {
        let settled = settled(&bucket, &stores);
        let mut all = more;
        all.remove(&bucket.master);
        all.extend(stores.clone());
        let again = place(&settled, &all);
        prop_assert!(again.drop.is_empty(), "{:?}", again);
        // What was lacking may be found now, and no more than that.
        prop_assert!(again.add.len() <= place(&settled, &stores).short);
    }

    #[test]
    fn a_store_less_moves_its_own_copies_alone(bucket in bucket(), stores in stores(), gone in "[a-h]") {
        prop_assume!(gone != bucket.master);
        let before = settled(&bucket, &stores);
        let mut left = stores;
        left.remove(&gone);
        let after = place(&before, &left);
        let stay: BTreeSet<_> = before.holding.iter().filter(|store| **store != gone).cloned().collect();
        prop_assert_eq!(&after.keep, &stay);
        prop_assert!(after.add.len() <= usize::from(before.holding.contains(&gone)));
    }

    #[test]
    fn no_copy_is_outside_the_zones_or_beside_its_master(bucket in bucket(), stores in stores(), holding in prop::collection::btree_set("[a-h]", 0..5)) {
        let places = place(&PlacingBucket { holding: holding.clone(), ..bucket.clone() }, &stores);
        for store in places.keep.iter().chain(&places.add) {
            let found = &stores[store];
            prop_assert!(bucket.zones.is_empty() || !found.zones.is_disjoint(&bucket.zones));
            prop_assert!(store != &bucket.master);
            if bucket.at.is_empty() {
                prop_assert!(stores.get(&bucket.master).is_none_or(|master| master.place != found.place));
            } else {
                prop_assert!(bucket.at.contains(store));
            }
        }
        for store in &places.add {
            prop_assert!(stores[store].is_up && stores[store].free.is_none_or(|free| free >= bucket.bytes));
        }
        // Each copy is kept or dropped, and what is lacking has a reason for every other store.
        let wanted = if bucket.at.is_empty() { bucket.replicas } else { bucket.at.len() };
        prop_assert_eq!(places.keep.len() + places.add.len() + places.short, wanted);
        for store in holding.iter().filter(|store| **store != bucket.master) {
            prop_assert!(places.keep.contains(store) != places.drop.contains(store));
        }
        if places.short > 0 {
            for store in stores.keys().filter(|store| **store != bucket.master && !places.keep.contains(*store) && !places.add.contains(*store)) {
                prop_assert!(places.why.contains_key(store), "{store}");
            }
        }
    }
}

fn store(place: &str, zones: &[&str]) -> PlacingStore {
    let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    PlacingStore { place: place.to_owned(), zones, is_up: true, free: None }
}

/// The fifth step of the thesis: germany out, high-performance in drops cc2 and nothing else.
#[test]
fn a_change_of_zones_drops_only_what_is_outside() {
    let mut stores = BTreeMap::from([
        ("hpc".to_owned(), store("hpc", &["germany", "high-performance"])),
        ("cc1".to_owned(), store("cc1", &["germany", "high-performance"])),
        ("cc2".to_owned(), store("cc2", &["germany"])),
    ]);
    let zones = |zone: &str| BTreeSet::from([zone.to_owned()]);
    let bucket = PlacingBucket {
        name: "images".to_owned(),
        master: "hpc".to_owned(),
        zones: zones("germany"),
        replicas: 2,
        ..PlacingBucket::default()
    };
    let settled = settled(&bucket, &stores);
    assert_eq!(settled.holding, BTreeSet::from(["cc1".to_owned(), "cc2".to_owned()]));
    let moved = place(&PlacingBucket { zones: zones("high-performance"), ..settled.clone() }, &stores);
    assert_eq!((moved.keep, moved.drop), (BTreeSet::from(["cc1".to_owned()]), BTreeSet::from(["cc2".to_owned()])));
    assert_eq!((moved.short, moved.why["cc2"].as_str()), (1, "not in high-performance"));
    // A copy at a store that is away stays; a new one needs a store that answers and has room.
    stores.get_mut("cc1").expect("cc1").is_up = false;
    assert!(place(&settled, &stores).drop.is_empty());
    stores.get_mut("cc2").expect("cc2").free = Some(12 << 30);
    let fresh = place(&PlacingBucket { bytes: 40 << 30, ..bucket }, &stores);
    assert_eq!(
        (fresh.short, fresh.why["cc1"].as_str(), fresh.why["cc2"].as_str()),
        (2, "does not answer", "12.0 GiB free, 40.0 GiB needed")
    );
}
