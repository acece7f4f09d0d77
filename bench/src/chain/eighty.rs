//! How far p99 is from p50 at four fifths of what the chain can.

use super::app::{App, Readings};
use super::{Run, load, shapes};
use crate::load::{Goal, Load};
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Of the most that is answered.
const SHARE: f64 = 0.8;

/// Connections of both loads.
const CONNECTIONS: u32 = 32;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for on in &run.backends {
        let app = App::building(&run.setting, *on, Readings::Temperatures, &[]).await?;
        rows.extend(figures(run, &app.door()?, on.name(), Some(Target::P50(5.0))).await?);
    }
    // What the machine and the generator have of it: the floor knows no HTTP, no telemetry and no function.
    let relay = shapes::relay()?;
    rows.extend(figures(run, &relay.goal, shapes::RELAY, None).await?);
    Ok(rows)
}

async fn figures(run: &Run<'_>, goal: &Goal, of: &'static str, target: Option<Target>) -> anyhow::Result<Vec<Row>> {
    let (mut ratios, mut p50s, mut p99s) = (Sample::default(), Sample::default(), Sample::default());
    let (mut asked, mut errors, mut most) = (0, 0, Sample::default());
    for _ in 0..run.options.rounds {
        let full = load(goal, run.turn(CONNECTIONS)).await?;
        most.push(full.per_second());
        let pace = Some(full.per_second() * SHARE).filter(|pace| *pace > 0.0);
        let tally = load(goal, Load { pace, ..run.turn(CONNECTIONS) }).await?;
        asked += tally.asked();
        errors += tally.asked() - tally.right;
        if let (Some(p50), Some(p99)) = (tally.micros(0.5), tally.micros(0.99)) {
            p50s.push(p50);
            p99s.push(p99);
            ratios.push(p99 / p50);
        }
    }
    let note = format!("{errors} of {asked} not answered right");
    Ok(vec![
        Row::sample("at 80 %: p99 over p50", of, "x", &ratios, target).note(note),
        Row::sample("at 80 %: p50", of, "µs", &p50s, None),
        Row::sample("at 80 %: p99", of, "µs", &p99s, None),
        Row::sample("at 100 %", of, "requests/s", &most, None)
            .note(format!("{CONNECTIONS} connections, paced to four fifths of this for the rows above")),
    ])
}
