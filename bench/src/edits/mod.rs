//! From a save to the first answer of the new code.

mod body;
mod building;
mod idle;
mod kinds;
mod large;
mod load;
mod peer;
mod verdict;
mod watched;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use procfs::Current;

use crate::arguments::{Edits, On, Part};
use crate::report::{Report, Row};
use crate::session::Setting;
use crate::{docker, program, shadow, table};

/// What every part works with.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Edits,
    setting: Setting,
    grounds: Vec<On>,
    /// Stands in every edit: what an earlier run built is found by its content and would not be built again.
    nonce: u64,
}

/// Measures, prints the table, writes the JSON.
pub(crate) async fn run(options: &Edits) -> anyhow::Result<Report> {
    let setting = Setting {
        program: program::find(options.program.as_deref()).await?,
        home: program::workspace().join("target/bench/home"),
    };
    std::fs::create_dir_all(&setting.home).with_context(|| format!("create {}", setting.home.display()))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let engine = docker::answers();
    let grounds = options.on.iter().copied().filter(|on| *on == On::Process || engine).collect();
    let run = Run { options, setting, grounds, nonce: since.as_secs() % 100_000_000 };
    let mut report = Report { conditions: conditions(&run)?, rows: Vec::new() };
    if !engine && options.on.contains(&On::Docker) {
        report.rows.push(Row::absent("everything", "docker", "no engine answers"));
    }
    for part in &options.only {
        eprintln!("bench: {part:?}");
        let (name, rows) = match part {
            Part::Body => ("body", body::measure(&run).await),
            Part::Kinds => ("kinds", kinds::measure(&run).await),
            Part::Large => ("large", large::measure(&run).await),
            Part::Load => ("load", load::measure(&run).await),
            Part::Idle => ("idle", idle::measure(&run).await),
            Part::Verdict => ("verdict", verdict::measure(&run).await),
        };
        report.rows.extend(rows.unwrap_or_else(|error| vec![Row::failed(name, "", &format!("{error:#}"))]));
    }
    println!("{}", table::draw(&report));
    let json = options.json.clone().unwrap_or_else(|| program::workspace().join("target/bench/edits.json"));
    write(&json, &report)?;
    eprintln!("bench: wrote {}", json.display());
    Ok(report)
}

/// What somebody has to know who compares two runs.
fn conditions(run: &Run<'_>) -> anyhow::Result<Vec<String>> {
    let cores = std::thread::available_parallelism().context("count the cores")?;
    let load = procfs::LoadAverage::current().context("read the load")?;
    let rustc = std::process::Command::new("rustc").arg("--version").output().context("start rustc")?;
    let commit = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(program::workspace())
        .output();
    let commit = commit.ok().filter(|output| output.status.success());
    let commit = commit.map_or_else(|| "unknown".to_owned(), |output| words(&output.stdout));
    let built = match &run.options.program {
        Some(named) => format!("{}, as named", named.display()),
        None => format!("{} build of {commit}", program::PROFILE),
    };
    Ok(vec![
        format!("dyn: {built}"),
        format!("machine: {cores} cores, load {:.2} at the start; {}", load.one, words(&rustc.stdout)),
        "times in ms from the write of the file; p50, p95: nearest rank".to_owned(),
    ])
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn write(file: &Path, report: &Report) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(report).context("write the report as JSON")?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    std::fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// Whether a program is found by PATH.
fn is_installed(program: &str) -> bool {
    shadow::find(program).is_some()
}

/// Saves a file as simple editors do: in place.
fn save(file: &Path, text: &str) -> anyhow::Result<std::time::Instant> {
    let at = std::time::Instant::now();
    std::fs::write(file, text).with_context(|| format!("save {}", file.display()))?;
    Ok(at)
}
