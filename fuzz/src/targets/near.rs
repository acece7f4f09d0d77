//! Requests near their data: the headers that name it, and the table of who holds what.

use protocol::near::{
    DataMatch, NearAsk, NearBucket, NearCopy, NearPlace, NearRefusal, NearRule, NearService, NearSettings, NearTable,
    POLICIES, PickAsk, PickCandidate, PlaceBounds, PlaceWords, VERSIONS_HOLD_MS,
};
use protocol::{DataVersions, RequestData};

/// Pieces that mean something in the headers.
pub(super) const WORDS: &[&str] =
    &[",", "/", "=", "*", "!", "%", "%2F", "%00", "-", ".", " ", "images", "zone=", "18446744073709551615"];

pub(super) fn headers() -> Vec<Vec<u8>> {
    [
        "images",
        "images/cats/1.jpg, models",
        "images/a%2Cb%20%C3%BC ,models",
        "images=42, models=*",
        "a1b=0,a1b=7",
        "germany, !us",
        "gpu, disk=ssd, !spot",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// A header is read and written as it was meant, or refused at a character of it.
pub(super) fn header(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match protocol::read_data(text) {
        Ok(needs) => {
            let written = needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            // A key of other characters is longer as it is written here, and may be too long then.
            if let Ok(again) = protocol::read_data(&written) {
                assert_eq!(again, needs);
            } else {
                assert!(written.len() > text.len());
            }
        }
        Err(error) => assert!((1..=text.len() + 1).contains(&error.at)),
    }
    match DataVersions::read(text) {
        Ok(versions) => {
            let again = DataVersions::read(&versions.to_string());
            assert!(versions.0.is_empty() || again.as_ref() == Ok(&versions));
            let mut joined = versions.clone();
            joined.join(&versions);
            assert_eq!(joined, versions);
        }
        Err(error) => assert!((1..=text.len() + 1).contains(&error.at)),
    }
    match PlaceWords::read("on", text) {
        Ok(words) => assert_eq!(PlaceWords::read("on", &words.to_string()), Ok(words)),
        Err(error) => assert!((1..=text.len() + 1).contains(&error.at)),
    }
    if let Err(error) = PlaceBounds::read(Some(text), None) {
        assert!((1..=text.len() + 1).contains(&error.at));
    }
}

pub(super) fn tables() -> Vec<Vec<u8>> {
    let copy = |through| NearCopy { store: "s".to_owned(), through, is_away: through == 3 };
    let images = NearBucket {
        master: "hpc".to_owned(),
        at: [("hpc", 9), ("cc1", 7), ("cc2", 3)].map(|(place, through)| (place.to_owned(), copy(through))).into(),
    };
    let of = NearPlace { zones: ["germany".to_owned()].into(), labels: ["gpu".to_owned()].into() };
    let data = DataMatch { bucket: Some("images".to_owned()), prefix: Some("a/".to_owned()) };
    let table = NearTable {
        epoch: "e".to_owned(),
        number: 4,
        buckets: [("images".to_owned(), images)].into(),
        places: [("hpc".to_owned(), of)].into(),
        rules: vec![NearRule { data, places: vec!["hpc".to_owned()], ..NearRule::default() }],
    };
    vec![serde_json::to_vec(&table).expect("a table")]
}

/// A table that reads is written as it was; each place will do or says why, and one that will do is picked.
pub(super) fn table(bytes: &[u8]) {
    let Ok(table) = serde_json::from_slice::<NearTable>(bytes) else { return };
    let written = serde_json::to_vec(&table).expect("a table");
    assert_eq!(serde_json::from_slice::<NearTable>(&written).ok().as_ref(), Some(&table));
    assert!(!table.replaces(&table) && table.clone().or(&table) == table);
    let names: Vec<String> = table.buckets.keys().take(4).cloned().collect();
    let mut places: Vec<String> = table.buckets.values().flat_map(|bucket| bucket.at.keys().cloned()).take(8).collect();
    places.push("nowhere".to_owned());
    places.sort();
    places.dedup();
    bounds(&table, &places);
    for versions in ["", "=0", "=7", "=*"] {
        let value = names.iter().map(|name| format!("{name}{versions}")).collect::<Vec<_>>().join(",");
        // Names of a table are whatever somebody called them.
        let Ok(data) = RequestData::read(None, (!versions.is_empty()).then_some(&*value)) else { continue };
        let needs: Vec<_> = names.iter().map(|name| data.need(name)).collect();
        assert_eq!(table.unknown(&needs), None);
        for age in [0, VERSIONS_HOLD_MS, VERSIONS_HOLD_MS + 1] {
            let choice = table.choice(&places, &needs, age);
            assert_eq!(choice.may.len() + choice.lacks.len(), places.len());
            let candidates: Vec<PickCandidate<'_>> = choice
                .may
                .iter()
                .map(|at| PickCandidate { id: &places[*at], place: &places[*at], open: 1, latency: 1 })
                .collect();
            let ask = PickAsk { place: "hpc", turn: age, random: (age, 7), data: &value };
            for policy in POLICIES {
                let picked = policy.pick(&candidates, &ask);
                assert_eq!(picked.is_some_and(|picked| picked < candidates.len()), !candidates.is_empty());
            }
        }
    }
}

/// Of all instances those are chosen that are in the bounds of a request and in the places of the rule that matches it.
fn bounds(table: &NearTable, places: &[String]) {
    let service = NearService { places: places.to_vec(), bucket: None };
    let data = RequestData::default();
    for (zones, needs) in [(None, None), (Some("germany"), None), (Some("!us"), Some("gpu"))] {
        let bounds = PlaceBounds::read(zones, needs).expect("they read");
        let ask = NearAsk { name: "resize", service: &service, data: &data, bounds: &bounds, age_ms: 0 };
        let rule = table.rule("resize", &data, None).map_or(&[][..], |rule| &rule.places);
        match NearSettings::default().select(table, &ask) {
            Ok(found) => {
                for at in found.may.iter().chain(&found.rest) {
                    assert_eq!(table.out_of_bounds(&places[*at], &bounds), None);
                    assert!(rule.is_empty() || rule.contains(&places[*at]));
                }
            }
            Err(refusal) => assert!(matches!(refusal, NearRefusal::NoPlace(lacks) if lacks.len() == places.len())),
        }
    }
}
