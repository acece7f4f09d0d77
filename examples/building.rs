//! A smart building's temperatures: real readings, one for each request, to the moving average of the warm ones'
//! degrees Celsius.
//!
//! ```text
//! get -> filter -> map -> moving_avg
//! ```
//!
//! `cargo run --example building` runs the chain once in one process; `dyn dev examples/building.rs` runs each
//! function as a service of its own.

use std::sync::LazyLock;

use dyninka::prelude::*;

/// What a sensor said, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    variable: String,
    units: String,
    timestamp: String,
    value: f64,
}

/// The average so far, in degrees Celsius, and how many readings it rests on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Average {
    average: f64,
    count: u64,
}

/// The readings' lines, without the head, found once.
#[placed(get)]
static LINES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("data/readings.csv").lines().skip(1).collect());

/// The number of the line that is read next.
#[placed(get)]
static NEXT: Placed<usize> = Placed::new(usize::default);

#[placed(moving_avg)]
static AVERAGE: Placed<Average> = Placed::new(Average::default);

/// The next reading; after the last comes the first again.
#[service]
async fn get() -> Result<Reading> {
    let line = NEXT.update(|next| {
        let line = LINES[*next % LINES.len()];
        *next = (*next + 1) % LINES.len();
        line
    });
    parse(line)
}

fn parse(line: &str) -> Result<Reading> {
    let [sensor, variable, units, timestamp, value] = line.split(',').collect::<Vec<_>>()[..] else {
        return Err(Error::new(format!("not a reading: {line}")));
    };
    Ok(Reading {
        sensor: sensor.to_owned(),
        variable: variable.to_owned(),
        units: units.to_owned(),
        timestamp: timestamp.to_owned(),
        value: value.parse()?,
    })
}

/// Temperatures only.
#[service]
fn filter(reading: Reading) -> Option<Reading> {
    (reading.variable == "Temperature").then_some(reading)
}

/// Degrees Fahrenheit to degrees Celsius.
#[service]
fn map(reading: Reading) -> f64 {
    (reading.value - 32.0) / 1.8
}

/// The average of all values so far.
#[service]
fn moving_avg(value: f64) -> Average {
    AVERAGE.update(|a| {
        a.average = (value + a.count as f64 * a.average) / (a.count + 1) as f64;
        a.count += 1;
        a.clone()
    })
}

#[dyninka::main]
fn main() {
    get().filter().map().moving_avg()
}
