//! What it takes to write a span and to read it again.
//!
//! `cargo bench -p protocol`

use std::hint::black_box;
use std::time::{Duration, Instant};

use protocol::{Method, Span, SpanId, Status, TraceId, UpstreamCall, otlp};

/// Spans of a batch, each with a call: what a host under load tells of at once.
const SPANS: u64 = 500;
/// Turns of each; odd, so that the median is one of them.
const TURNS: usize = 101;

fn main() {
    let spans: Vec<_> = (1..=SPANS).map(span).collect();
    let bytes = otlp::encode(&spans, "host");
    let ways: [(&str, &dyn Fn()); 2] = [
        ("write", &|| drop(black_box(otlp::encode(black_box(&spans), "host")))),
        ("read", &|| drop(black_box(otlp::decode(black_box(&bytes))))),
    ];
    let mut times = [const { Vec::new() }; 2];
    for turn in 0..TURNS {
        for at in (0..ways.len()).map(|at| (at + turn) % ways.len()) {
            let begun = Instant::now();
            ways[at].1();
            times[at].push(begun.elapsed());
        }
    }
    println!("{SPANS} spans with a call each, {} bytes; medians of {TURNS} turns, nanoseconds a span", bytes.len());
    for ((name, _), median) in ways.iter().zip(times.map(median)) {
        println!("{:8.0}  {name}", median.as_nanos() as f64 / SPANS as f64);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::expect_used, reason = "no number here is zero")]
fn span(id: u64) -> Span {
    let some = |id| SpanId::new(id).expect("an id");
    Span {
        trace: TraceId::new(id.into()).expect("an id"),
        id: some(id),
        parent: Some(some(id + SPANS)),
        sampled: true,
        entry: false,
        app: "building".into(),
        service: "map".into(),
        version: Some("map@65bb8940c242".into()),
        address: "127.0.0.1:18722".into(),
        method: Method::Get,
        start: 1_763_000_000_000_000_000 + id,
        total: 150_000,
        function: 1_200,
        waiting: 120_000,
        status: 200,
        outcome: Status::Value,
        received: 0,
        sent: 310,
        calls: vec![UpstreamCall {
            id: some(id + 2 * SPANS),
            service: "filter".into(),
            address: "127.0.0.1:30903".into(),
            within: false,
            method: Method::Get,
            begun: 9_000,
            took: 120_000,
            server: Some(90_000),
            status: Some(200),
            error: None,
            sent: 0,
            received: 300,
        }],
    }
}
