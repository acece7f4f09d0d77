//! One tenant floods: how long another's jobs wait for their begin.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::json;

use super::Run;
use super::ours::Ours;
use crate::chain::load;
use crate::load::{Length, Load};
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Jobs of the flood that wait, of so many microseconds each.
const BACKLOG: u64 = 10_000;
const EACH: u64 = 5_000;
/// Between two jobs of the quiet tenant.
const PAUSE: Duration = Duration::from_millis(20);
/// Milliseconds are what the server tells a wait in.
const LEAST: f64 = 1.0;
/// What of a sample may be above.
const NEARLY_ALL: f64 = 0.99;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::start(run, "").await?;
    ours.tenant("quiet", 1.0, 16).await?;
    ours.tenant("flood", 1.0, 16).await?;
    let (mut ratios, mut alone, mut beside) = (Sample::default(), Sample::default(), Sample::default());
    let (mut accepted, mut refused, mut resident) = (0, 0, 0.0_f64);
    let job = json!({ "inputs": { "us": EACH } });
    for _ in 0..run.options.rounds {
        let without = waits(run, &ours).await?;
        limits(&ours, 1e9).await?;
        let done = ours.count("done").await?;
        ours.fill("flood", &job, BACKLOG).await?;
        limits(&ours, 200.0).await?;
        let connections = run.options.flood as usize;
        let goal = ours.asking("flood", &job, "", 202);
        // As long as the other tenant asks.
        let flooding = Load {
            connections,
            keep: true,
            warm: Duration::ZERO,
            length: Length::Time(PAUSE.mul_f64(f64::from(run.options.samples) * 1.5)),
            pace: None,
        };
        let (with, tally) = tokio::join!(waits(run, &ours), load(&goal, flooding));
        let (with, tally) = (with?, tally?);
        resident = resident.max(memory::resident(ours.process()?)?);
        accepted += tally.right;
        refused += tally.asked() - tally.right;
        ratios.push(with / without);
        alone.push(without);
        beside.push(with);
        ours.done(done + BACKLOG + tally.right + u64::from(run.options.samples)).await?;
    }
    let of = format!("{} jobs of another tenant wait, {} connections ask for more", BACKLOG, run.options.flood);
    Ok(vec![
        Row::sample(
            "flood: p99 of the wait for a begin, over that without it",
            "",
            "x",
            &ratios,
            Some(Target::P50(3.0)),
        )
        .note(format!("{of}: {accepted} accepted, {refused} refused")),
        Row::sample("quiet tenant, alone: p99 of accepted to begun", "", "ms", &alone, None),
        Row::sample("quiet tenant, beside the flood: p99 of accepted to begun", "", "ms", &beside, None),
        Row::value("job server under the flood: resident", "", "MiB", 1, resident, Some(Target::AtMost(256.0))),
    ])
}

/// What the flooding tenant may ask for in a second, from here on.
async fn limits(ours: &Ours, rate: f64) -> anyhow::Result<()> {
    let limits = json!({ "queued": 1_000_000, "running": 16, "rate": rate, "burst": (rate * 2.0).min(1e9) });
    ours.good(ours.ask(Method::PATCH, "v1/tenants/flood", None).json(&limits)).await.map(drop)
}

/// p99 of the waits of a tenant that asks for one job after the other, in milliseconds.
async fn waits(run: &Run<'_>, ours: &Ours) -> anyhow::Result<f64> {
    let mut waits = Vec::new();
    for _ in 0..run.options.samples {
        let asked = ours.ask(Method::POST, "v1/jobs", Some("quiet")).header("prefer", "wait=30");
        let begun = Instant::now();
        let job = ours.good(asked.json(&json!({ "inputs": { "us": 1 } }))).await?;
        ensure!(job["state"] == "done", "a job of the quiet tenant ended as {job}");
        let waited = job["waited_us"].as_f64().with_context(|| format!("no wait in {job}"))? / 1e3;
        waits.push(waited.max(LEAST));
        tokio::time::sleep(PAUSE.saturating_sub(begun.elapsed())).await;
    }
    waits.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the sample")]
    let rank = (waits.len() as f64 * NEARLY_ALL).ceil() as usize;
    waits.get(rank.saturating_sub(1)).copied().context("nothing was measured")
}
