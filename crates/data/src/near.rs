//! What hosts are told: who holds which bucket, out of settings or out of what a data server says, and where each is read
//! and written.

use std::collections::BTreeMap;

use protocol::near::{NearBucket, NearCopy, NearPlace, NearTable};
use protocol::{BucketCopy, BucketHome};

use crate::DataSettings;
use crate::rule;
use crate::settings::{BucketSettings, PlaceSettings};
use crate::view::{BucketLook, DataView, PlaceLook};

/// By store that may hold a bucket: its name there.
pub fn names(settings: &DataSettings, name: &str, bucket: &BucketSettings) -> BTreeMap<String, String> {
    let inside = settings.stores.keys().filter(|store| settings.is_inside(store, &bucket.zones));
    inside.map(|store| (store.clone(), bucket.name_at(store, name).to_owned())).collect()
}

/// Where a bucket is read and written: a copy is read where settings fix one in the app's own place.
pub fn home(settings: &DataSettings, name: &str, bucket: &BucketSettings, place: Option<&str>) -> BucketHome {
    let copy = |store: &str| BucketCopy { store: store.to_owned(), name: bucket.name_at(store, name).to_owned() };
    let is_near =
        |store: &&String| place.is_some_and(|place| settings.stores.get(*store).is_some_and(|of| of.place == place));
    let near = std::iter::once(&bucket.master).chain(&bucket.at).find(is_near);
    BucketHome { reads: copy(near.unwrap_or(&bucket.master)), writes: copy(&bucket.master), near: BTreeMap::new() }
}

/// The places of settings, with their zones and labels.
pub fn places(settings: &DataSettings) -> BTreeMap<String, NearPlace> {
    let place = |(name, of): (&String, &PlaceSettings)| {
        (name.clone(), NearPlace { zones: of.zones.clone(), labels: of.labels.clone() })
    };
    settings.places.iter().map(place).collect()
}

/// What settings fix: the master of each bucket, and copies that they name. How new those are nobody knows.
pub fn fixed(settings: &DataSettings) -> NearTable {
    let place = |store: &str| settings.stores.get(store).map(|store| store.place.clone()).unwrap_or_default();
    let buckets = settings.buckets.iter().map(|(name, bucket)| {
        let mut at = BTreeMap::new();
        for store in std::iter::once(&bucket.master).chain(&bucket.at) {
            // The master comes first: it stands for its place.
            at.entry(place(store)).or_insert_with(|| NearCopy { store: store.clone(), ..NearCopy::default() });
        }
        (name.clone(), NearBucket { master: place(&bucket.master), at })
    });
    let (places, rules) = (places(settings), rule::of_hosts(&settings.routes));
    NearTable { epoch: String::new(), number: 0, buckets: buckets.collect(), places, rules }
}

/// What a data server says.
pub fn live(view: &DataView, epoch: &str, number: u64) -> NearTable {
    let buckets = view.buckets.iter().map(|(name, look)| (name.clone(), bucket(view, look)));
    let place = |(name, of): (&String, &PlaceLook)| {
        (name.clone(), NearPlace { zones: of.zones.clone(), labels: of.labels.clone() })
    };
    let (places, rules) = (view.places.iter().map(place).collect(), rule::of_hosts(&view.routes));
    NearTable { epoch: epoch.to_owned(), number, buckets: buckets.collect(), places, rules }
}

fn bucket(view: &DataView, look: &BucketLook) -> NearBucket {
    let place = |store: &str| view.stores.get(store).map(|store| store.place.clone()).unwrap_or_default();
    let is_away = |store: &str| view.stores.get(store).is_none_or(|store| store.state == "away");
    // A held master may be another disk: only copies are read.
    let master = NearCopy {
        store: look.master.clone(),
        through: look.head,
        is_away: is_away(&look.master) || look.state == "held",
    };
    let mut at = BTreeMap::from([(place(&look.master), master)]);
    for (store, replica) in &look.replicas {
        // One that is being filled has too little, and one that leaves is deleted.
        if !["whole", "following", "filled", "behind", "held", "away", "refusing"].contains(&replica.state.as_str()) {
            continue;
        }
        let is_away = is_away(store) || ["away", "refusing"].contains(&replica.state.as_str());
        let copy = NearCopy { store: store.clone(), through: replica.through, is_away };
        let place = place(store);
        let is_better = |known: &NearCopy| {
            known.store != look.master && (known.is_away, copy.through) > (copy.is_away, known.through)
        };
        match at.get(&place) {
            Some(known) if !is_better(known) => {}
            _ => drop(at.insert(place, copy)),
        }
    }
    NearBucket { master: place(&look.master), at }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::view::{ReplicaLook, StoreLook};

    fn words(bucket: &NearBucket) -> String {
        let copies = bucket.at.iter().map(|(place, copy)| {
            let away = if copy.is_away { " away" } else { "" };
            format!("{place}: {} {}{away}", copy.store, copy.through)
        });
        format!("{}; {}", bucket.master, copies.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn a_copy_is_read_where_settings_fix_one_in_the_own_place_and_else_the_master() {
        let text = "places = { a = {}, b = {}, c = {} }\nstores = { a = { place = \"a\", folder = \"/a\" }, \
                    b = { place = \"b\", folder = \"/b\" }, c = { place = \"c\", folder = \"/c\" } }\n\
                    buckets = { fixed = { master = \"a\", at = [\"b\"] }, free = { master = \"a\", replicas = 2 } }";
        let settings = DataSettings::read(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        for (bucket, place, reads) in [
            ("fixed", None, "a"),
            ("fixed", Some("a"), "a"),
            ("fixed", Some("b"), "b"),
            ("fixed", Some("c"), "a"),
            // Who holds these is known to the data server alone.
            ("free", Some("b"), "a"),
        ] {
            let home = home(&settings, bucket, &settings.buckets[bucket], place);
            assert_eq!((home.reads.store.as_str(), home.writes.store.as_str()), (reads, "a"), "{bucket} {place:?}");
        }
    }

    #[test]
    fn settings_say_where_masters_are_and_copies_that_they_name() {
        let text = "places = { a = {}, b = {} }\nstores = { a = { place = \"a\", folder = \"/a\" }, \
                    a2 = { place = \"a\", folder = \"/a2\" }, b = { place = \"b\", folder = \"/b\" } }\n\
                    buckets = { fixed = { master = \"a\", at = [\"a2\", \"b\"] }, free = { master = \"b\", replicas = 1 } }";
        let table = fixed(&DataSettings::read(text).unwrap());
        assert_eq!(words(&table.buckets["fixed"]), "a; a: a 0, b: b 0");
        assert_eq!(words(&table.buckets["free"]), "b; b: b 0");
        assert_eq!(table.places.keys().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn copies_that_can_be_read_are_in_the_table_with_how_new_they_are() {
        let store = |name: &str, place: &str, state: &str| {
            (name.to_owned(), StoreLook { place: place.to_owned(), state: state.to_owned(), ..StoreLook::default() })
        };
        let replica = |name: &str, state: &str, through| {
            (name.to_owned(), ReplicaLook { state: state.to_owned(), through, ..ReplicaLook::default() })
        };
        let mut images = BucketLook {
            master: "hpc".to_owned(),
            state: "following".to_owned(),
            head: 9,
            replicas: BTreeMap::from([
                replica("cc1", "whole", 9),
                replica("cc2", "behind", 4),
                replica("cc2-b", "behind", 6),
                replica("aws", "filling", 2),
                replica("gcp", "away", 3),
                replica("old", "leaving", 9),
                replica("hpc-b", "whole", 9),
            ]),
            ..BucketLook::default()
        };
        let stores = BTreeMap::from([
            store("hpc", "hpc", "up"),
            store("hpc-b", "hpc", "up"),
            store("cc1", "cc1", "up"),
            store("cc2", "cc2", "unknown"),
            store("cc2-b", "cc2", "up"),
            store("aws", "aws", "up"),
            store("gcp", "gcp", "away"),
            store("old", "old", "up"),
        ]);
        let view = |images: &BucketLook| DataView {
            stores: stores.clone(),
            buckets: BTreeMap::from([("images".to_owned(), images.clone())]),
            ..DataView::default()
        };
        let table = live(&view(&images), "e", 3);
        assert_eq!((table.epoch.as_str(), table.number), ("e", 3));
        let copies = "cc1: cc1 9, cc2: cc2-b 6, gcp: gcp 3 away, hpc: hpc 9";
        assert_eq!(words(&table.buckets["images"]), format!("hpc; {copies}"));
        images.state = "held".to_owned();
        let held = live(&view(&images), "e", 4);
        assert_eq!(words(&held.buckets["images"]), format!("hpc; {copies} away"));
    }
}
