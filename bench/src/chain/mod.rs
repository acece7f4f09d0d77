//! What a hop costs, and what becomes of a chain under load.

pub(crate) mod app;
pub(crate) mod cell;
mod crowd;
mod eighty;
mod hops;
mod idle;
mod instances;
mod lengths;
mod moves;
mod overhead;
mod paper;
pub(crate) mod process;
pub(crate) mod proxy;
mod shapes;
mod sizes;
mod soak;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::arguments::{Chain, On, Set};
use crate::load::{self, Goal, Length, Load, Tally};
use crate::report::{Report, Row};
use crate::session::Setting;
use crate::{conditions, docker, program, table};

use cell::Cell;

/// What every set works with.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Chain,
    setting: Setting,
    backends: Vec<On>,
}

/// All of a run: figures of each shape under each load, and rows with targets.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    pub(crate) cells: Vec<Cell>,
    #[serde(flatten)]
    pub(crate) report: Report,
}

impl Findings {
    /// Whether the run should end with an exit code of 1.
    pub(crate) fn is_failed(&self, strict: bool) -> bool {
        self.report.is_failed(strict)
    }
}

/// Measures, prints the table, writes the JSON.
pub(crate) async fn run(options: &Chain) -> anyhow::Result<Findings> {
    let setting = Setting {
        program: program::find(options.program.as_deref()).await?,
        home: program::workspace().join("target/bench/home"),
    };
    std::fs::create_dir_all(&setting.home).with_context(|| format!("create {}", setting.home.display()))?;
    let engine = docker::answers();
    let backends = options.on.iter().copied().filter(|on| *on == On::Process || engine).collect();
    open_many_files()?;
    let run = Run { options, setting, backends };
    let mut report = Report { conditions: conditions::lines(options.program.as_deref())?, rows: Vec::new() };
    report.conditions.push(format!(
        "{} rounds of {} s, everything that is compared in turn; p50, p95, min, max: over the rounds; ratios: of one \
         round, then over the rounds",
        options.rounds, options.seconds
    ));
    let json = options.json.clone().unwrap_or_else(|| program::workspace().join("target/bench/chain.json"));
    let mut findings = Findings { cells: Vec::new(), report };
    if !engine && options.on.contains(&On::Docker) {
        findings.report.rows.push(Row::absent("everything", "docker", "no engine answers"));
    }
    for set in &options.only {
        eprintln!("bench: {set:?}");
        let (name, rows) = match set {
            Set::Hops => ("hops", hops::measure(&run, &mut findings.cells).await),
            Set::Overhead => ("overhead", overhead::measure(&run).await),
            Set::Eighty => ("eighty", eighty::measure(&run).await),
            Set::Paper => ("paper", paper::measure(&run).await),
            Set::Crowd => ("crowd", crowd::measure(&run).await),
            Set::Lengths => ("lengths", lengths::measure(&run).await),
            Set::Sizes => ("sizes", sizes::measure(&run).await),
            Set::Idle => ("idle", idle::measure(&run).await),
            Set::Moves => ("moves", moves::measure(&run).await),
            Set::Instances => ("instances", instances::measure(&run).await),
            Set::Soak => ("soak", soak::measure(&run).await),
        };
        let rows = rows.unwrap_or_else(|error| vec![Row::failed(name, "", &format!("{error:#}"))]);
        findings.report.rows.extend(rows);
        // It takes hours: what is known stays known, however this ends.
        write(&json, &findings)?;
    }
    println!("{}", table::draw(&findings.report));
    if !findings.cells.is_empty() {
        println!("{}\n", cell::draw(&findings.cells));
    }
    eprintln!("bench: wrote {}", json.display());
    Ok(findings)
}

impl Run<'_> {
    /// A load of so many connections that keep theirs, for one turn.
    fn turn(&self, connections: u32) -> Load {
        let time = Duration::from_secs_f64(self.options.seconds);
        Load { connections: connections as usize, keep: true, warm: time / 5, length: Length::Time(time), pace: None }
    }
}

/// Loads on a thread that may block.
pub(crate) async fn load(goal: &Goal, load: Load) -> anyhow::Result<Tally> {
    let goal = goal.clone();
    tokio::task::spawn_blocking(move || load::run(&goal, &load)).await.context("load")?
}

/// A number and what of.
pub(crate) fn counted(n: impl Into<u64>, one: &str) -> String {
    match n.into() {
        1 => format!("1 {one}"),
        many => format!("{many} {one}s"),
    }
}

/// A crowd needs more connections than a shell's limit commonly allows.
pub(crate) fn open_many_files() -> anyhow::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("raise the limit of open files")
}

fn write(file: &Path, findings: &Findings) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(findings).context("write the findings as JSON")?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
}
