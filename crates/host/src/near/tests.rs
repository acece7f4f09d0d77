use std::collections::BTreeMap;

use http::HeaderValue;
use protocol::BucketHome;
use protocol::near::{DataMatch, NearBucket, NearCopy, NearPlace, NearRule, NearService, NearSettings, PickPolicy};

use super::*;

fn table(number: u64, images: &[(&str, u64)]) -> NearTable {
    let copy = |(place, through): &(&str, u64)| {
        ((*place).to_owned(), NearCopy { store: format!("{place}-store"), through: *through, is_away: false })
    };
    let images = NearBucket { master: "hpc".to_owned(), at: images.iter().map(copy).collect() };
    let place = |(name, zone, label): (&str, &str, &str)| {
        let of = NearPlace { zones: [zone.to_owned()].into(), labels: [label.to_owned()].into() };
        (name.to_owned(), of)
    };
    let places = [("hpc", "germany", "gpu"), ("cc1", "germany", "spot"), ("cc2", "us", "gpu")].map(place).into();
    let buckets = BTreeMap::from([("images".to_owned(), images)]);
    NearTable { epoch: "e".to_owned(), number, buckets, places, rules: Vec::new() }
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
    RequestNear::read(&headers, Some("cc1"))
}

fn order(known: &Near, near: &HostNear, request: &RequestNear) -> Result<Option<Vec<usize>>, NearRefusal> {
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
    assert_eq!(
        order(&known, &told, &request(&[("dyninka-data", "imagse/1")]).unwrap()),
        Err(NearRefusal::NoBucket("imagse".to_owned()))
    );
    let instances = Instances { service: "map", addresses: &["a:1", "b:1"], balance: &Balance::default() };
    assert_eq!(known.order(&told, &request(&[]).unwrap(), &instances, (0, 0)), Ok(None));
}

#[test]
fn bounds_leave_instances_out_and_hosts_refuse_what_is_out_of_them() {
    let (known, told) = (Near::default(), near("cc2", PickPolicy::Near));
    let orders = |pairs: &[(&'static str, &str)]| order(&known, &told, &request(pairs).unwrap());
    assert_eq!(orders(&[("dyninka-zone", "germany"), ("dyninka-needs", "gpu")]), Ok(Some(vec![0])));
    assert_eq!(orders(&[("dyninka-zone", "us")]), Ok(Some(vec![2])), "it has no copy, and reads the master");
    let Err(NearRefusal::NoPlace(lacks)) = orders(&[("dyninka-zone", "us"), ("dyninka-needs", "!gpu")]) else {
        panic!("an instance is asked")
    };
    assert_eq!((lacks["cc2"].as_str(), lacks["hpc"].as_str()), ("has gpu", "is not in us"));
    let refuses = |place: Option<&str>, service: &str, pairs: &[(&'static str, &str)]| {
        let host = HostNear { place: place.map(str::to_owned), settings: told.settings.clone() };
        known.refuses(&host, &request(pairs).unwrap(), service)
    };
    let (zone, label) = ([("dyninka-zone", "germany")], [("dyninka-needs", "gpu")]);
    assert_eq!(refuses(Some("cc1"), "resize", &zone), None);
    assert_eq!(refuses(Some("cc2"), "resize", &zone).unwrap(), "resize is in cc2, which is not in germany");
    assert_eq!(refuses(Some("cc1"), "resize", &label).unwrap(), "resize is in cc1, which does not have gpu");
    assert_eq!(refuses(Some("cc1"), "map", &label), None, "map has no choice of places");
    assert_eq!(refuses(None, "map", &zone).unwrap(), "map has no place, and the request has the zones germany");
    assert_eq!([refuses(None, "map", &label), refuses(None, "map", &[])], [None, None]);
}

#[test]
fn rules_of_a_table_say_where_and_how_instances_are_picked() {
    let (known, told) = (Near::default(), near("cc1", PickPolicy::Near));
    let rule = NearRule {
        service: Some("resize".to_owned()),
        data: DataMatch { bucket: Some("images".to_owned()), prefix: Some("large/".to_owned()) },
        policy: Some(PickPolicy::First),
        places: ["cc2", "hpc"].map(str::to_owned).to_vec(),
    };
    known.tell(NearTable { rules: vec![rule], ..table(1, &[("hpc", 5), ("cc1", 5)]) });
    let orders = |data| order(&known, &told, &request(&[("dyninka-data", data)]).unwrap());
    assert_eq!(orders("images/large/1"), Ok(Some(vec![2, 0])));
    assert_eq!(orders("images/small/1").unwrap().unwrap()[0], 1);
}

#[test]
fn headers_that_do_not_read_are_told_and_travel_with_what_was_written() {
    let wrong = |pairs: &[(&'static str, &str)]| request(pairs).unwrap_err();
    assert!(wrong(&[("dyninka-data", "Images")]).starts_with("Dyninka-Data does not read at character 1"));
    assert!(wrong(&[("dyninka-data-version", "images=x")]).starts_with("Dyninka-Data-Version does not read"));
    assert!(wrong(&[("dyninka-zone", "a=b")]).starts_with("Dyninka-Zone does not read at character 2"));
    assert!(wrong(&[("dyninka-needs", "gpu, !gpu")]).starts_with("Dyninka-Needs does not read at character 6"));
    assert_eq!(wrong(&[("dyninka-zone", "us"), ("dyninka-zone", "us")]), "the header dyninka-zone is there twice");
    assert_eq!(wrong(&[("dyninka-data", "a1b"), ("dyninka-data", "c1d")]), "the header dyninka-data is there twice");
    let asked = request(&[("dyninka-data", "images/1"), ("dyninka-data-version", "models=3")]).unwrap();
    asked.note("images=7, models=2");
    asked.note("not a version");
    assert_eq!(asked.said(), "images=7, models=2");
    asked.wrote("images");
    assert_eq!(asked.said(), "images=*, models=2");
    let onward = asked.within(None).onward();
    assert_eq!((onward.text.as_str(), onward.versions.to_string().as_str()), ("images/1", "images=*, models=3"));
    assert_eq!(asked.within(None).said(), "", "an upstream says what it wrote itself");
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
