use std::time::Duration;

use super::*;
use crate::span::tests::{call, span};
use crate::span::{Parts, Span, SpanId, Status, TraceId};

const NOW: u64 = 1_000_000_000_000_000;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A batch of a host whose clock says [`NOW`], of requests that have just ended.
fn batch(spans: Vec<Span>) -> Batch {
    let spans: Vec<_> = spans.into_iter().map(|span| Span { start: NOW - span.total, ..span }).collect();
    let errors = spans.iter().filter(|span| span.is_error()).count() as u64;
    Batch { now: NOW, in_flight: 0, requests: spans.len() as u64, errors, spans, ..Batch::default() }
}

fn took(total: u64) -> Span {
    Span { total, function: total / 2, entry: true, ..span("map", 1) }
}

#[test]
fn figures_are_what_one_reckons_by_hand() {
    let mut fold = Fold::default();
    // 1 to 100 µs, in two seconds; then one that failed.
    fold.add(secs(10.5), "map", batch((1..=50).map(|n| took(n * 1_000)).collect()));
    fold.add(secs(11.5), "map", batch((51..=100).map(|n| took(n * 1_000)).collect()));
    let failed = Span { outcome: Status::Problem("failed".into()), ..took(50_000) };
    fold.add(secs(12.0), "map", Batch { in_flight: 3, ..batch(vec![failed]) });

    let figures = fold.figures("map", secs(10.0), secs(12.5)).unwrap();
    assert_eq!((figures.requests, figures.errors, figures.n, figures.in_flight), (101, 1, 101, 3));
    assert_eq!(figures.window, secs(2.0), "known since 10.5");
    assert_eq!(figures.per_second, 50.5);
    let total = figures.total;
    // Of 101 the 51st, 91st and 100th, to a thousandth.
    for (found, exact) in [(total.p50, 50_000), (total.p90, 90_000), (total.p99, 99_000)] {
        assert!(found >= exact && found <= exact + exact / 500, "{found} is not {exact}");
    }
    assert_eq!((total.max, figures.function.max, figures.overhead.max), (100_000, 50_000, 50_000));
    // (5,050,000 + 50,000) / 101 = 50,495; half of it in the function.
    assert_eq!(figures.mean, Parts { function: 25_247, upstream: 0, network: 0, overhead: 25_247 });
    assert_eq!(figures.sparkline, [0, 0, 0, 0, 0, 0, 0, 50, 50, 1]);
    // 1,000 is below 1,024; 65,536 to 100,000 are 35 of them.
    let bar = |below, count| Bar { below, count };
    assert_eq!(figures.bars.first(), Some(&bar(1 << 10, 1)));
    assert_eq!(figures.bars.last(), Some(&bar(1 << 17, 35)));
    assert_eq!(figures.bars.iter().map(|bar| bar.count).sum::<u64>(), 101);

    let figures = fold.figures("map", secs(2.0), secs(12.5)).unwrap();
    assert_eq!((figures.requests, figures.window), (51, secs(1.5)), "the second 10 is out of the window");
    assert_eq!(fold.figures("get", secs(2.0), secs(12.5)), None);
    let later = fold.figures("map", secs(2.0), secs(99.0)).unwrap();
    assert_eq!((later.requests, later.total), (0, Percentiles::default()));
}

#[test]
fn what_is_only_counted_is_in_the_rates_and_said() {
    let mut fold = Fold::default();
    let told = batch(vec![took(1_000)]);
    fold.add(secs(1.0), "map", Batch { requests: 10, errors: 2, ..told });
    let figures = fold.figures("map", secs(10.0), secs(2.0)).unwrap();
    assert_eq!((figures.requests, figures.errors, figures.n), (10, 2, 1));
    assert_eq!(fold.counts().dropped, 9);
}

#[test]
fn what_a_host_kept_stands_where_it_happened_whatever_its_clock_says() {
    let mut fold = Fold::default();
    let ago = |seconds: u64| Span { start: NOW - seconds * 1_000_000_000 - 1_000, total: 1_000, ..span("map", 1) };
    let kept = vec![ago(5), ago(3), ago(0), ago(1_000), ago(200)];
    fold.add(secs(100.5), "map", Batch { now: NOW, requests: 5, spans: kept, ..Batch::default() });
    let figures = fold.figures("map", secs(10.0), secs(100.9)).unwrap();
    assert_eq!(figures.sparkline, [0, 0, 0, 0, 1, 0, 1, 0, 0, 1]);
    // Before anybody asked, too, as far as anybody can look back: 200 s.
    let figures = fold.figures("map", LONGEST_WINDOW, secs(100.9)).unwrap();
    assert_eq!((figures.requests, figures.sparkline[99], figures.window), (4, 1, secs(200.4)));
}

#[test]
fn silence_and_leaps_are_bounded() {
    let mut fold = Fold::default();
    for at in [1.0, 2.0, 290.0, 400.0, 100_000.0, 100_010.0, 99_000.0] {
        fold.add(secs(at), "map", batch(vec![took(1_000)]));
    }
    let figures = fold.figures("map", secs(9_999.0), secs(100_010.0)).unwrap();
    assert_eq!((figures.requests, figures.sparkline.len()), (2, 300));
}

fn chain() -> [Span; 3] {
    let entry = Span {
        entry: true,
        total: 10_000,
        waiting: 8_000,
        calls: vec![call("map", 11, 1_000, 8_000, Some(6_000))],
        ..span("last", 1)
    };
    // Its host's clock is an hour ahead.
    let map = Span {
        parent: SpanId::new(11),
        start: NOW + 3_600_000_000_000,
        total: 6_000,
        waiting: 5_500,
        calls: vec![call("get", 21, 200, 5_500, Some(5_000))],
        ..span("map", 2)
    };
    let get = Span { parent: SpanId::new(21), total: 5_000, ..span("get", 3) };
    [entry, map, get]
}

fn waterfall(order: [usize; 3]) -> Waterfall {
    let mut fold = Fold::default();
    for (count, at) in order.into_iter().enumerate() {
        assert_eq!(fold.waterfalls(secs(10.0), secs(1.0)).latest, None, "{order:?} after {count}");
        let span = chain()[at].clone();
        fold.add(secs(1.0), &span.service.clone(), batch(vec![span]));
    }
    let kept = fold.waterfalls(secs(10.0), secs(1.0));
    assert_eq!((kept.slowest, fold.counts()), (kept.latest.clone(), LossCounts::default()));
    (*kept.latest.unwrap()).clone()
}

#[test]
fn a_request_is_put_together_in_whatever_order_its_parts_come() {
    let first = waterfall([0, 1, 2]);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(waterfall(order), first);
    }
    assert!(first.complete);
    let rows: Vec<_> =
        first.rows.iter().map(|row| (&*row.service, row.depth, row.offset, row.total, row.network)).collect();
    // map stands in the middle of the 8,000 its caller waited from 1,000 on: at 1,000 + (8,000 - 6,000) / 2.
    let expected =
        [("last", 0, 0, 10_000, None), ("map", 1, 2_000, 6_000, Some(2_000)), ("get", 2, 2_450, 5_000, Some(500))];
    assert_eq!(rows, expected);
    assert_eq!(first.rows[0].parts, Some(Parts { function: 300, upstream: 6_000, network: 2_000, overhead: 1_700 }));
}

#[test]
fn parts_that_do_not_come_are_marked_and_late_ones_counted() {
    let mut fold = Fold::default();
    let [mut entry, map, get] = chain();
    entry.calls.push(call("gone", 12, 9_000, 500, None));
    fold.add(secs(1.0), "last", batch(vec![entry]));
    fold.add(secs(1.5), "get", batch(vec![get]));
    fold.tick(secs(2.9));
    assert_eq!(fold.waterfalls(secs(10.0), secs(2.9)).latest, None, "still waited for");
    fold.tick(secs(3.0));
    let kept = fold.waterfalls(secs(10.0), secs(3.0)).latest.unwrap();
    assert!(!kept.complete);
    let rows: Vec<_> = kept.rows.iter().map(|row| (&*row.service, row.seen, row.offset, row.total)).collect();
    let expected =
        [("last", Seen::Told, 0, 10_000), ("map", Seen::Missing, 2_000, 6_000), ("gone", Seen::Unanswered, 9_000, 500)];
    assert_eq!(rows, expected);
    fold.add(secs(3.1), "map", batch(vec![map]));
    assert_eq!(fold.counts(), LossCounts { lost: 1, late: 1, ..LossCounts::default() });
}

#[test]
fn the_slowest_of_a_window_and_the_latest_are_kept() {
    let mut fold = Fold::default();
    let entry = |trace, total| Span { trace: TraceId::new(trace).unwrap(), ..took(total) };
    for (at, trace, total) in [(1.0, 1, 9_000), (25.0, 2, 5_000), (26.0, 3, 7_000), (27.0, 4, 1_000)] {
        fold.add(secs(at), "map", batch(vec![entry(trace, total)]));
    }
    let totals = |window| {
        let kept = fold.waterfalls(secs(window), secs(30.0));
        (kept.slowest.map(|waterfall| waterfall.total), kept.latest.unwrap().total)
    };
    assert_eq!((totals(60.0), totals(10.0), totals(0.0)), ((Some(9_000), 1_000), (Some(7_000), 1_000), (None, 1_000)));
}

#[test]
fn a_flood_of_requests_that_never_end_takes_no_more_room() {
    let mut fold = Fold::default();
    for trace in 1..=5_000 {
        let part = Span { trace: TraceId::new(trace).unwrap(), parent: SpanId::new(5), ..span("map", 1) };
        fold.add(secs(1.0), "map", batch(vec![part]));
    }
    assert_eq!((fold.traces.pending(), fold.counts().lost), ((1_024, 1_024, 1_024), 5_000 - 1_024));
    fold.tick(secs(9.0));
    assert_eq!((fold.traces.pending(), fold.counts().lost), ((0, 0, 1_024), 5_000));
}

#[test]
fn ids_that_meet_lead_nowhere_round() {
    let mut fold = Fold::default();
    let mut entry = Span { entry: true, calls: vec![call("map", 5, 0, 10, Some(5))], ..span("map", 1) };
    let circle = Span { parent: SpanId::new(5), calls: vec![call("map", 5, 0, 10, Some(5))], ..span("map", 2) };
    entry.calls[0].took = 1;
    fold.add(secs(1.0), "map", batch(vec![circle, entry]));
    fold.tick(secs(9.0));
    let kept = fold.waterfalls(secs(10.0), secs(9.0)).latest.unwrap();
    assert_eq!((kept.rows.len(), kept.complete), (3, false));
    assert_eq!(fold.counts().contradictions, 1);
    assert_eq!(kept.rows[1].network, Some(0));
}

#[test]
fn history_is_what_one_reckons_by_hand_and_bounded() {
    let mut fold = Fold::default();
    // A request every second for two hours, of 1 to 10 ms in turns, and every tenth fails.
    for second in 0..7_200_u64 {
        let mut one = took((second % 10 + 1) * 1_000_000);
        if second % 10 == 9 {
            one.outcome = Status::Problem("failed".into());
        }
        fold.add(secs(second as f64 + 0.5), "map", batch(vec![one]));
        fold.tick(secs(second as f64 + 0.6));
    }
    let now = secs(7_200.0);
    let history = |span| fold.history("map", span, now).unwrap();
    let (seconds, tens, minutes) =
        (history(HistorySpan::Minutes), history(HistorySpan::Hour), history(HistorySpan::Day));
    assert_eq!((seconds.len(), tens.len(), minutes.len()), (299, 359, 119), "the last step has not ended");
    assert_eq!((seconds[0].at, seconds[0].requests, seconds[0].p50), (6_901, 1, 2_000));
    let last = tens.last().unwrap();
    assert_eq!((last.at, last.requests, last.errors, last.max), (7_180, 10, 1, 10_000));
    assert!((5_000..=5_010).contains(&last.p50) && (9_000..=9_010).contains(&last.p90), "{last:?}");
    assert!((2_500..=2_505).contains(&last.function_p50), "half of it is in the function: {last:?}");
    assert_eq!((minutes[0].at, minutes[0].requests, minutes[0].errors), (0, 60, 6));
    assert_eq!(fold.history("get", HistorySpan::Day, now), None);

    // A quiet hour later nothing is left of the hour, and the day still has it.
    let later = secs(7_200.0 + 4_000.0);
    fold.tick(later);
    assert_eq!(fold.history("map", HistorySpan::Hour, later).unwrap(), []);
    assert_eq!(fold.history("map", HistorySpan::Day, later).unwrap().len(), 120);
}

#[test]
fn calls_are_told_by_the_service_that_is_called_for_a_minute() {
    let mut fold = Fold::default();
    for second in 0..20_u64 {
        let mut one = took(10_000);
        one.calls = vec![call("get", 2, 0, 4_000, Some(3_000)), call("quote", 3, 0, 8_000, None)];
        fold.add(secs(second as f64), "map", batch(vec![one]));
    }
    let figures: std::collections::BTreeMap<String, CallFigures> =
        fold.calls("map", secs(20.0)).map(|(service, figures)| (service.to_string(), figures)).collect();
    let (get, quote) = (figures["get"], figures["quote"]);
    assert_eq!((get.requests, get.errors, get.per_second), (20, 0, 1.0));
    assert_eq!((get.wait.max, get.network.max), (4_000, 1_000));
    assert_eq!((quote.requests, quote.errors, quote.network.max), (20, 20, 0), "no answer, no network");
    fold.tick(secs(100.0));
    assert_eq!(fold.calls("map", secs(100.0)).count(), 0);
    assert_eq!(fold.calls("get", secs(20.0)).count(), 0);
}
