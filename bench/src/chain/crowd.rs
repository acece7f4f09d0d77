//! More workers than are let in: turned away, not failed, and over when they go.

use std::time::{Duration, Instant};

use super::app::{App, Readings};
use super::{Run, load};
use crate::load::{Goal, Length, Load};
use crate::report::{Row, Target};

/// Answers in a row after which a chain has recovered.
const STREAK: u64 = 20;

/// Longest that a recovery is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for on in &run.backends {
        for workers in &run.options.crowd {
            // A session each: one crowd's traces are not the next one's.
            let app = App::building(&run.setting, *on, Readings::Temperatures, &[]).await?;
            let goal = app.door()?;
            let quiet = load(&goal, run.turn(1)).await?;
            let time = Duration::from_secs_f64(run.options.seconds * 3.0);
            let crowd = Load { keep: false, length: Length::Time(time), ..run.turn(*workers) };
            let tally = load(&goal, crowd).await?;
            let recovery = recover(run, &goal).await?;
            let after = load(&goal, run.turn(1)).await?;
            let (backend, n) = (on.name(), usize::try_from(tally.asked()).unwrap_or(usize::MAX));
            let name = |what: &str| format!("{workers} workers: {what}");
            let share = tally.shed as f64 / (tally.asked() as f64).max(1.0) * 100.0;
            let p99 = tally.micros(0.99).unwrap_or_default() / 1e3;
            let answered = Row::value(&name("answered"), backend, "requests/s", n, tally.per_second(), None);
            rows.push(answered.note(format!("without keep-alive; p99 {p99:.0} ms")));
            rows.push(Row::value(&name("turned away"), backend, "%", n, share, None).note("503 with Retry-After"));
            let lost = (tally.wrong + tally.failed) as f64;
            let failed = Row::value(&name("failed or wrong"), backend, "requests", n, lost, Some(Target::Exactly(0.0)));
            rows.push(failed.note(tally.complaints()));
            let recovered = match recovery {
                Some(time) => {
                    Row::value(&name("recovered after"), backend, "s", 1, time.as_secs_f64(), Some(Target::AtMost(2.0)))
                }
                None => Row::failed(&name("recovered after"), backend, "not within 30 s"),
            };
            let [before, after] = [quiet, after].map(|tally| tally.micros(0.5).unwrap_or(f64::NAN));
            rows.push(recovered.note(format!("p50 at 1 connection: {before:.0} µs before, {after:.0} µs after")));
        }
    }
    Ok(rows)
}

/// From the end of the load to the first of so many right answers in a row.
async fn recover(run: &Run<'_>, goal: &Goal) -> anyhow::Result<Option<Duration>> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let first = begun.elapsed();
        let row = Load { length: Length::Requests(STREAK), warm: Duration::ZERO, keep: false, ..run.turn(1) };
        let tally = load(goal, row).await?;
        if tally.right == tally.asked() {
            return Ok(Some(first));
        }
    }
    Ok(None)
}
