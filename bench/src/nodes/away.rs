//! A request that another node serves: host, agent, TLS, agent, host.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::Run;
use super::fleet::{Fleet, offers};
use super::haproxy::{self, Pair};
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
    let pair = Pair::start();
    let proxies = match &pair {
        Ok(_) => Some(Fleet::door_at(1, haproxy::DOOR)),
        Err(error) => {
            rows.push(Row::absent(
                "haproxy to haproxy over TLS before the same host",
                "process",
                &format!("{error:#}"),
            ));
            None
        }
    };
    for connections in [1, 32] {
        let (mut there, mut away, mut there_a_second, mut away_a_second) = (vec![], vec![], vec![], vec![]);
        let (mut proxied, mut proxied_a_second) = (vec![], vec![]);
        for _ in 0..run.options.rounds {
            let mut turns = vec![
                (Fleet::door(2), &mut there, &mut there_a_second),
                (Fleet::door(1), &mut away, &mut away_a_second),
            ];
            turns.extend(proxies.clone().map(|goal| (goal, &mut proxied, &mut proxied_a_second)));
            for (goal, times, rates) in turns {
                let tally = load(&goal, run.load(connections)).await?;
                ensure!(tally.right == tally.asked(), "{}", tally.complaints());
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
        if proxies.is_some() {
            let of =
                |what: &str| format!("{what} of the same over haproxy to haproxy with TLS, {connections} at a time");
            let note = format!("{:.0} and {:.0} µs", mean(&away), mean(&proxied));
            // Of requests a second the goal is for many at a time, of times for one.
            let (times, rates) = (Some(Target::P50(1.25)), (connections > 1).then_some(Target::P50AtLeast(0.8)));
            rows.push(Row::sample(&of("p50"), "process", "x", &ratio(&away, &proxied), times).note(note));
            let compared = ratio(&away_a_second, &proxied_a_second);
            rows.push(Row::sample(&of("requests/s"), "process", "x", &compared, rates));
        }
    }
    Ok(rows)
}
