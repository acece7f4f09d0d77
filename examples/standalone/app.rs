#!/usr/bin/env -S cargo +nightly -Zscript
---
[package]
edition = "2024"

[dependencies]
dyninka = { path = "../../crates/runtime" }
humantime = "2"
serde = { version = "1", features = ["derive"] }
---
//! A file that stands alone, with its dependencies at its head: how long has LaGuardia been dry?
//!
//! `cargo +nightly -Zscript app.rs` runs the chain once in one process; `dyn dev app.rs` runs each function as a
//! service of its own.

use std::sync::LazyLock;
use std::time::SystemTime;

use dyninka::prelude::*;

/// The rain of an hour, in inches.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rain {
    timestamp: String,
    inches: f64,
}

/// How long there was no rain.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Drought {
    timestamp: String,
    dry_for: String,
}

/// LaGuardia's rain, hour by hour.
#[placed(rain)]
static HOURS: LazyLock<Vec<Rain>> = LazyLock::new(|| {
    let lines = include_str!("../data/readings.csv").lines();
    let fields = lines.map(|line| line.split(',').collect::<Vec<_>>());
    let rain = fields.filter_map(|fields| match fields[..] {
        ["LGA", "Rainfall", _, timestamp, inches] => {
            Some(Rain { timestamp: timestamp.to_owned(), inches: inches.parse().ok()? })
        }
        _ => None,
    });
    rain.collect()
});

/// The hour that is told next.
#[placed(rain)]
static NEXT: Placed<usize> = Placed::new(usize::default);

/// When it rained last, or was first looked at.
#[placed(dry)]
static LAST_RAIN: Placed<Option<SystemTime>> = Placed::new(|| None);

/// The rain of the next hour; after the last comes the first again.
#[service]
fn rain() -> Rain {
    let next = NEXT.update(|next| std::mem::replace(next, (*next + 1) % HOURS.len()));
    HOURS[next].clone()
}

/// How long it has been dry; nothing while it rains.
#[service]
fn dry(rain: Rain) -> Result<Option<Drought>> {
    let now = humantime::parse_rfc3339(&rain.timestamp)?;
    let since = LAST_RAIN.update(|last| {
        // The hours begin anew after the last: time then goes back.
        if rain.inches > 0.0 || last.is_none_or(|last| last > now) {
            *last = Some(now);
        }
        last.unwrap_or(now)
    });
    if rain.inches > 0.0 {
        return Ok(None);
    }
    let dry_for = humantime::format_duration(now.duration_since(since)?).to_string();
    Ok(Some(Drought { timestamp: rain.timestamp, dry_for }))
}

#[dyninka::main]
fn main() {
    rain().dry()
}
