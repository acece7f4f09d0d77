//! One function's body, saved: dyn on both backends and what a user would pick instead, in turn in the same run.

use std::time::Instant;

use anyhow::ensure;

use super::building::{Building, RESULT, builds};
use super::peer::ByHand;
use super::watched::{WATCHERS, Watched};
use super::{Run, is_installed};
use crate::arguments::On;
use crate::report::{Row, Target};
use crate::sample::Sample;
use crate::shadow;

/// With the linker that comes with Rust.
const WITH_LLD: Target = Target::P50AndP95(61.0, 250.0);

/// With wild.
const WITH_WILD: Target = Target::P50(61.0);

/// How many times as long the quickest of what watches a source takes.
const BACON: Target = Target::AtLeast(7.0);

/// An edit in a host of all services over the same where each has its own.
const TOGETHER: f64 = 1.05;

/// Linkers that dyn prefers to the one that comes with Rust.
const FASTER: [&str; 2] = ["wild", "mold"];

/// The lanes that are compared.
const APART: &str = "body of map, rust-lld";
const IN_ONE_HOST: &str = "body of map, rust-lld, together";

/// Somebody who takes an edit to its first answer.
enum Contender {
    Dyn(Box<Building>),
    ByHand(Box<ByHand>),
    Watched(Box<Watched>),
}

/// A contender, what it did, and the words of its failure.
struct Lane {
    name: String,
    backend: &'static str,
    target: Option<Target>,
    contender: Option<Contender>,
    times: Sample,
    gaps: Sample,
    parts: [(&'static str, Sample); 4],
    failed: usize,
    why: String,
}

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let plain = shadow::without(&FASTER)?;
    let mut lanes = Vec::new();
    for on in &run.backends {
        let session = Building::start(&run.setting, on.name(), Some(&plain.path)).await;
        lanes.push(Lane::new(APART, on.name(), Some(WITH_LLD), session.map(|it| Contender::Dyn(Box::new(it)))));
        let session = Building::start_with(&run.setting, on.name(), Some(&plain.path), &["--together", "all"]).await;
        lanes.push(Lane::new(IN_ONE_HOST, on.name(), None, session.map(|it| Contender::Dyn(Box::new(it)))));
        let name = "body of map, wild";
        if is_installed("wild") {
            let session = Building::start(&run.setting, on.name(), None).await;
            lanes.push(Lane::new(name, on.name(), Some(WITH_WILD), session.map(|it| Contender::Dyn(Box::new(it)))));
        } else {
            rows.push(Row::absent(name, on.name(), "wild is not installed"));
        }
    }
    for on in &run.backends {
        let name = if *on == On::Docker { "axum: cargo build, docker restart" } else { "axum: cargo build, restart" };
        let project = ByHand::start(*on == On::Docker).await;
        lanes.push(Lane::new(name, on.name(), None, project.map(|it| Contender::ByHand(Box::new(it)))));
    }
    for watcher in WATCHERS {
        let name = format!("axum: {}", watcher.name);
        if is_installed(watcher.program) {
            let watched = Watched::start(*watcher).await;
            lanes.push(Lane::new(&name, "process", None, watched.map(|it| Contender::Watched(Box::new(it)))));
        } else {
            rows.push(Row::absent(&name, "process", &format!("{} is not installed", watcher.program)));
        }
    }
    rows.push(subsecond());
    for round in 0..run.options.rounds {
        for (number, lane) in lanes.iter_mut().enumerate() {
            // No two lanes save the same text: one would find what the other built.
            let added = (run.nonce * 100_000 + number as u64 * 10_000 + u64::from(round) + 1) as f64;
            lane.edit(added).await;
        }
    }
    let mut told = ratios(&lanes);
    let mut measured: Vec<Row> = lanes.into_iter().flat_map(Lane::rows).collect();
    measured.append(&mut rows);
    measured.append(&mut told);
    Ok(measured)
}

/// Dioxus' hot patch: its program alone does nothing for an app that is not built for it.
fn subsecond() -> Row {
    let why = if is_installed("dx") {
        "dx is installed, but patches only an app that has the dioxus crates built in; not driven by this bench"
    } else {
        "dx is not installed"
    };
    Row::absent("axum: dx serve --hotpatch", "process", why)
}

impl Lane {
    fn new(name: &str, backend: &'static str, target: Option<Target>, contender: anyhow::Result<Contender>) -> Self {
        let (contender, why) = match contender {
            Ok(contender) => (Some(contender), String::new()),
            Err(error) => (None, format!("{error:#}")),
        };
        let parts = ["parse", "build", "takeover", "total"].map(|part| (part, Sample::default()));
        let name = name.to_owned();
        let (times, gaps) = (Sample::default(), Sample::default());
        Self { name, backend, target, contender, times, gaps, parts, failed: 0, why }
    }

    /// One edit; a contender that failed is out for the rest of the run.
    async fn edit(&mut self, added: f64) {
        let begun = Instant::now();
        if let Err(error) = self.try_edit(added).await {
            self.why = format!("after {} edits: {error:#}", self.times.len());
            self.contender = None;
        }
        eprintln!("bench: {} on {}: {:?}", self.name, self.backend, begun.elapsed());
    }

    async fn try_edit(&mut self, added: f64) -> anyhow::Result<()> {
        let (ms, first) = match &mut self.contender {
            None => return Ok(()),
            Some(Contender::ByHand(project)) => project.edit(added).await?,
            Some(Contender::Watched(watched)) => watched.edit(added).await?,
            Some(Contender::Dyn(building)) => {
                let served = building.serve(&building.adding(added), RESULT + added).await?;
                let (compiled, _) = builds(&served.passed);
                ensure!(compiled == 1, "{compiled} services were compiled for an edit of one: {}", served.live);
                for (part, sample) in &mut self.parts {
                    if let Some(ms) = served.live["ms"][*part].as_f64() {
                        sample.push(ms);
                    }
                }
                (served.ms, served.first)
            }
        };
        self.times.push(ms);
        self.gaps.push(first.gap);
        self.failed += first.failed;
        Ok(())
    }

    fn rows(self) -> Vec<Row> {
        if !self.why.is_empty() {
            return vec![Row::failed(&self.name, self.backend, &self.why)];
        }
        let gap = self.gaps.spread().map(|gaps| gaps.p50).unwrap_or_default();
        let note = format!("longest wait for an answer, p50: {gap:.0} ms; {} questions failed", self.failed);
        let mut rows = vec![Row::spread(&self.name, self.backend, &self.times, self.target).note(note)];
        for (part, sample) in self.parts.iter().filter(|(_, sample)| sample.len() > 0) {
            rows.push(Row::spread(&format!("  {part}"), self.backend, sample, None).note("as dyn says"));
        }
        rows
    }
}

/// Together over apart, and each peer's p50 over dyn's on the same backend.
fn ratios(lanes: &[Lane]) -> Vec<Row> {
    let p50 = |lane: &Lane| lane.times.spread().map(|spread| spread.p50);
    let mut rows = Vec::new();
    for together in lanes.iter().filter(|lane| lane.name == IN_ONE_HOST) {
        let apart = lanes.iter().find(|lane| lane.name == APART && lane.backend == together.backend);
        if let Some((ours, theirs)) = p50(together).zip(apart.and_then(p50)) {
            let (name, target) = ("an edit together over apart", Some(Target::AtMost(TOGETHER)));
            rows.push(Row::value(name, together.backend, "times", together.times.len(), ours / theirs, target));
        }
    }
    for peer in lanes.iter().filter(|lane| lane.target.is_none() && lane.name != IN_ONE_HOST) {
        let ours = lanes.iter().find(|lane| lane.target.is_some() && lane.backend == peer.backend);
        if let Some((ours, theirs)) = ours.and_then(p50).zip(p50(peer)) {
            let name = format!("{} over dyn", peer.name);
            let target = peer.name.contains("bacon").then_some(BACON);
            rows.push(Row::value(&name, peer.backend, "times", peer.times.len(), theirs / ours, target));
        }
    }
    rows
}
