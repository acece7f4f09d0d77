//! The bill beside what functions say of themselves, while the job server is killed again and again.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;

use super::Run;
use super::ours::Ours;
use crate::client::Door;
use crate::report::{Row, Target};

/// Calls of one job.
const EACH: u64 = 100;
/// Microseconds of a call.
const LENGTH: u64 = 2_000;
/// Jobs at a time: what they do is wait.
const WORKERS: u32 = 64;
/// Between two kills.
const RHYTHM: Duration = Duration::from_secs(6);
/// Before the first.
const FIRST: Duration = Duration::from_millis(700);

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::start(run, &format!("workers = {WORKERS}\nopen = [\"many\"]")).await?;
    ours.tenant("works", 1.0, WORKERS).await?;
    let jobs = u64::from(run.options.calls).div_ceil(EACH);
    let job = json!({ "service": "many", "inputs": { "count": EACH, "us": LENGTH }, "timeout": "25s" });
    let batches = jobs.div_ceil(1_000);
    // Batches are of one size: each as large as makes them come to about so many.
    let size = jobs.div_ceil(batches);
    for _ in 0..batches {
        ours.fill("works", &job, size).await?;
    }
    let jobs = batches * size;
    let (mut kills, mut rest) = (0, FIRST);
    let mut begun = tokio::time::Instant::now();
    while ours.count("done").await? < jobs {
        if begun.elapsed() >= rest {
            ours.kill().await?;
            kills += 1;
            (begun, rest) = (tokio::time::Instant::now(), RHYTHM);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let failed = ours.count("failed").await?;
        ensure!(failed == 0, "{failed} jobs failed");
    }
    let said = Door::new(&ours.session.service("tick")?.0, json!({ "us": 0 }))?.ask().await?;
    let said = said.value.as_f64().context("what functions say of themselves is no number")?;
    let (billed, calls) = ours.billed("service", "tick").await?;
    // The question above was nobody's: no account was charged for it.
    ensure!(calls == jobs * EACH, "{} calls were asked for, and {calls} are on the bill", jobs * EACH);
    let n = usize::try_from(calls).unwrap_or(usize::MAX);
    let away = (billed / said - 1.0).abs() * 100.0;
    let words = format!(
        "{:.3} s on the bill, {:.3} s by the functions' own clocks; the job server was killed {kills} times",
        billed / 1e9,
        said / 1e9
    );
    ensure!(kills > 0, "the job server was not killed: more calls, by --calls");
    Ok(vec![
        Row::value("the bill beside what functions say of themselves", "", "%", n, away, Some(Target::AtMost(0.1)))
            .note(words),
        Row::value("the bill: more for a call", "", "µs", n, (billed - said) / calls.max(1) as f64 / 1e3, None)
            .note("reading the input and writing the value are on the bill"),
    ])
}
