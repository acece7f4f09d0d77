//! Many small objects: from an empty copy to a whole one, and then nothing to do, beside programs that copy buckets.

use std::time::Instant;

use anyhow::Context;
use serde_json::json;

use super::Run;
use super::rival::Rival;
use super::server::Server;
use super::stores::{fill, same};
use super::weed::{self, Weed};
use crate::chain::cell::ratio;
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Bytes of an object.
const SIZE: usize = 15_000;

/// Seconds of each turn: to a whole copy, and then for nothing.
#[derive(Debug, Default)]
struct Times {
    whole: Vec<f64>,
    nothing: Vec<f64>,
}

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let count = run.options.objects;
    let (from, to) = (Weed::start().await?, Weed::start().await?);
    fill(&from.store()?, "images", count, SIZE).await?;
    let (mut ours, mut theirs) = (Times::default(), [Times::default(), Times::default()]);
    let mut resident = 0.0_f64;
    for round in 0..run.options.rounds {
        // Each begins as often as the others.
        for turn in 0..=Rival::ALL.len() {
            let at = (round as usize + turn) % (Rival::ALL.len() + 1);
            match Rival::ALL.get(at) {
                None => resident = resident.max(our_turn(run, &from, &to, &format!("ours-{round}"), &mut ours).await?),
                Some(rival) if rival.find().is_err() => {}
                Some(rival) => their_turn(*rival, &from, &to, &format!("theirs-{round}-{at}"), &mut theirs[at]).await?,
            }
        }
    }
    let mut rows = Vec::new();
    let name = format!("{count} x 15 KB, an empty copy to a whole one");
    rows.push(Row::sample(&name, "", "s", &sample(&ours.whole), None));
    for ((rival, theirs), least) in Rival::ALL.into_iter().zip(&theirs).zip([1.5, 1.0]) {
        rows.extend(beside(rival, &name, &theirs.whole, &ours.whole, Some(Target::P50AtLeast(least))));
    }
    let name = format!("nothing to do of {count}: both listings compared");
    rows.push(Row::sample(&name, "", "s", &sample(&ours.nothing), None));
    for ((rival, theirs), most) in Rival::ALL.into_iter().zip(&theirs).zip([None, Some(Target::P50(1.5))]) {
        match rival.find() {
            Err(error) => rows.push(Row::absent(&format!("{name}: {}", rival.name()), "", &format!("{error:#}"))),
            Ok(_) => {
                let words = format!("{name}: over {}", rival.name());
                let row = Row::sample(&words, "", "x", &ratio(&ours.nothing, &theirs.nothing), most);
                rows.push(row.note(seconds(rival, &theirs.nothing)));
            }
        }
    }
    let words = format!("memory of the data server, {count} objects known, copies made");
    rows.push(Row::value(&words, "", "MiB", run.options.rounds as usize, resident, Some(Target::AtMost(64.0))));
    Ok(rows)
}

/// A row of what another program takes, over ours.
pub(super) fn beside(rival: Rival, name: &str, theirs: &[f64], ours: &[f64], target: Option<Target>) -> Vec<Row> {
    let words = format!("{name}: {} over ours", rival.name());
    match rival.find() {
        Err(error) => vec![Row::absent(&words, "", &format!("{error:#}"))],
        Ok(_) => vec![Row::sample(&words, "", "x", &ratio(theirs, ours), target).note(seconds(rival, theirs))],
    }
}

fn seconds(rival: Rival, times: &[f64]) -> String {
    let spread = sample(times).spread();
    let words = spread.map(|spread| format!("{:.2} s ({:.2} to {:.2})", spread.p50, spread.min, spread.max));
    format!("{}: {}", rival.name(), words.unwrap_or_else(|| "no turn".to_owned()))
}

pub(super) fn sample(values: &[f64]) -> Sample {
    let mut sample = Sample::default();
    values.iter().for_each(|value| sample.push(*value));
    sample
}

/// A server that knows nothing yet of the bucket; the memory that it has in the end.
async fn our_turn(run: &Run<'_>, from: &Weed, to: &Weed, copy: &str, times: &mut Times) -> anyhow::Result<f64> {
    let server = Server::start(run).await?;
    let stores = json!({
        "from": weed::settings("from", from.port(), server.home()),
        "to": weed::settings("to", to.port(), server.home()),
    });
    server.apply(&stores, &json!({})).await?;
    server.up().await?;
    let images = json!({ "master": "from", "at": ["to"], "audit": "1h", "names": { "to": copy } });
    let begun = Instant::now();
    server.apply(&stores, &json!({ "images": images })).await?;
    server.whole("images").await?;
    times.whole.push(begun.elapsed().as_secs_f64());
    same((&from.store()?, "images"), (&to.store()?, copy)).await.context("after a copy of ours")?;
    let begun = Instant::now();
    server.whole("images").await?;
    times.nothing.push(begun.elapsed().as_secs_f64());
    let resident = memory::resident(server.pid()?)?;
    drop(server);
    to.drop_bucket(copy).await?;
    Ok(resident)
}

async fn their_turn(rival: Rival, from: &Weed, to: &Weed, copy: &str, times: &mut Times) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("make a folder")?;
    to.store()?.make_bucket(copy).await?;
    times.whole.push(rival.sync(folder.path(), (from, "images"), (to, copy)).await?);
    same((&from.store()?, "images"), (&to.store()?, copy)).await.with_context(|| format!("after {}", rival.name()))?;
    times.nothing.push(rival.sync(folder.path(), (from, "images"), (to, copy)).await?);
    to.drop_bucket(copy).await
}
