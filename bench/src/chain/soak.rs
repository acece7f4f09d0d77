//! Half load for long: what grows.

use std::time::Duration;

use super::app::{App, Readings};
use super::{Run, load};
use crate::arguments::On;
use crate::load::{Length, Load};
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Stretches that the time is cut into.
const STRETCHES: u32 = 30;

/// Connections of the load.
const CONNECTIONS: u32 = 32;

/// A session keeps what it measured for five minutes, a host its latest spans: before these are full, memory grows as
/// it should. Shorter soaks are told and not judged.
const JUDGED: f64 = 15.0;

/// The last third over the one before: what is called flat. Memory is counted to the page; the p99 of a minute is not
/// as steady on a machine that others use.
const FLAT_MEMORY: f64 = 1.05;
const FLAT_P99: f64 = 1.25;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    // Memory is read of processes; those of containers are the engine's children.
    if !run.backends.contains(&On::Process) {
        let why = "processes are what is looked at, and process is not among the backends";
        return Ok(vec![Row::absent("soak", "process", why)]);
    }
    let app = App::building(&run.setting, On::Process, Readings::Temperatures, &[]).await?;
    let (goal, session) = (app.door()?, app.session.pid()?);
    let most = load(&goal, run.turn(CONNECTIONS)).await?.per_second();
    let time = Duration::from_secs_f64(run.options.minutes * 60.0) / STRETCHES;
    let pace = Some(most / 2.0).filter(|pace| *pace > 0.0);
    let half = Load { pace, length: Length::Time(time), warm: Duration::ZERO, ..run.turn(CONNECTIONS) };
    let (mut hosts, mut own, mut p99s) = (Vec::new(), Vec::new(), Vec::new());
    let (mut asked, mut errors, mut words) = (0, 0, Vec::new());
    for _ in 0..STRETCHES {
        let tally = load(&goal, half).await?;
        asked += tally.asked();
        errors += tally.asked() - tally.right;
        words.extend(Some(tally.complaints()).filter(|words| !words.is_empty()));
        p99s.extend(tally.micros(0.99));
        let mut all = 0.0;
        for (pid, _) in memory::hosts(session)? {
            all += memory::resident(pid)?;
        }
        hosts.push(all);
        own.push(memory::resident(session)?);
    }
    let hours = run.options.minutes / 60.0;
    let backend = On::Process.name();
    let n = usize::try_from(asked).unwrap_or(usize::MAX);
    let flat = |name: &str, values: &[f64], unit: &str, most| {
        let (before, last) = thirds(values);
        let target = (run.options.minutes >= JUDGED).then_some(Target::AtMost(most));
        let note = format!(
            "median of the second third {before:.1} {unit}, of the last {last:.1}; {:+.2} {unit} an hour",
            slope(values) * values.len() as f64 / hours
        );
        Row::value(name, backend, "x", values.len(), last / before, target).note(note)
    };
    let lost =
        Row::value("soak: not answered right", backend, "requests", n, errors as f64, Some(Target::Exactly(0.0)));
    words.truncate(3);
    Ok(vec![
        lost.note(words.join("\n")),
        flat("soak: memory of the hosts", &hosts, "MiB", FLAT_MEMORY),
        flat("soak: memory of the session", &own, "MiB", FLAT_MEMORY),
        flat("soak: p99", &p99s, "µs", FLAT_P99),
        Row::value("soak: load", backend, "requests/s", n, most / 2.0, None)
            .note(format!("{} minutes at half of what was answered before", run.options.minutes)),
    ])
}

/// Medians of the second and the last third; not numbers where there is nothing.
fn thirds(values: &[f64]) -> (f64, f64) {
    let third = values.len().div_ceil(3);
    let median = |values: &[f64]| {
        let mut sample = Sample::default();
        values.iter().for_each(|value| sample.push(*value));
        sample.spread().map_or(f64::NAN, |spread| spread.p50)
    };
    let last = values.len() - third;
    (median(&values[last.saturating_sub(third)..last]), median(&values[last..]))
}

/// By how much a value grows from one to the next: the line with the least squares.
fn slope(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let (middle, mean) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let each = || values.iter().enumerate().map(|(at, value)| (at as f64 - middle, value - mean));
    let square = each().map(|(x, _)| x * x).sum::<f64>();
    if square > 0.0 { each().map(|(x, y)| x * y).sum::<f64>() / square } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope_and_its_thirds() {
        let values: Vec<_> = (0..30).map(|at| 10.0 + 2.0 * f64::from(at)).collect();
        assert!((slope(&values) - 2.0).abs() < 1e-9);
        assert_eq!(thirds(&values), (38.0, 58.0));
        assert!(slope(&[7.0]).abs() < 1e-9 && slope(&[7.0, 7.0]).abs() < 1e-9);
        assert!(thirds(&[]).0.is_nan());
    }
}
