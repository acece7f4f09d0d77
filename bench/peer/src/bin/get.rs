//! The next reading; after the last comes the first again.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{Json, Router, routing::get};
use peer::{Failure, Reading};

static LINES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../../data/readings.csv").lines().skip(1).collect());

static NEXT: AtomicUsize = AtomicUsize::new(0);

async fn next() -> Result<Json<Reading>, Failure> {
    let line = LINES[NEXT.fetch_add(1, Ordering::Relaxed) % LINES.len()];
    parse(line).map(Json)
}

fn parse(line: &str) -> Result<Reading, Failure> {
    let [sensor, variable, units, timestamp, value] = line.split(',').collect::<Vec<_>>()[..] else {
        return Err(Failure(format!("not a reading: {line}")));
    };
    Ok(Reading {
        sensor: sensor.to_owned(),
        variable: variable.to_owned(),
        units: units.to_owned(),
        timestamp: timestamp.to_owned(),
        value: value.parse().map_err(|error| Failure(format!("{value}: {error}")))?,
    })
}

#[tokio::main]
async fn main() {
    peer::serve(Router::new().route("/", get(next))).await;
}
