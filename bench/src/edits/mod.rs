//! From a save to the first answer of the new code.

mod body;
mod building;
mod idle;
mod kinds;
mod large;
mod load;
mod peer;
mod starts;
mod verdict;
mod watched;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;

pub(crate) use building::copy_readings;

use crate::arguments::{Edits, On, Part};
use crate::report::{Report, Row};
use crate::session::Setting;
use crate::{conditions, docker, program, shadow, table};

/// What every part works with.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Edits,
    setting: Setting,
    backends: Vec<On>,
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
    let engine = docker::answers();
    let backends = options.on.iter().copied().filter(|on| *on == On::Process || engine).collect();
    let run = Run { options, setting, backends, nonce: nonce()? };
    let mut report = Report { conditions: described(&run)?, rows: Vec::new() };
    if !engine && options.on.contains(&On::Docker) {
        report.rows.push(Row::absent("everything", "docker", "no engine answers"));
    }
    for part in &options.only {
        eprintln!("bench: {part:?}");
        let (name, rows) = match part {
            Part::Body => ("body", body::measure(&run).await),
            Part::Kinds => ("kinds", kinds::measure(&run).await),
            Part::Large => ("large", large::measure(&run).await),
            Part::Starts => ("starts", starts::measure(&run).await),
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

/// A number that no earlier run had, of eight digits.
pub(crate) fn nonce() -> anyhow::Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(since.as_secs() % 100_000_000)
}

/// What somebody has to know who compares two runs.
fn described(run: &Run<'_>) -> anyhow::Result<Vec<String>> {
    let mut lines = conditions::lines(run.options.program.as_deref())?;
    lines.push("times in ms from the write of the file; p50, p95: nearest rank".to_owned());
    Ok(lines)
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
