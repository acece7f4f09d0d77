//! A cable that is pulled without a word, and put back.

use std::time::Instant;

use serde_json::Value;

use super::Run;
use super::fleet::{Fleet, links, testbed};
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Cuts of one link, and of one node from the two others.
const CUTS: usize = 10;
const APART: usize = 3;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let fleet = Fleet::start(&run.setting, 3).await?;
    let (mut noticed, mut whole) = (Sample::default(), Sample::default());
    for _ in 0..CUTS {
        let begun = Instant::now();
        testbed(&["cut", "1", "2"])?;
        fleet.wait("link that is down", 1, |view| links(view) == 1).await?;
        noticed.push(begun.elapsed().as_secs_f64());
        testbed(&["mend", "1", "2"])?;
        for at in 1..=3 {
            fleet.wait("links to both others", at, |view| links(view) == 2).await?;
        }
    }
    for _ in 0..APART {
        testbed(&["cut", "1", "2"])?;
        testbed(&["cut", "1", "3"])?;
        for (at, down) in [(1, 2), (2, 1), (3, 1)] {
            fleet.wait("nodes that are down", at, |view| count(view, "down") == down).await?;
        }
        testbed(&["mend", "1", "2"])?;
        testbed(&["mend", "1", "3"])?;
        let begun = Instant::now();
        for at in 1..=3 {
            let is_whole = |view: &Value| count(view, "up") == 2 && links(view) == 2;
            fleet.wait("whole fleet", at, is_whole).await?;
        }
        whole.push(begun.elapsed().as_secs_f64());
    }
    // A look takes a tenth of a second, and is part of the figure.
    let row = |name: &str, times: &Sample, most| {
        Row::sample(name, "", "s", times, Some(Target::P50AndP95(most, most))).note("looks are 0.1 s apart")
    };
    Ok(vec![
        row("a link that is cut silently, until its node takes it for down", &noticed, 1.0),
        row("a node that was cut off and taken for down, from mended until all have links to all", &whole, 10.0),
    ])
}

fn count(view: &Value, state: &str) -> usize {
    view["nodes"].as_array().into_iter().flatten().filter(|node| node["state"] == state).count()
}
