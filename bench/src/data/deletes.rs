//! Many deletes: how long the last of them is still at the copy.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use serde_json::json;

use super::Run;
use super::rival::Rival;
use super::server::Server;
use super::stores::{fill, key};
use super::weed::{self, Weed};
use crate::report::{Row, Target};
use crate::sample::Sample;

const SIZE: usize = 1_000;
/// Seconds from the last delete to the last copy gone.
const GOAL: f64 = 2.0;
const LOOK: Duration = Duration::from_millis(5);
const AT_ONCE: usize = 16;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let (from, to, count) = (Weed::start().await?, Weed::start().await?, run.options.deletes);
    let (source, target) = (from.store()?, to.store()?);
    let server = Server::start(run).await?;
    let stores = json!({
        "from": weed::settings("from", from.port(), server.home()),
        "to": weed::settings("to", to.port(), server.home()),
    });
    server.apply(&stores, &json!({})).await?;
    server.up().await?;
    let mut ours = Sample::default();
    let (mut latest, mut theirs) = (0.0_f64, Sample::default());
    for _ in 0..run.options.rounds {
        fill(&source, "images", count, SIZE).await?;
        server.apply(&stores, &json!({ "images": { "master": "from", "at": ["to"], "audit": "1h" } })).await?;
        server.whole("images").await?;
        let deletes = (0..count)
            .map(|number| server.good(server.ask(Method::DELETE, &format!("objects/images/{}", key(number)))));
        stream::iter(deletes).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await.context("delete")?;
        let begun = Instant::now();
        while !target.list("images", "", "").await?.objects.is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        let took = begun.elapsed().as_secs_f64();
        latest = latest.max(took);
        ours.push(took);
        // The bucket is forgotten, and stays empty.
        server.apply(&stores, &json!({})).await?;
        if Rival::Rclone.find().is_ok() {
            for store in [&source, &target] {
                fill(store, "synced", count, SIZE).await?;
            }
            let deletes = (0..count).map(|number| {
                let source = source.clone();
                async move { source.delete("synced", &key(number)).await }
            });
            stream::iter(deletes).buffer_unordered(AT_ONCE).try_collect::<()>().await.context("delete")?;
            let folder = tempfile::tempdir().context("make a folder")?;
            theirs.push(Rival::Rclone.sync(folder.path(), (&from, "synced"), (&to, "synced")).await?);
        }
    }
    let name = format!("{count} deletes, from the last one to the last copy gone");
    let rounds = run.options.rounds as usize;
    let spread = Row::sample(&name, "", "s", &ours, None);
    let worst = Row::value(&format!("{name}: the longest"), "", "s", rounds, latest, Some(Target::AtMost(GOAL)));
    let other = format!("{count} deletes, a run of rclone sync after them");
    let beside = match Rival::Rclone.find() {
        Ok(_) => Row::sample(&other, "", "s", &theirs, None),
        Err(error) => Row::absent(&other, "", &format!("{error:#}")),
    };
    Ok(vec![spread, worst, beside])
}
