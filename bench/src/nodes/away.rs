//! A request that another node serves: host, agent, TLS, agent, host.

use std::time::Duration;

use anyhow::Context;

use super::Run;
use super::fleet::{Fleet, offers};
use crate::chain::cell::ratio;
use crate::chain::load;
use crate::load::{Length, Load};
use crate::report::{Row, Target};

/// What the first node serves a second: all but this goes away.
const LITTLE: u32 = 1;
/// What the second one serves: far above what any load here comes to.
const MUCH: u32 = 1_000_000;
/// Requests of which none may fail.
const MANY: u64 = 10_000;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let fleet = Fleet::start(&run.setting, 2).await?;
    fleet.push("n2", MUCH).await?;
    fleet.push("n1", LITTLE).await?;
    fleet.wait("offer", 1, |view| offers(view) == 1).await?;
    let all = Load { connections: 8, keep: true, warm: Duration::ZERO, length: Length::Requests(MANY), pace: None };
    let counted = load(&Fleet::door(1), all).await?;
    let failed = (counted.asked() - counted.right) as f64;
    let name = "of 10,000 requests that did not fit, not served by the neighbour";
    let count = usize::try_from(counted.asked()).unwrap_or(usize::MAX);
    let failed = Row::value(name, "process", "requests", count, failed, Some(Target::Exactly(0.0)));
    let mut rows = vec![failed.note(counted.complaints())];
    for connections in [1, 32] {
        let (mut there, mut away, mut there_a_second, mut away_a_second) = (vec![], vec![], vec![], vec![]);
        for _ in 0..run.options.rounds {
            for (at, times, rates) in [(2, &mut there, &mut there_a_second), (1, &mut away, &mut away_a_second)] {
                let tally = load(&Fleet::door(at), run.load(connections)).await?;
                times.push(tally.micros(0.5).context("nothing was answered")?);
                rates.push(tally.per_second());
            }
        }
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
        let of = |what: &str| {
            format!("{what} of requests that another node serves, over asking it itself, {connections} at a time")
        };
        let note = format!("{:.0} and {:.0} µs", mean(&away), mean(&there));
        rows.push(Row::sample(&of("p50"), "process", "x", &ratio(&away, &there), None).note(note));
        rows.push(Row::sample(&of("requests/s"), "process", "x", &ratio(&away_a_second, &there_a_second), None));
    }
    Ok(rows)
}
