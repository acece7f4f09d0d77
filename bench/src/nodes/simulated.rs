//! What strategies make of the three tests that DFaaS published, and of a thousand nodes, in virtual time.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context, anyhow};
use balance::simulate::{BUILT_IN, Indexes, Scenario, Spread, Stepping, built_in, scenario, simulate};
use balance::{StrategyName, StrategySettings};

use crate::report::{Row, Target};

/// What a model that was written apart from this one gives of `recalc` in each test.
pub(super) const EXPECTED: [f64; 3] = [95.83, 96.88, 96.21];
/// Seconds that a thousand nodes may take for 900.
const LONG: f64 = 60.0;
const NODES: usize = 1_000;

pub(super) fn measure() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for ((name, _, published, _), expected) in BUILT_IN.iter().zip(EXPECTED) {
        let scenario = built_in(name).with_context(|| format!("no scenario {name}"))?;
        let found = success(&run(&scenario, StrategyName::Recalc)?)?;
        let words = format!("{name}: recalc at P = 60 s, mean of {} phases, from {expected} %", scenario.repeat);
        let note =
            format!("{:.2} %, {:.2} to {:.2}; DFaaS published {published} %", found.mean, found.least, found.most);
        let away = (found.mean - expected).abs();
        rows.push(Row::value(&words, "simulated", "points", 12, away, Some(Target::AtMost(1.0))).note(note));
        let outside = (found.least - 0.5 - published).max(published - found.most).max(0.0);
        let words = format!("{name}: the published value outside of the simulated ones");
        rows.push(Row::value(&words, "simulated", "points", 12, outside, Some(Target::Exactly(0.0))));
    }
    let scenario = scenario("thousand", &thousand()?).map_err(|error| anyhow!("{error}: {}", error.hint()))?;
    let begun = Instant::now();
    let runs = run(&scenario, StrategyName::Offer)?;
    let took = begun.elapsed().as_secs_f64();
    let words = format!("{NODES} nodes, 900 s by the second, {} links", scenario.edges.len());
    let note = format!("{:.2} % served", success(&runs)?.mean);
    rows.push(Row::value(&words, "simulated", "s", 1, took, Some(Target::AtMost(LONG))).note(note));
    Ok(rows)
}

fn run(scenario: &Scenario, name: StrategyName) -> anyhow::Result<Vec<Indexes>> {
    simulate(scenario, &StrategySettings::new(name), Stepping::Second, &|| None).context("simulate")
}

fn success(runs: &[Indexes]) -> anyhow::Result<Spread> {
    Spread::of(runs.iter().map(|run| run.success)).context("nothing was run")
}

/// Every tenth node is overloaded.
fn thousand() -> anyhow::Result<String> {
    let mut text = "seed = 1\nrepeat = 1\nfor = \"15m\"\n\
        topology = { kind = \"erdos-renyi\", edge = 0.01 }\n[nodes]\n"
        .to_owned();
    (0..NODES).try_for_each(|at| writeln!(text, "n{at} = {{ f = 200 }}"))?;
    for at in 0..NODES {
        let rate = if at % 10 == 0 { 600 } else { 60 };
        writeln!(text, "[[load]]\nat = \"n{at}\"\nservice = \"f\"\nrate = {rate}")?;
    }
    Ok(text)
}
