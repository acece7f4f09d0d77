//! What an edit changed: 50 recorded inputs, run on the code before and on the new code, and compared.

use anyhow::ensure;
use serde_json::{Value, json};

use super::Run;
use super::building::{Building, reading};
use crate::client::Door;
use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::session::millis;

/// Inputs that are run.
const INPUTS: u32 = 50;

/// From `live` to the verdict.
const WITHIN: Target = Target::P50(100.0);

/// Edits until a verdict is about all inputs: what was called last is on its way to the session.
const MOST_TRIES: u32 = 20;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let name = format!("verdict on {INPUTS} recorded inputs");
    for on in &run.backends {
        match backend(run, on.name()).await {
            Ok(times) => {
                let row = Row::spread(&name, on.name(), &times, Some(WITHIN));
                rows.push(row.note("from live to the verdict, both as heard"));
            }
            Err(error) => rows.push(Row::failed(&name, on.name(), &format!("{error:#}"))),
        }
    }
    Ok(rows)
}

async fn backend(run: &Run<'_>, on: &str) -> anyhow::Result<Sample> {
    let mut building = Building::start(&run.setting, on, None).await?;
    let (url, _) = building.session.service("map")?;
    for degrees in 0..INPUTS {
        let mut reading = reading();
        reading["value"] = json!(f64::from(degrees));
        Door::new(&url, json!({ "reading": reading }))?.first(|_| true).await?;
    }
    let mut number = run.nonce * 10_000;
    for tried in 0.. {
        ensure!(tried < MOST_TRIES, "verdicts are about fewer than {INPUTS} inputs");
        number += 1;
        let (_, verdict) = edit(&mut building, number as f64).await?;
        if verdict["recorded"] == INPUTS {
            break;
        }
    }
    let mut times = Sample::default();
    for _ in 0..run.options.rounds {
        number += 1;
        let (ms, verdict) = edit(&mut building, number as f64).await?;
        let differ = &verdict["differ"];
        ensure!(verdict["recorded"] == INPUTS && *differ == INPUTS, "each input gives another value: {verdict}");
        times.push(ms);
    }
    Ok(times)
}

/// An edit of what every input gives: milliseconds from live to the verdict, and the verdict.
async fn edit(building: &mut Building, added: f64) -> anyhow::Result<(f64, Value)> {
    let text = building.adding(added);
    let (_, live, _) = building.say(&text, &["live"]).await?;
    let verdict = building.session.wait_for(&["verdict"]).await?;
    Ok((millis(live.at, verdict.at), verdict.event))
}
