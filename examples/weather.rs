//! Are the hygrometers right? The dew point that follows from temperature and humidity, beside the one measured.
//!
//! ```text
//! temperature("JFK") -+
//!                     +-> dew_point -+
//! humidity("JFK") ----+              +-> compare (within 0.5 °C)
//! measured("JFK") -------------------+
//! ```
//!
//! The three on the left are asked at the same time.

use std::collections::HashMap;
use std::sync::LazyLock;

use dyninka::prelude::*;

/// A value and its hour.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sample {
    timestamp: String,
    value: f64,
}

/// A dew point that was computed, beside the one measured in the same hour.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Comparison {
    timestamp: String,
    computed: f64,
    measured: f64,
    agrees: bool,
}

/// The samples of one variable, by sensor. Each service that uses it has its own.
type Series = HashMap<&'static str, Vec<Sample>>;

/// How far each sensor's samples were given out.
type Cursors = HashMap<String, usize>;

fn series(variable: &str) -> Series {
    let mut series = Series::new();
    for line in include_str!("data/readings.csv").lines().skip(1) {
        if let [sensor, of, _units, timestamp, value] = line.split(',').collect::<Vec<_>>()[..]
            && let Ok(value) = value.parse()
            && of == variable
        {
            series.entry(sensor).or_default().push(Sample { timestamp: timestamp.to_owned(), value });
        }
    }
    series
}

/// The sensor's next sample; after the last comes the first again.
fn next(series: &Series, cursors: &Placed<Cursors>, sensor: String) -> Result<Sample> {
    let samples = series.get(sensor.as_str()).ok_or_else(|| Error::new(format!("there is no sensor {sensor}")))?;
    cursors.update(|cursors| {
        let cursor = cursors.entry(sensor).or_default();
        let sample = samples[*cursor % samples.len()].clone();
        *cursor += 1;
        Ok(sample)
    })
}

fn celsius(fahrenheit: f64) -> f64 {
    (fahrenheit - 32.0) / 1.8
}

#[placed(temperature)]
static TEMPERATURES: LazyLock<Series> = LazyLock::new(|| series("Temperature"));
#[placed(temperature)]
static TEMPERATURE_CURSORS: Placed<Cursors> = Placed::new(Cursors::new);

/// The air's temperature, in degrees Celsius.
#[service]
async fn temperature(sensor: String) -> Result<Sample> {
    let sample = next(&TEMPERATURES, &TEMPERATURE_CURSORS, sensor)?;
    Ok(Sample { value: celsius(sample.value), ..sample })
}

#[placed(humidity)]
static HUMIDITIES: LazyLock<Series> = LazyLock::new(|| series("Relative Humidity"));
#[placed(humidity)]
static HUMIDITY_CURSORS: Placed<Cursors> = Placed::new(Cursors::new);

/// The air's relative humidity, in percent.
#[service]
async fn humidity(sensor: String) -> Result<Sample> {
    next(&HUMIDITIES, &HUMIDITY_CURSORS, sensor)
}

#[placed(measured)]
static DEW_POINTS: LazyLock<Series> = LazyLock::new(|| series("Dew Point"));
#[placed(measured)]
static DEW_POINT_CURSORS: Placed<Cursors> = Placed::new(Cursors::new);

/// The dew point as a sensor measured it, in degrees Celsius.
#[service]
async fn measured(sensor: String) -> Result<Sample> {
    let sample = next(&DEW_POINTS, &DEW_POINT_CURSORS, sensor)?;
    Ok(Sample { value: celsius(sample.value), ..sample })
}

/// The dew point by the Magnus formula, in degrees Celsius; none in air without any water.
#[service]
fn dew_point(temperature: Sample, humidity: Sample) -> Result<Option<Sample>> {
    // Sonntag 1990, over water from -45 to 60 °C.
    const B: f64 = 17.62;
    const C: f64 = 243.12;
    same_hour(&temperature, &humidity)?;
    if humidity.value <= 0.0 {
        return Ok(None);
    }
    let gamma = (humidity.value / 100.0).ln() + B * temperature.value / (C + temperature.value);
    Ok(Some(Sample { value: C * gamma / (B - gamma), ..temperature }))
}

/// Both dew points, and whether they agree within a tolerance in degrees Celsius.
#[service]
fn compare(computed: Sample, measured: Sample, tolerance: f64) -> Result<Comparison> {
    same_hour(&computed, &measured)?;
    Ok(Comparison {
        agrees: (computed.value - measured.value).abs() <= tolerance,
        timestamp: computed.timestamp,
        computed: computed.value,
        measured: measured.value,
    })
}

fn same_hour(one: &Sample, other: &Sample) -> Result<()> {
    if one.timestamp == other.timestamp {
        return Ok(());
    }
    Err(Error::new(format!("samples of different hours: {} and {}", one.timestamp, other.timestamp)))
}

#[dyninka::main]
fn main() {
    let computed = dew_point(temperature("JFK"), humidity("JFK"));
    computed.compare(measured("JFK"), 0.5)
}
