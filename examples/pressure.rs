//! Is the weather turning? Air pressure at each airport's own height, and whether it rises or falls there.
//!
//! ```text
//! get -> at_station -> tendency
//!            | asks, in its body
//!         station
//! ```
//!
//! The readings are reduced to sea level; `station` knows how high each airport lies.

use std::collections::HashMap;
use std::sync::LazyLock;

use dyninka::prelude::*;

mod stations;

use stations::Station;

/// The pressure a station reported, reduced to sea level, in hectopascal.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Report {
    station: String,
    timestamp: String,
    at_sea_level: f64,
}

/// The pressure at a station's own height, in hectopascal.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pressure {
    station: String,
    timestamp: String,
    value: f64,
}

/// Where the pressure goes since the station's last report, and how far, in hectopascal.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tendency {
    pressure: Pressure,
    direction: Direction,
    change: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Rising,
    Steady,
    Falling,
}

/// All lines that tell a pressure, found once.
#[placed(get)]
static LINES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("data/readings.csv").lines();
    lines.filter(|line| line.split(',').nth(1) == Some("Pressure")).collect()
});

/// The number of the line that is read next.
#[placed(get)]
static NEXT: Placed<usize> = Placed::new(usize::default);

/// The next report; after the last comes the first again.
#[service]
async fn get() -> Result<Report> {
    let line = NEXT.update(|next| {
        let line = LINES[*next % LINES.len()];
        *next = (*next + 1) % LINES.len();
        line
    });
    let [station, _, _, timestamp, value] = line.split(',').collect::<Vec<_>>()[..] else {
        return Err(Error::new(format!("not a reading: {line}")));
    };
    Ok(Report { station: station.to_owned(), timestamp: timestamp.to_owned(), at_sea_level: value.parse()? })
}

/// The station a code stands for; none where nobody has heard of it.
#[service]
fn station(code: String) -> Option<Station> {
    stations::find(&code)
}

/// The pressure at the station's own height.
#[service]
async fn at_station(report: Report) -> Result<Pressure> {
    let Some(station) = station(report.station.clone()).await? else {
        return Err(Error::new(format!("no station is called {}", report.station)));
    };
    let value = stations::pressure_at(station.elevation, report.at_sea_level);
    Ok(Pressure { station: station.name, timestamp: report.timestamp, value })
}

/// The last pressure of each station.
#[placed(tendency)]
static LAST: Placed<HashMap<String, f64>> = Placed::new(HashMap::new);

/// Where the pressure goes.
#[service]
fn tendency(pressure: Pressure) -> Tendency {
    let last = LAST.update(|last| last.insert(pressure.station.clone(), pressure.value));
    let change = last.map_or(0.0, |last| pressure.value - last);
    Tendency { direction: Direction::of(change), change, pressure }
}

impl Direction {
    fn of(change: f64) -> Self {
        match change {
            // Less than what a barometer tells apart.
            -0.1..=0.1 => Self::Steady,
            _ if change > 0.0 => Self::Rising,
            _ => Self::Falling,
        }
    }
}

#[dyninka::main]
fn main() {
    get().at_station().tendency()
}
