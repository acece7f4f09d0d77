//! One function of 200 services in 10,000 lines.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::building::builds;
use super::{Run, save};
use crate::client::Door;
use crate::memory;
use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::session::{Session, millis};

#[path = "../../../crates/app/benches/generate.rs"]
#[expect(unreachable_pub, reason = "other rooms use it, too")]
pub(super) mod generate;

const SERVICES: usize = 200;
const LINES: usize = 10_000;

/// Milliseconds to read an edit of it.
const PARSE: f64 = 10.0;

/// In the middle of the chain.
const EDITED: usize = 100;

/// Services of the app beside it, which one of them is edited, and how much more the same edit may take in the large one.
const FEW: usize = 4;
const EDITED_OF_FEW: usize = 2;
const DEARER: f64 = 1.25;

/// Where processes run: 200 containers tell more of the engine than of the edit.
const BACKEND: &str = "process";

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut large = Generated::start(run, SERVICES, LINES, EDITED).await?;
    let mut small = Generated::start(run, FEW, LINES / SERVICES * FEW, EDITED_OF_FEW).await?;
    let (mut times, mut of_few, mut ratios) = (Sample::default(), Sample::default(), Sample::default());
    let mut parts = ["parse", "build", "takeover", "total"].map(|part| (part, Sample::default()));
    for round in 0..run.options.rounds {
        let few = small.edit(run.nonce, round, &mut []).await?;
        let many = large.edit(run.nonce, round, &mut parts).await?;
        times.push(many);
        of_few.push(few);
        ratios.push(many / few);
    }
    let session = large.session;
    let mut rows = vec![Row::spread("one of 200 services", BACKEND, &times, Some(Target::P50(120.0)))];
    for (part, sample) in &parts {
        let target = (*part == "parse").then_some(Target::P50(PARSE));
        rows.push(Row::spread(&format!("  {part}"), BACKEND, sample, target));
    }
    rows.push(Row::spread("one of 4 services, generated alike", BACKEND, &of_few, None));
    rows.push(Row::sample("one of 200 services over one of 4", BACKEND, "x", &ratios, Some(Target::P50(DEARER))));
    rows.push(
        Row::value("200 services: start", BACKEND, "s", 1, session.start / 1e3, Some(Target::AtMost(10.0)))
            .note("from `dyn` to ready"),
    );
    rows.extend(costs(session.pid()?)?);
    Ok(rows)
}

/// A generated app in a session, one service of which is edited.
struct Generated {
    session: Session,
    door: Door,
    file: PathBuf,
    text: String,
    /// What is replaced by each edit.
    formula: String,
    _folder: TempDir,
}

impl Generated {
    async fn start(run: &Run<'_>, services: usize, lines: usize, edited: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let file = folder.path().join("large.rs");
        let text = generate::program(services, lines);
        let formula = format!("\"sensor {edited} {{value:.2}}\"");
        ensure!(text.matches(&formula).count() == 1, "the generated app has another text than {formula}");
        std::fs::write(&file, &text).context("write the app")?;
        let session = Session::start(&run.setting, &file, BACKEND, None).await?;
        let (url, _) = session.service(&format!("service_{edited}"))?;
        let door = Door::new(&url, json!({ "input": { "sensor": "before", "value": 1.0, "labels": [] } }))?;
        Ok(Self { session, door, file, text, formula, _folder: folder })
    }

    /// Milliseconds from a save to the first answer of the new code; notes what the session says of its parts.
    async fn edit(&mut self, nonce: u64, round: u32, parts: &mut [(&str, Sample)]) -> anyhow::Result<f64> {
        let name = format!("sensor {nonce}-{round} ");
        drop(self.session.drain());
        let saved = save(&self.file, &self.text.replace(&self.formula, &format!("\"{name}{{value:.2}}\"")))?;
        let is_new = |value: &Value| value["sensor"].as_str().is_some_and(|sensor| sensor.starts_with(&name));
        let first = self.door.first(is_new).await;
        let first = first.with_context(|| format!("dyn's last words:\n{}", self.session.last_words()))?;
        let mut passed = Vec::new();
        let live = self.session.wait_noting(&["live"], &mut passed).await?.event;
        let (compiled, _) = builds(&passed);
        ensure!(compiled == 1, "{compiled} services were compiled for an edit of one: {live}");
        for (part, sample) in parts {
            if let Some(ms) = live["ms"][*part].as_f64() {
                sample.push(ms);
            }
        }
        Ok(millis(saved, first.at))
    }
}

fn costs(session: u32) -> anyhow::Result<[Row; 2]> {
    let hosts = memory::hosts(session)?;
    ensure!(hosts.len() == SERVICES, "{} hosts run for {SERVICES} services", hosts.len());
    let mut all = 0.0;
    for (pid, _) in &hosts {
        all += memory::proportional(*pid)?;
    }
    let session = memory::resident(session)?;
    Ok([
        Row::value("200 services: session", BACKEND, "MiB", 1, session, None).note("resident"),
        Row::value("200 services: a host", BACKEND, "MiB", hosts.len(), all / hosts.len() as f64, None)
            .note("mean; shared pages by their share"),
    ])
}
