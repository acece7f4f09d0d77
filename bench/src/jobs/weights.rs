//! Two tenants whose weights are 2:1, with jobs of unequal lengths: the function time that each gets.

use std::time::Duration;

use serde_json::json;

use super::Run;
use super::ours::Ours;
use crate::report::{Row, Target};

/// Slots: fewer than both want.
const WORKERS: u32 = 4;
/// Until both have as much under way as they will.
const SETTLING: Duration = Duration::from_secs(2);
/// Microseconds of the jobs of each.
const HEAVY: [u64; 3] = [3_000, 7_000, 20_000];
const LIGHT: [u64; 2] = [5_000, 40_000];

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::start(run, &format!("workers = {WORKERS}")).await?;
    ours.tenant("two", 2.0, WORKERS).await?;
    ours.tenant("one", 1.0, WORKERS).await?;
    let time = Duration::from_secs_f64(run.options.weights);
    // Enough for the whole time, and as much again.
    let total = (time + SETTLING).as_micros() as f64 * f64::from(WORKERS) * 2.0;
    for (tenant, lengths, share) in [("two", &HEAVY[..], 2.0 / 3.0), ("one", &LIGHT[..], 1.0 / 3.0)] {
        for length in lengths {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of jobs")]
            let count = (total * share / lengths.len() as f64 / *length as f64).ceil() as u64;
            ours.fill(tenant, &json!({ "inputs": { "us": length } }), count).await?;
        }
    }
    tokio::time::sleep(SETTLING).await;
    let before = used(&ours).await?;
    tokio::time::sleep(time).await;
    let after = used(&ours).await?;
    let (two, one) = (after.0 - before.0, after.1 - before.1);
    let waiting = ours.count("queued").await?;
    let away = (two / one / 2.0 - 1.0).abs() * 100.0;
    let n = run.options.weights.round().max(1.0) as usize;
    let row = Row::value("weights 2:1: function time away from 2:1", "", "%", n, away, Some(Target::AtMost(2.0)));
    let words = format!("{:.1} s beside {:.1} s, {waiting} jobs still waited", two / 1e9, one / 1e9);
    Ok(vec![if waiting == 0 {
        Row::failed("weights 2:1", "", &format!("nothing waited any more; {words}"))
    } else {
        row.note(words)
    }])
}

/// Nanoseconds of function time of both.
async fn used(ours: &Ours) -> anyhow::Result<(f64, f64)> {
    Ok((ours.billed("tenant", "two").await?.0, ours.billed("tenant", "one").await?.0))
}
