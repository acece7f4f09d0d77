//! The three tests that DFaaS published, as real requests to three nodes, each counted.

use std::time::Duration;

use anyhow::Context;
use balance::simulate::{BUILT_IN, Scenario, built_in};

use super::Run;
use super::fleet::{Fleet, links, offers};
use super::simulated::EXPECTED;
use crate::chain::load;
use crate::load::{Length, Load, Tally};
use crate::report::{Row, Target};

/// Of all requests, in percent.
const SERVED: f64 = 99.99;
/// Where users call the first service; the others follow.
const PORT: u16 = 8080;
/// Connections of one load.
const CONNECTIONS: usize = 8;

/// A strategy, and how often it decides: DFaaS' minute divided as the time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum With {
    Offer,
    Recalc,
}

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (at, (name, _, published, margin)) in BUILT_IN.iter().enumerate() {
        let scenario = built_in(name).with_context(|| format!("no scenario {name}"))?;
        for with in [With::Offer, With::Recalc] {
            let tally = asked(run, &scenario, with).await.with_context(|| format!("{name}, {with:?}"))?;
            let served = 100.0 * tally.right as f64 / tally.asked().max(1) as f64;
            let n = usize::try_from(tally.asked())?;
            let lost = tally.wrong + tally.failed;
            let counted = format!(
                "of {n} requests {} were served, {} refused, {lost} lost; {}",
                tally.right,
                tally.shed,
                tally.complaints()
            );
            let row = match with {
                With::Offer => {
                    let note = format!("{counted}\nDFaaS published {published} (recalc) and {margin} (node margin)");
                    Row::value(&format!("{name}: served"), "process", "%", n, served, Some(Target::AtLeast(SERVED)))
                        .note(note)
                }
                With::Recalc => {
                    let words = format!("{name}: served with our recalc, one phase");
                    let note = format!("{counted}\nsimulated over twelve phases {} %", EXPECTED[at]);
                    Row::value(&words, "process", "%", n, served, None).note(note)
                }
            };
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Runs a scenario in a part of its time.
async fn asked(run: &Run<'_>, scenario: &Scenario, with: With) -> anyhow::Result<Tally> {
    let part = run.options.part;
    let period = format!("{}ms", 60_000 / part);
    let strategy: &[&str] = match with {
        With::Offer => &[],
        With::Recalc => &["--strategy", "recalc", "--period", &period],
    };
    let fleet = Fleet::start_with(&run.setting, scenario.nodes.len(), strategy).await?;
    for (at, node) in scenario.nodes.iter().enumerate() {
        for (service, limit, _) in &node.services {
            let name = &scenario.services[service.0 as usize];
            fleet.push_app(name, *limit as u32, PORT + service.0 as u16, &format!("n{}", at + 1)).await?;
        }
    }
    for at in 1..=scenario.nodes.len() {
        let others = scenario.nodes.len() - 1;
        let is_ready =
            |view: &serde_json::Value| links(view) == others && (with == With::Recalc || offers(view) == others);
        fleet.wait("offers of all others", at, is_ready).await?;
    }
    let loads = scenario.loads.iter().map(|said| async move {
        tokio::time::sleep(said.from / part).await;
        let length = Length::Time(said.to.min(scenario.length).saturating_sub(said.from) / part);
        let goal = Fleet::door_at(u8::try_from(said.node + 1)?, PORT + said.service.0 as u16);
        let all = Load { connections: CONNECTIONS, keep: true, warm: Duration::ZERO, length, pace: Some(said.rate) };
        load(&goal, all).await
    });
    let mut all: Option<Tally> = None;
    for tally in futures_util::future::try_join_all(loads).await? {
        match &mut all {
            Some(all) => all.add(&tally)?,
            None => all = Some(tally),
        }
    }
    all.context("the scenario has no load")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_published_test_has_three_nodes_and_loads_that_name_them() {
        for (name, ..) in BUILT_IN {
            let scenario = built_in(name).unwrap();
            assert_eq!(scenario.nodes.len(), 3, "{name}");
            for load in &scenario.loads {
                let node = &scenario.nodes[load.node];
                assert!(node.services.iter().any(|(service, ..)| *service == load.service), "{name}: {load:?}");
            }
        }
    }
}
