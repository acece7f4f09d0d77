//! What an agent costs that shares nothing: the same host, with its agent and while that is stopped.

use std::time::Duration;

use anyhow::Context;

use super::Run;
use super::fleet::{Fleet, links, offers};
use crate::chain::cell::ratio;
use crate::chain::load;
use crate::report::{Row, Target};

/// Far above what any load here comes to.
const NEVER_SHORT: u32 = 1_000_000;
/// A host that was told nothing for 3 s does as without an agent; what was told before is renewed within a second.
const SETTLES: Duration = Duration::from_secs(4);

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let fleet = Fleet::start(&run.setting, 2).await?;
    fleet.push("all", NEVER_SHORT).await?;
    fleet.wait("offer", 1, |view| offers(view) == 1).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..run.options.rounds {
        fleet.signal(1, "STOP")?;
        tokio::time::sleep(SETTLES).await;
        without.push(p50(run).await?);
        fleet.signal(1, "CONT")?;
        fleet.wait("link", 1, |view| links(view) == 1).await?;
        tokio::time::sleep(SETTLES).await;
        with.push(p50(run).await?);
    }
    let name = "one request, with an agent and nothing shared, over without: p50";
    let row = Row::sample(name, "process", "x", &ratio(&with, &without), Some(Target::P50(1.03)));
    Ok(vec![row.note(format!("without: {:.0} µs", without.iter().sum::<f64>() / without.len().max(1) as f64))])
}

async fn p50(run: &Run<'_>) -> anyhow::Result<f64> {
    load(&Fleet::door(1), run.load(1)).await?.micros(0.5).context("nothing was answered")
}
