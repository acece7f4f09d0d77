//! A million jobs that wait: how long they take to be taken in, and what they cost.

use serde_json::json;

use super::Run;
use super::ours::Ours;
use crate::chain::cell::ratio;
use crate::chain::counted;
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Jobs that wait beside those of the comparison.
const FEW: u64 = 1_000;
/// Microseconds of a job that waits: one of them runs at a time, so nearly all of them go on waiting.
const LONG: u64 = 20_000_000;
/// The default the figure is for.
const MILLION: u64 = 1_000_000;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let queued = u64::from(run.options.queued);
    let (few, many) = (Ours::start(run, "").await?, Ours::start(run, "").await?);
    for ours in [&few, &many] {
        ours.tenant("waits", 1.0, 1).await?;
        ours.tenant("works", 1.0, 31).await?;
    }
    let long = json!({ "inputs": { "us": LONG } });
    few.fill("waits", &long, FEW).await?;
    let taken = many.fill("waits", &long, queued).await?.took().as_secs_f64();
    let job = json!({ "inputs": { "us": 1 } });
    let (mut beside_few, mut beside_many) = (Vec::new(), Vec::new());
    for round in 0..run.options.rounds {
        for turn in 0..2 {
            let (ours, rates) =
                if (round + turn) % 2 == 0 { (&few, &mut beside_few) } else { (&many, &mut beside_many) };
            rates.push(ours.drain("works", &job, u64::from(run.options.jobs)).await?);
        }
    }
    let resident = memory::resident(many.process()?)?;
    let kept = std::fs::metadata(&many.store).map_or(0, |file| file.len());
    // A first start after the end; what waits is counted by the server that starts.
    let mut starts = Sample::default();
    for _ in 0..run.options.rounds {
        starts.push(many.kill().await?.as_secs_f64());
    }
    let whole = queued == MILLION;
    let target = |target| whole.then_some(target);
    let of = if whole { "1,000,000".to_owned() } else { queued.to_string() };
    let n = usize::try_from(queued).unwrap_or(usize::MAX);
    Ok(vec![
        Row::value(&format!("{of} jobs taken in"), "", "s", n, taken, target(Target::AtMost(60.0)))
            .note("in batches of 1,000 over 4 connections; one of them runs at a time"),
        Row::sample(
            &format!("done/s beside {of} queued, over done/s beside 1,000"),
            "",
            "x",
            &ratio(&beside_many, &beside_few),
            target(Target::P50AtLeast(0.9)),
        ),
        told(&format!("done beside {of} queued"), &beside_many),
        told("done beside 1,000 queued", &beside_few),
        Row::value(
            &format!("job server with {of} queued: resident"),
            "",
            "MiB",
            1,
            resident,
            target(Target::AtMost(128.0)),
        ),
        Row::sample(
            &format!("job server killed with {of} queued: serves again"),
            "",
            "s",
            &starts,
            target(Target::P50(2.0)),
        )
        .note("the session's pause before it starts the next one is in it; it grows from 0.1 s"),
        Row::value(
            "the store",
            "",
            "bytes a job",
            n,
            kept as f64 / queued.max(1) as f64,
            target(Target::AtMost(600.0)),
        )
        .note(format!("of {}, the log of the last changes left out", counted(queued, "job"))),
    ])
}

fn told(name: &str, values: &[f64]) -> Row {
    let mut sample = Sample::default();
    values.iter().for_each(|value| sample.push(*value));
    Row::sample(name, "", "jobs/s", &sample, None)
}
