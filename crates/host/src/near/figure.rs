//! What a pick costs, measured where it is.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue};
use protocol::header;
use protocol::near::{HostNear, NearBucket, NearCopy, NearService, NearSettings, NearTable, PickPolicy};

use super::{Instances, Near, RequestNear};
use crate::balance::Balance;

/// Picks of a round.
const PICKS: u32 = 20_000;
const PLACES: [&str; 3] = ["hpc", "cc1", "cc2"];

/// Nanoseconds of one pick, of each round: the order of three instances for a request that names its data and a version.
///
/// # Errors
/// None but a mistake in what is asked here.
pub fn near_pick_nanos(rounds: u32) -> Result<Vec<f64>, String> {
    let copy = |place: &str| (place.to_owned(), NearCopy { store: place.to_owned(), through: 9, is_away: false });
    let images = NearBucket { master: PLACES[0].to_owned(), at: PLACES.map(copy).into() };
    let table = NearTable {
        epoch: "1".to_owned(),
        number: 1,
        buckets: BTreeMap::from([("images".to_owned(), images)]),
        ..NearTable::default()
    };
    let fetch = NearService { places: PLACES.map(str::to_owned).into(), bucket: Some("images".to_owned()) };
    let services = BTreeMap::from([("fetch".to_owned(), fetch)]);
    let settings = NearSettings { policy: PickPolicy::Near, services, table: NearTable::default() };
    let host = HostNear { place: Some("cc1".to_owned()), settings: settings.into() };
    let mut headers = HeaderMap::new();
    headers.insert(header::DATA, HeaderValue::from_static("images/cats/1.jpg"));
    headers.insert(header::DATA_VERSION, HeaderValue::from_static("images=9"));
    let request = RequestNear::read(&headers, Some("cc1"))?;
    let (near, balance) = (Near::default(), Balance::default());
    let instances =
        Instances { service: "fetch", addresses: &["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"], balance: &balance };
    let round = |number| {
        // Versions hold for a while, and rounds may take longer on a busy machine.
        near.tell(NearTable { number: u64::from(number) + 1, ..table.clone() });
        let begun = Instant::now();
        for turn in 0..u64::from(PICKS) {
            let order = near.order(black_box(&host), black_box(&request), &instances, (turn, turn >> 1));
            let order = order.map_err(|refusal| format!("{refusal:?}"))?;
            // The instance in the caller's own place.
            if order.and_then(|order| order.first().copied()) != Some(1) {
                return Err("another instance was picked".to_owned());
            }
        }
        Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(PICKS))
    };
    (0..rounds).map(round).collect()
}

#[test]
fn picks_that_are_measured_go_to_the_own_place() {
    let nanos = near_pick_nanos(2).expect("it can be asked");
    assert!(nanos.len() == 2 && nanos.iter().all(|nanos| *nanos > 0.0), "{nanos:?}");
}
