//! From a put at the master to its copy, beside what SeaweedFS has for its own.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::json;
use storage::{ObjectHeaders, ObjectStore};

use super::Run;
use super::server::Server;
use super::stores::noise;
use super::weed::{self, Weed};
use crate::chain::process::Process;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Bytes of an object.
const SIZE: usize = 10_000;
/// Between two looks for a copy.
const LOOK: Duration = Duration::from_millis(1);
/// A copy that is not there by then never comes.
const NEVER: Duration = Duration::from_secs(60);

/// Milliseconds from the answer of each put to its copy, of all turns; and the ratio that each turn's median is a part of.
#[derive(Default)]
struct Times {
    all: Vec<f64>,
    medians: Vec<f64>,
}

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let (base, to) = (weed::ports()?, Weed::start().await?);
    let server = Server::start(run).await?;
    let stores = json!({
        "from": weed::settings("from", base + 3, server.home()),
        "to": weed::settings("to", to.port(), server.home()),
    });
    server.apply(&stores, &json!({})).await?;
    // A store learns at its start where its events go.
    let hook = server.good(server.ask(Method::GET, "stores/from/hook")).await?;
    let part = |name: &str| hook[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in {hook}"));
    let url = format!("{}{}", server.url(), part("path")?);
    let from = Weed::start_at(base, Some((&url, &part("token")?))).await?;
    server.up().await?;
    server.apply(&stores, &json!({ "images": { "master": "from", "at": ["to"], "audit": "1h" } })).await?;
    server.whole("images").await?;
    let _synced = synced(&from, &to).await?;
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    for round in 0..run.options.rounds {
        let mut turns = [("images", &mut ours), ("synced", &mut theirs)];
        if round % 2 == 1 {
            turns.reverse();
        }
        for (bucket, times) in turns {
            let taken = turn(run, &from.store()?, &to.store()?, bucket, round).await?;
            times.medians.push(quantile(&taken, 0.5));
            times.all.extend(taken);
        }
    }
    let (puts, pace) = (ours.all.len(), run.options.pace);
    let name = format!("put to its copy, 10 KB, {pace} a second");
    let mut ratios = Sample::default();
    ours.medians.iter().zip(&theirs.medians).for_each(|(ours, theirs)| ratios.push(ours / theirs));
    let words = |times: &Times| {
        let [p50, p99] = [0.5, 0.99].map(|share| quantile(&times.all, share));
        format!("p50 {p50:.1} ms, p99 {p99:.1} ms")
    };
    let row = Row::sample(&format!("{name}: p50 over weed filer.sync"), "", "x", &ratios, Some(Target::P50(3.0)));
    let note = format!("ours: {}; weed filer.sync: {}; told by the filer's webhook", words(&ours), words(&theirs));
    let p99 = quantile(&ours.all, 0.99);
    let last = Row::value(&format!("{name}: p99"), "", "ms", puts, p99, Some(Target::AtMost(500.0)));
    Ok(vec![row.note(note), last])
}

/// `weed filer.sync` for a bucket of its own, once it copies.
async fn synced(from: &Weed, to: &Weed) -> anyhow::Result<Process> {
    for weed in [from, to] {
        weed.store()?.make_bucket("synced").await?;
    }
    let program = super::programs().join(format!("weed-{}", weed::VERSION)).display().to_string();
    let (a, b) = (from.filer(), to.filer());
    let metrics = crate::chain::process::free_port()?;
    let port = metrics.to_string();
    let words = [
        program.as_str(),
        "filer.sync",
        "-isActivePassive",
        "-a",
        &a,
        "-b",
        &b,
        "-a.path=/buckets/synced",
        "-b.path=/buckets/synced",
        "-metricsPort",
        &port,
    ];
    let process = Process::server(&words, metrics, tempfile::tempdir().context("make a folder")?)?;
    from.store()?.put("synced", "first", "first".into(), &ObjectHeaders::new()).await?;
    wait(&to.store()?, "synced", "first").await?;
    Ok(process)
}

/// Puts by a clock, each looked for at the other store; the milliseconds of each.
async fn turn(
    run: &Run<'_>,
    from: &ObjectStore,
    to: &ObjectStore,
    bucket: &'static str,
    round: u32,
) -> anyhow::Result<Vec<f64>> {
    let every = Duration::from_secs_f64(1.0 / run.options.pace);
    let mut clock = tokio::time::interval(every);
    let mut waiting = Vec::new();
    for number in 0..run.options.puts {
        clock.tick().await;
        let (from, to, key) = (from.clone(), to.clone(), format!("{round}/{number:06}"));
        waiting.push(tokio::spawn(async move {
            let bytes = noise((u64::from(round) << 32) | u64::from(number), SIZE);
            from.put(bucket, &key, bytes.into(), &ObjectHeaders::new()).await.context("put")?;
            let begun = Instant::now();
            wait(&to, bucket, &key).await?;
            anyhow::Ok(begun.elapsed().as_secs_f64() * 1e3)
        }));
    }
    let mut taken = Vec::with_capacity(waiting.len());
    for waiting in waiting {
        taken.push(waiting.await.context("wait for a copy")??);
    }
    Ok(taken)
}

async fn wait(to: &ObjectStore, bucket: &str, key: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while to.head(bucket, key).await.with_context(|| format!("look for {key}"))?.is_none() {
        ensure!(begun.elapsed() < NEVER, "{bucket}/{key} has no copy after {NEVER:?}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The smallest value that at least this share of all is not above.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the values")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}
