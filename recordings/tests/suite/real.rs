//! Recordings of the examples, made by real sessions: `dyn dev examples/building.rs --record building`.

use std::collections::BTreeMap;
use std::path::Path;

use recordings::send::Outgoing;
use recordings::{Outcome, Reader};

fn building() -> Reader {
    Reader::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("building")).unwrap()
}

#[test]
fn it_opens_and_lists() {
    let reader = building();
    let summary = reader.summary().unwrap();
    assert_eq!((summary.app.as_str(), summary.lost, summary.unread), ("building", 0, 0));
    assert_eq!((summary.requests, summary.hops), (38, 86));
    let mut services = BTreeMap::new();
    for number in 0..reader.len() {
        for hop in reader.request(number).unwrap().hops {
            *services.entry(hop.service).or_insert(0) += 1;
        }
    }
    let expected = [("get", 38), ("filter", 38), ("map", 5), ("moving_avg", 5)];
    assert_eq!(services, expected.map(|(service, calls)| (service.to_owned(), calls)).into());
}

#[test]
fn its_values_lead_from_hop_to_hop() {
    let reader = building();
    for (number, request) in reader.newest(reader.len()).map(Result::unwrap) {
        for (from, to) in [("get", "filter"), ("filter", "map"), ("map", "moving_avg")] {
            let hop = |service: &str| request.hops.iter().find(|hop| hop.service == service);
            let Some(to) = hop(to) else { continue };
            assert_eq!(hop(from).unwrap().end, Outcome::Value(to.inputs[0].clone()), "request {number}");
        }
        // A plain GET each, the filtered ones too.
        assert_eq!(Outgoing::new(&request, &["value".to_owned()]).unwrap().body, None);
    }
}

#[test]
fn its_state_is_known_from_the_beginning() {
    let keyframes = building().keyframes().unwrap();
    let first = |service: &str| keyframes.iter().find(|keyframe| keyframe.service == service).unwrap();
    assert_eq!((first("get").sequence, first("get").states[0].value.get()), (0, "0"));
    assert_eq!(first("moving_avg").states[0].name, "AVERAGE");
}
