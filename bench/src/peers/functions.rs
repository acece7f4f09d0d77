//! The four functions of examples/building.rs, as plain functions on bytes of JSON.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// One of the four, first to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Name {
    /// The next reading
    Get,
    /// Temperatures only
    Filter,
    /// To degrees Celsius
    Map,
    /// The average so far
    MovingAvg,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    variable: String,
    units: String,
    timestamp: String,
    value: f64,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Average {
    average: f64,
    count: u64,
}

/// The functions and their state.
#[derive(Debug)]
pub(crate) struct Functions {
    lines: Vec<String>,
    next: AtomicUsize,
    average: Mutex<Average>,
}

impl Name {
    pub(crate) const ALL: [Self; 4] = [Self::Get, Self::Filter, Self::Map, Self::MovingAvg];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Filter => "filter",
            Self::Map => "map",
            Self::MovingAvg => "moving_avg",
        }
    }
}

impl Functions {
    /// On the readings of a file, whose first line is a head.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        let lines: Vec<_> = text.lines().skip(1).map(str::to_owned).collect();
        ensure!(!lines.is_empty(), "{} has no readings", file.display());
        Ok(Self { lines, next: AtomicUsize::new(0), average: Mutex::default() })
    }

    /// One of them, from JSON to JSON; nothing where it filters.
    pub(crate) fn call(&self, name: Name, input: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let written = match name {
            Name::Get => serde_json::to_vec(&self.get()?),
            Name::Filter => match filter(serde_json::from_slice(input).context("read a reading")?) {
                Some(reading) => serde_json::to_vec(&reading),
                None => return Ok(None),
            },
            Name::Map => serde_json::to_vec(&map(&serde_json::from_slice(input).context("read a reading")?)),
            Name::MovingAvg => serde_json::to_vec(&self.moving_avg(serde_json::from_slice(input).context("read")?)),
        };
        written.map(Some).context("write a value")
    }

    /// All four without anything between them, and the last one's value as JSON.
    pub(crate) fn all(&self) -> anyhow::Result<Option<String>> {
        let Some(reading) = filter(self.get()?) else { return Ok(None) };
        let average = self.moving_avg(map(&reading));
        serde_json::to_string(&average).map(Some).context("write a value")
    }

    fn get(&self) -> anyhow::Result<Reading> {
        let line = &self.lines[self.next.fetch_add(1, Ordering::Relaxed) % self.lines.len()];
        let [sensor, variable, units, timestamp, value] = line.split(',').collect::<Vec<_>>()[..] else {
            bail!("not a reading: {line}");
        };
        let [sensor, variable, units, timestamp] = [sensor, variable, units, timestamp].map(str::to_owned);
        let value = value.parse().with_context(|| format!("not a value: {value}"))?;
        Ok(Reading { sensor, variable, units, timestamp, value })
    }

    fn moving_avg(&self, value: f64) -> Average {
        let mut a = self.average.lock();
        a.average = (value + a.count as f64 * a.average) / (a.count + 1) as f64;
        a.count += 1;
        a.clone()
    }
}

fn filter(reading: Reading) -> Option<Reading> {
    (reading.variable == "Temperature").then_some(reading)
}

fn map(reading: &Reading) -> f64 {
    (reading.value - 32.0) / 1.8
}

/// All four in this process, on the readings that were named first.
pub(crate) mod chain {
    use super::*;

    static HERE: OnceLock<Functions> = OnceLock::new();

    /// Reads the readings, once.
    pub(crate) fn prepare(file: &Path) -> anyhow::Result<()> {
        if HERE.get().is_none() {
            // Another's are as good.
            drop(HERE.set(Functions::read(file)?));
        }
        Ok(())
    }

    /// The next average.
    pub(crate) fn call() -> anyhow::Result<Option<String>> {
        HERE.get().context("the readings were not read")?.all()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const HEAD: &str = "Sensor,Variable,Units,Timestamp,Value\n";

    fn functions(lines: &str) -> Functions {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{HEAD}{lines}")).unwrap();
        Functions::read(file.path()).unwrap()
    }

    #[test]
    fn one_after_the_other_they_come_to_what_all_together_do() {
        let lines = "EWR,Temperature,F,t,50\nEWR,Pressure,mbar,t,1000\nEWR,Temperature,F,t,68\n";
        let (one, all) = (functions(lines), functions(lines));
        for expected in [Some(r#"{"average":10.0,"count":1}"#), None, Some(r#"{"average":15.0,"count":2}"#)] {
            let mut value = Some(Vec::new());
            for name in Name::ALL {
                value = value.and_then(|value| one.call(name, &value).unwrap());
            }
            assert_eq!(value.map(|value| String::from_utf8(value).unwrap()).as_deref(), expected);
            assert_eq!(all.all().unwrap().as_deref(), expected);
        }
    }

    #[test]
    fn a_line_that_is_no_reading_is_an_error() {
        assert!(functions("EWR,Temperature\n").all().is_err());
        assert!(functions("EWR,Temperature,F,t,warm\n").all().is_err());
        assert!(functions("EWR,Temperature,F,t,1\n").call(Name::Map, b"7").is_err());
    }
}
