use std::num::{NonZeroU64, NonZeroU128};

use protocol::{Method, SpanId, Status, TraceId};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn span(service: &str, number: u64, end: u64) -> Span {
    Span {
        trace: TraceId(NonZeroU128::new(number.into()).unwrap()),
        id: SpanId(NonZeroU64::new(number).unwrap()),
        parent: None,
        sampled: false,
        entry: true,
        app: "app".into(),
        service: service.into(),
        version: None,
        address: "x:1".into(),
        method: Method::Get,
        start: end - 1000,
        total: 1000,
        function: 500,
        waiting: 0,
        status: 200,
        outcome: if number.is_multiple_of(2) { Status::Value } else { Status::Problem("failed".into()) },
        received: 0,
        sent: 0,
        calls: Vec::new(),
    }
}

fn told(service: &str, now: u64, in_flight: u64, spans: Vec<Span>) -> Followed {
    let (requests, errors) = (spans.len() as u64, errors(&spans));
    let open = vec!["get".to_owned()];
    let batch = Batch { now, in_flight, requests, errors, retries: 2, open, spans };
    Followed { service: service.into(), batch, otlp: vec![1] }
}

fn numbers(followed: &Followed) -> Vec<u64> {
    followed.batch.spans.iter().map(|span| span.id.0.get()).collect()
}

#[test]
fn what_hosts_of_a_service_say_of_themselves_is_added_up() {
    let mut gather = Gather::default();
    let now = Duration::from_secs(5);
    let first = gather.take(now, "map-1", told("map", 100 * SECOND, 3, Vec::new()));
    assert_eq!((first.batch.in_flight, first.batch.retries, first.otlp.len()), (3, 2, 0));
    let both = gather.take(now, "map-2", told("map", 900 * SECOND, 4, vec![span("map", 2, 900 * SECOND)]));
    assert_eq!((both.batch.in_flight, both.batch.retries, both.batch.requests), (7, 4, 1));
    assert_eq!(both.batch.open, ["get"]);
    let other = gather.take(now, "get-1", told("get", 1, 1, Vec::new()));
    assert_eq!(other.batch.in_flight, 1, "another service");
    let left = gather.forget("map-1").unwrap();
    assert_eq!((left.batch.in_flight, left.batch.requests), (4, 0));
    assert!(gather.forget("map-1").is_none());
}

#[test]
fn what_hosts_kept_comes_in_the_order_it_happened_whatever_their_clocks_say() {
    let mut gather = Gather::default();
    let now = Duration::from_secs(5);
    // The clocks are 8,000 s apart. Ages in seconds: 40, 20 and 0; 30 and 10.
    let clock = 1_000 * SECOND;
    let ended = |clock: u64, ago: u64| clock - ago * SECOND;
    let spans = vec![span("map", 2, ended(clock, 40)), span("map", 3, ended(clock, 20)), span("map", 4, clock)];
    let at_once = gather.take(now, "map-1", told("map", clock, 0, spans));
    assert_eq!((numbers(&at_once), at_once.batch.requests, at_once.batch.errors), (vec![4], 1, 0));
    let clock = 9_000 * SECOND;
    let spans = vec![span("get", 5, ended(clock, 30)), span("get", 7, ended(clock, 10))];
    let at_once = gather.take(now + QUIET / 2, "get-1", told("get", clock, 0, spans));
    assert_eq!((at_once.batch.requests, at_once.batch.errors), (0, 0));
    assert_eq!(gather.wait(now + QUIET), Some(QUIET / 2), "the later ones may have company");
    assert_eq!(gather.wait(now + QUIET * 2), Some(Duration::ZERO));

    let later = now + Duration::from_secs(1);
    let released = gather.release(later);
    let ages = |followed: &Followed| -> Vec<u64> {
        let end = |span: &Span| span.start + span.total;
        followed.batch.spans.iter().map(|span| (followed.batch.now - end(span)) / SECOND).collect()
    };
    // A second has gone by since the first told, and four fifths since the second.
    assert_eq!(
        released.iter().map(|one| (&*one.service, ages(one))).collect::<Vec<_>>(),
        [("get", vec![30, 10]), ("map", vec![41, 21])]
    );
    assert_eq!(released[0].batch.errors, 2);
    assert_eq!(gather.wait(later), None);
    assert!(gather.release(later).is_empty());
}

#[test]
fn many_are_handed_on_in_parts_and_wait_no_longer_than_they_must() {
    let mut gather = Gather::default();
    let clock = 1_000 * SECOND;
    let mut now = Duration::from_secs(1);
    for round in 0..20 {
        // Requests of two services, one after the other.
        let spans = |service| (1..=50).map(|n| span(service, round * 50 + n, clock - 100 * SECOND + n)).collect();
        gather.take(now, "map-1", told("map", clock, 0, spans("map")));
        gather.take(now, "get-1", told("get", clock, 0, spans("get")));
        now += QUIET / 2;
    }
    assert_eq!(gather.wait(now), Some(Duration::ZERO), "{LONGEST:?} are over");
    let released = gather.release(now);
    assert_eq!(released.iter().map(|one| one.batch.spans.len()).sum::<usize>(), 2_000);
    for pair in released.windows(2) {
        let spans = pair.iter().map(|one| one.batch.spans.len()).sum::<usize>();
        assert!(spans <= 2 * CHUNK, "{spans}");
    }
    assert!(released.len() >= 2_000 / CHUNK);
}
