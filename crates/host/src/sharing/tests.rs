use std::time::Duration;

use prometheus_client::registry::Registry;
use protocol::{AdmissionMode, HostSharing, OverLimit};
use tokio::time::Instant;

use super::admission::{Admission, Place};
use super::away::needs;

fn admission(sharing: HostSharing) -> Admission {
    let admission = Admission::new(&mut Registry::default());
    admission.tell(sharing).expect("it can be followed");
    admission
}

fn told() -> HostSharing {
    HostSharing {
        epoch: "1".to_owned(),
        ttl_ms: 3000,
        away: None,
        limit: None,
        burst: None,
        at_once: None,
        mode: AdmissionMode::Spill,
        over: OverLimit::Refuse,
        patience_ms: 0,
    }
}

/// What became of requests that came at one time: here, away, refused because of room, refused as a part.
fn placed(admission: &Admission, now: Instant, count: usize, is_guest: bool) -> [usize; 4] {
    let mut counts = [0; 4];
    for _ in 0..count {
        counts[match admission.admit(now, || is_guest).expect("it was told") {
            Place::Here(_) => 0,
            Place::Away(_) => 1,
            Place::NoRoom => 2,
            Place::Rejected => 3,
        }] += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_before_an_agent_says_so_and_after_it_fell_silent() {
    let admission = Admission::new(&mut Registry::default());
    assert!(admission.admit(Instant::now(), || unreachable!("nothing is shared")).is_none());
    admission.tell(HostSharing { limit: Some(1.0), ..told() }).expect("it can be followed");
    assert_eq!(placed(&admission, Instant::now(), 3, false), [1, 2, 0, 0]);
    tokio::time::advance(Duration::from_millis(3000)).await;
    assert!(admission.admit(Instant::now(), || false).is_none());
}

#[tokio::test(start_paused = true)]
async fn users_take_every_token_and_guests_none_of_the_last_half() {
    let limited = || admission(HostSharing { limit: Some(100.0), burst: Some(10.0), ..told() });
    let users = limited();
    let now = Instant::now() + Duration::from_secs(1);
    assert_eq!(placed(&users, now, 20, false), [10, 10, 0, 0]);
    let guests = limited();
    assert_eq!(placed(&guests, now, 20, true), [5, 0, 15, 0]);
    assert_eq!(placed(&guests, now, 20, false), [5, 15, 0, 0]);
    // A tenth of a second later ten tokens have come.
    assert_eq!(placed(&guests, now + Duration::from_millis(100), 20, true), [5, 0, 15, 0]);
    // The least that can be saved up is one request, and a guest can have it.
    let slow = admission(HostSharing { limit: Some(2.0), ..told() });
    assert_eq!(placed(&slow, now, 3, true), [1, 0, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn tokens_that_were_taken_stay_taken_when_the_agent_speaks_again() {
    let sharing = HostSharing { limit: Some(100.0), burst: Some(10.0), ..told() };
    let admission = admission(sharing.clone());
    let now = Instant::now();
    assert_eq!(placed(&admission, now, 10, false), [10, 0, 0, 0]);
    admission.tell(sharing.clone()).expect("it can be followed");
    assert_eq!(placed(&admission, now, 1, false), [0, 1, 0, 0]);
    // At another rate they are as many, and come back sooner.
    admission.tell(HostSharing { limit: Some(1000.0), burst: Some(12.0), ..sharing }).expect("it can be followed");
    assert_eq!(placed(&admission, now, 5, false), [2, 3, 0, 0]);
    assert_eq!(placed(&admission, now + Duration::from_millis(3), 5, false), [3, 2, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_split_is_kept_in_any_hundred_requests() {
    let split = |local, reject| admission(HostSharing { mode: AdmissionMode::Split { local, reject }, ..told() });
    for local in [0.0, 10.0, 33.0, 60.0, 97.0, 100.0] {
        let admission = split(local, 0.0);
        for turn in 0..50 {
            let [here, away, ..] = placed(&admission, Instant::now(), 100, false);
            assert_eq!(here + away, 100);
            assert!((here as f64 - local).abs() <= 2.0, "{here} of 100 at {local} %, turn {turn}");
        }
    }
    let [here, away, _, refused] = placed(&split(60.0, 10.0), Instant::now(), 10_000, false);
    assert!(
        here.abs_diff(6000) <= 5 && away.abs_diff(3000) <= 5 && refused.abs_diff(1000) <= 5,
        "{here} {away} {refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_are_served_at_once_than_the_agent_says() {
    let admission = admission(HostSharing { at_once: Some(2), ..told() });
    let now = Instant::now();
    let held: Vec<_> = (0..2).map(|_| admission.admit(now, || false)).collect();
    assert!(held.iter().all(|place| matches!(place, Some(Place::Here(_)))));
    assert_eq!(placed(&admission, now, 1, false), [0, 1, 0, 0]);
    drop(held);
    assert_eq!(placed(&admission, now, 1, false), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_its_turn_as_long_as_it_may() {
    let sharing = HostSharing { limit: Some(10.0), burst: Some(1.0), patience_ms: 150, ..told() };
    let admission = admission(sharing.clone());
    let now = Instant::now();
    assert_eq!(placed(&admission, now, 1, false), [1, 0, 0, 0]);
    let Some(Place::Away(told)) = admission.admit(now, || false) else { panic!("there is a token") };
    let deadline = now + Duration::from_secs(30);
    assert!(admission.wait(&told, deadline).await.is_some());
    assert_eq!(now.elapsed(), Duration::from_millis(100));
    // The deadline comes before the next token.
    assert!(admission.wait(&told, Instant::now() + Duration::from_millis(50)).await.is_none());
    admission.tell(HostSharing { over: OverLimit::Serve, patience_ms: 0, ..sharing }).expect("it can be followed");
    let Some(Place::Away(told)) = admission.admit(Instant::now(), || false) else { panic!("there is a token") };
    assert!(admission.wait(&told, deadline).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn load_is_told_when_the_limit_is_reached_and_when_it_is_no_longer() {
    let admission = admission(HostSharing { limit: Some(1.0), ..told() });
    let now = Instant::now();
    let asked = Instant::now();
    assert_eq!(placed(&admission, now, 1, false), [1, 0, 0, 0]);
    let quiet = admission.load(Some(0), Duration::from_millis(500)).await;
    assert_eq!((quiet.seq, quiet.users, quiet.in_flight, asked.elapsed()), (0, 1, 0, Duration::from_millis(500)));
    let (load, _) = tokio::join!(admission.load(Some(0), Duration::from_secs(20)), async {
        tokio::task::yield_now().await;
        placed(&admission, now, 1, false)
    });
    assert_eq!((load.seq, load.users), (1, 2));
    assert_eq!(asked.elapsed(), Duration::from_millis(500));
    assert_eq!(placed(&admission, now + Duration::from_secs(2), 1, true), [1, 0, 0, 0]);
    let load = admission.load(Some(1), Duration::from_secs(20)).await;
    assert_eq!((load.seq, load.guests), (2, 1));
}

#[test]
fn needs_are_the_services_of_the_route_below_once_each() {
    assert_eq!(needs(None), "");
    assert_eq!(needs(Some("map(filter(get)),get")), "filter,get,map");
    assert_eq!(needs(Some("(")), "");
}
