use std::collections::BTreeMap;

use http::HeaderValue;
use protocol::BucketHome;
use protocol::near::{NearBucket, NearCopy, NearService, NearSettings, PickPolicy};

use super::*;

fn table(number: u64, images: &[(&str, u64)]) -> NearTable {
    let copy = |(place, through): &(&str, u64)| {
        ((*place).to_owned(), NearCopy { store: format!("{place}-store"), through: *through, is_away: false })
    };
    let images = NearBucket { master: "hpc".to_owned(), at: images.iter().map(copy).collect() };
    NearTable { epoch: "e".to_owned(), number, buckets: BTreeMap::from([("images".to_owned(), images)]) }
}

/// A host in `place`; `resize` has an instance in hpc, cc1 and cc2.
fn near(place: &str, policy: PickPolicy) -> HostNear {
    let places = ["hpc", "cc1", "cc2"].map(str::to_owned).to_vec();
    let resize = NearService { places, bucket: Some("images".to_owned()) };
    let services = BTreeMap::from([("resize".to_owned(), resize)]);
    HostNear {
        place: Some(place.to_owned()),
        settings: Arc::new(NearSettings { policy, services, table: table(0, &[("hpc", 0), ("cc1", 0)]) }),
    }
}

fn request(pairs: &[(&'static str, &str)]) -> Result<RequestNear, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    RequestNear::read(&headers)
}

fn order(known: &Near, near: &HostNear, request: &RequestNear) -> Result<Option<Vec<usize>>, String> {
    let instances = Instances { service: "resize", addresses: &["a:1", "b:1", "c:1"], balance: &Balance::default() };
    known.order(near, request, &instances, (0, 0))
}

#[test]
fn instances_in_the_own_place_come_first_then_those_that_will_do_then_the_rest() {
    let known = Near::default();
    let none = request(&[]).unwrap();
    for (place, first) in [("hpc", 0), ("cc1", 1)] {
        assert_eq!(order(&known, &near(place, PickPolicy::Near), &none).unwrap().unwrap()[0], first, "{place}");
    }
    let far = order(&known, &near("cc2", PickPolicy::Near), &none).unwrap().unwrap();
    assert_eq!((far.len(), far[2]), (3, 2), "cc2 has no copy: it comes last");
    // The table moves the copy from cc1 to cc2.
    assert_eq!(known.tell(table(1, &[("hpc", 5), ("cc2", 4)])), 1);
    assert_eq!(order(&known, &near("cc2", PickPolicy::Near), &none).unwrap().unwrap()[0], 2);
    assert_eq!(known.tell(table(1, &[("cc1", 5)])), 1, "one that comes twice changes nothing");
    assert_eq!(order(&known, &near("cc2", PickPolicy::Near), &none).unwrap().unwrap()[0], 2);
    // What was written is read where it is.
    let version = |text| request(&[("dyninka-data-version", text)]).unwrap();
    for (text, first) in [("images=4", 2), ("images=5", 0), ("images=*", 0)] {
        assert_eq!(order(&known, &near("cc2", PickPolicy::Near), &version(text)).unwrap().unwrap()[0], first, "{text}");
    }
    // A bucket in no place of an instance: all are asked all the same.
    known.tell(table(2, &[("aws", 5)]));
    assert_eq!(order(&known, &near("cc2", PickPolicy::Near), &none).unwrap().unwrap()[0], 2);
}

#[test]
fn unknown_buckets_are_told_and_other_services_have_no_order() {
    let known = Near::default();
    let told = near("hpc", PickPolicy::First);
    assert_eq!(order(&known, &told, &request(&[("dyninka-data", "imagse/1")]).unwrap()), Err("imagse".to_owned()));
    let instances = Instances { service: "map", addresses: &["a:1", "b:1"], balance: &Balance::default() };
    assert_eq!(known.order(&told, &request(&[]).unwrap(), &instances, (0, 0)), Ok(None));
}

#[test]
fn headers_that_do_not_read_are_told_and_travel_with_what_was_written() {
    let wrong = |pairs: &[(&'static str, &str)]| request(pairs).unwrap_err();
    assert!(wrong(&[("dyninka-data", "Images")]).starts_with("Dyninka-Data does not read at character 1"));
    assert!(wrong(&[("dyninka-data-version", "images=x")]).starts_with("Dyninka-Data-Version does not read"));
    assert_eq!(wrong(&[("dyninka-data", "a1b"), ("dyninka-data", "c1d")]), "the header dyninka-data is there twice");
    let asked = request(&[("dyninka-data", "images/1"), ("dyninka-data-version", "models=3")]).unwrap();
    asked.note("images=7, models=2");
    asked.note("not a version");
    assert_eq!(asked.said(), "images=7, models=2");
    asked.wrote("images");
    assert_eq!(asked.said(), "images=*, models=2");
    let onward = asked.within().onward();
    assert_eq!((onward.text.as_str(), onward.versions.to_string().as_str()), ("images/1", "images=*, models=3"));
    assert_eq!(asked.within().said(), "", "an upstream says what it wrote itself");
}

#[test]
fn functions_read_the_copy_of_their_place_where_it_is_new_enough_and_then_the_master() {
    let copy = |store: &str| BucketCopy { store: store.to_owned(), name: "images".to_owned() };
    let names = [("cc1-store", "acme-images"), ("hpc-store", "images"), ("aws-store", "images")];
    let home = BucketHome {
        reads: copy("hpc-store"),
        writes: copy("hpc-store"),
        near: names.map(|(store, name)| (store.to_owned(), name.to_owned())).into(),
    };
    let stores = BucketStores { buckets: BTreeMap::from([("images".to_owned(), home)]), ..BucketStores::default() };
    let known = Near::default();
    known.tell(table(1, &[("hpc", 5), ("cc1", 4), ("cc2", 4)]));
    let copies = |place: &str, request: &RequestNear| {
        let NearCopies { reads, writes } =
            known.copies(&near(place, PickPolicy::Near), request, &stores, "images").unwrap();
        assert_eq!(reads.last(), Some(&writes));
        reads.iter().map(|copy| format!("{}/{}", copy.store, copy.name)).collect::<Vec<_>>().join(" ")
    };
    let asked = request(&[("dyninka-data-version", "images=4")]).unwrap();
    assert_eq!(copies("cc1", &asked), "cc1-store/acme-images hpc-store/images");
    assert_eq!(copies("hpc", &asked), "hpc-store/images");
    assert_eq!(copies("cc2", &asked), "hpc-store/images", "its host is not told of that store");
    assert_eq!(copies("aws", &asked), "hpc-store/images");
    asked.wrote("images");
    assert_eq!(copies("cc1", &asked), "hpc-store/images", "it reads what it wrote");
    assert_eq!(copies("cc1", &request(&[("dyninka-data-version", "images=5")]).unwrap()), "hpc-store/images");
    assert_eq!(known.copies(&near("cc1", PickPolicy::Near), &asked, &stores, "models"), None);
    // Another store became the master: it is written to as well.
    let aws = NearBucket {
        master: "aws".to_owned(),
        at: BTreeMap::from([("aws".to_owned(), NearCopy { store: "aws-store".to_owned(), ..NearCopy::default() })]),
    };
    known.tell(NearTable { buckets: BTreeMap::from([("images".to_owned(), aws)]), ..table(2, &[]) });
    assert_eq!(copies("hpc", &asked), "aws-store/images");
}

#[test]
fn slow_answers_count_at_once_and_are_forgotten_slowly() {
    let known = Near::default();
    let latency = |millis| {
        known.took("a:1", Duration::from_millis(millis));
        known.latencies.lock()["a:1"] / 1_000_000
    };
    assert_eq!([latency(8), latency(80), latency(8), latency(8)], [8, 80, 71, 63]);
}
