//! What admission costs, measured where it is.

use std::hint::black_box;
use std::time::Duration;

use prometheus_client::registry::Registry;
use protocol::{AdmissionMode, HostSharing, OverLimit, SharingError};
use tokio::time::Instant;

use super::admission::{Admission, Place};

/// Decisions of a round.
const DECISIONS: u32 = 200_000;

/// Nanoseconds of one decision, of each round: a request of a user that has a token, from the question to its end.
///
/// # Errors
/// None but a mistake in what the host is told here.
pub fn admission_nanos(rounds: u32) -> Result<Vec<f64>, SharingError> {
    let admission = Admission::new(&mut Registry::default());
    admission.tell(HostSharing {
        epoch: "1".to_owned(),
        ttl_ms: 60_000,
        away: Some("127.0.0.1:1".to_owned()),
        limit: Some(1e9),
        burst: Some(1e9),
        at_once: Some(64),
        mode: AdmissionMode::Spill,
        over: OverLimit::Refuse,
        patience_ms: 50,
    })?;
    let round = |_| {
        // A request has looked at the clock already.
        let now = Instant::now();
        let mut here = 0;
        for _ in 0..DECISIONS {
            here += u32::from(matches!(
                black_box(admission.admit(black_box(now), || black_box(false))),
                Some(Place::Here(_))
            ));
        }
        // Where nothing was decided, nothing was measured.
        let took = if here == DECISIONS { now.elapsed() } else { Duration::MAX };
        took.as_secs_f64() * 1e9 / f64::from(DECISIONS)
    };
    Ok((0..rounds).map(round).collect())
}

#[test]
fn what_is_measured_is_a_request_that_is_served_here() {
    let nanos = admission_nanos(2).expect("it can be followed");
    assert!(nanos.len() == 2 && nanos.iter().all(|nanos| *nanos > 0.0 && *nanos < 1e9), "{nanos:?}");
}
