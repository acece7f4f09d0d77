//! What the latency of many services over a day takes of a session: its fold, as it is, in virtual time.

use std::num::{NonZeroU64, NonZeroU128};
use std::time::{Duration, Instant};

use anyhow::Context;
use protocol::fold::{Fold, HistorySpan};
use protocol::{Batch, Method, Span, SpanId, Status, TraceId};

use crate::memory;
use crate::report::{Row, Target};

const SERVICES: u64 = 200;
/// Requests a second of each service while the time is taken.
const BUSY: u64 = 100;
/// Seconds for which the time is taken: steps of ten seconds and of a minute end in them.
const SECONDS: u64 = 120;
/// Looks a second of a session at what ended.
const LOOKS: u64 = 5;
/// Seconds between two requests where memory is looked at: each step has a point.
const SELDOM: u64 = 10;
/// All seconds of the five minutes that are kept one by one are there.
const BEGUN: u64 = 600;
const DAY: u64 = 86_400;
const BYTES_A_MIB: f64 = 1024.0 * 1024.0;

pub(super) fn measure() -> anyhow::Result<Vec<Row>> {
    // Memory first: what is let go of later would be taken again, and not seen.
    let (bytes, points) = held()?;
    let busy = closed();
    Ok(vec![
        Row::value("history of a day: memory of a service", "", "kB", points, bytes / 1e3, Some(Target::AtMost(70.0)))
            .note("grown from ten minutes to a day; n is its points of ten seconds and of a minute"),
        Row::value(
            &format!("history of {SERVICES} services, {BUSY} requests a second each"),
            "",
            "% of a core",
            usize::try_from(SECONDS).context("seconds")?,
            busy,
            Some(Target::AtMost(0.5)),
        ),
    ])
}

/// Bytes that a day adds to a service, and its points.
fn held() -> anyhow::Result<(f64, usize)> {
    let pid = std::process::id();
    let names = names();
    let (mut fold, mut before) = (Fold::default(), 0.0);
    for second in (SELDOM..=BEGUN + DAY).step_by(usize::try_from(SELDOM)?) {
        let now = Duration::from_secs(second);
        names.iter().for_each(|name| fold.add(now, name, batch(name, second, 1)));
        fold.tick(now);
        if second == BEGUN {
            before = memory::own(pid)?;
        }
    }
    let grown = (memory::own(pid)? - before) * BYTES_A_MIB / SERVICES as f64;
    let now = Duration::from_secs(BEGUN + DAY);
    let points = |span| fold.history(&names[0], span, now).map_or(0, |points| points.len());
    Ok((grown, points(HistorySpan::Hour) + points(HistorySpan::Day)))
}

/// Percent of a core that takes what has ended into the history.
fn closed() -> f64 {
    let names = names();
    let (mut fold, mut taken) = (Fold::default(), Duration::ZERO);
    for second in 1..=SECONDS {
        let now = Duration::from_secs(second);
        names.iter().for_each(|name| fold.add(now, name, batch(name, second, BUSY)));
        for look in 0..LOOKS {
            let begun = Instant::now();
            fold.tick(now + Duration::from_millis(look * 1_000 / LOOKS));
            taken += begun.elapsed();
        }
    }
    taken.as_secs_f64() / SECONDS as f64 * 100.0
}

fn names() -> Vec<String> {
    (0..SERVICES).map(|at| format!("service_{at}")).collect()
}

/// Requests that ended just now, of other times each.
fn batch(service: &str, second: u64, requests: u64) -> Batch {
    let now = second * 1_000_000_000;
    let span = |at: u64| {
        // Without a pattern that a percentile would show.
        let total = 500_000 + (second * 7_919 + at * 104_729) % 4_000_000;
        Span {
            trace: TraceId(NonZeroU128::MIN.saturating_add(u128::from(now + at))),
            id: SpanId(NonZeroU64::MIN.saturating_add(at)),
            parent: None,
            sampled: true,
            entry: true,
            app: "many".into(),
            service: service.into(),
            version: None,
            address: "127.0.0.1:1".into(),
            method: Method::Get,
            start: now - total,
            total,
            function: total / 3,
            waiting: 0,
            status: 200,
            outcome: Status::Value,
            received: 0,
            sent: 8,
            calls: Vec::new(),
        }
    };
    Batch { now, requests, spans: (0..requests).map(span).collect(), ..Batch::default() }
}
