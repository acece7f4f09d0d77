//! Durable jobs, beside the queues that one would pick instead.

mod bill;
mod flood;
mod million;
mod ours;
mod plain;
mod rates;
mod rival;
mod scale;
mod script;
mod stores;
mod weights;

use std::time::Duration;

use anyhow::Context;

use crate::arguments::{JobPart, Jobs};
use crate::chain::open_many_files;
use crate::load::{Length, Load};
use crate::report::{Report, Row};
use crate::session::Setting;
use crate::{conditions, program, table};

/// What every part works with.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Jobs,
    setting: Setting,
}

/// Measures, prints the table, writes the JSON.
pub(crate) async fn run(options: &Jobs) -> anyhow::Result<Report> {
    let needs_program = options.only.iter().any(|part| *part != JobPart::Scale);
    let program = if needs_program { program::find(options.program.as_deref()).await? } else { "dyn".into() };
    let setting = Setting { program, home: program::workspace().join("target/bench/home") };
    std::fs::create_dir_all(&setting.home).with_context(|| format!("create {}", setting.home.display()))?;
    open_many_files()?;
    let run = Run { options, setting };
    let mut report = Report { conditions: conditions::lines(options.program.as_deref())?, rows: Vec::new() };
    report.conditions.push(format!(
        "{} rounds, everything that is compared in turn; ratios: of one round, then over the rounds; ours: HTTP in, a chain \
         of one service, result and bill stored; peers: their clients and workers in one process, a function that does \
         nothing",
        options.rounds
    ));
    let json = options.json.clone().unwrap_or_else(|| program::workspace().join("target/bench/jobs.json"));
    for part in &options.only {
        eprintln!("bench: jobs: {part:?}");
        let (name, rows) = match part {
            JobPart::Rates => ("rates", rates::measure(&run).await),
            JobPart::Million => ("million", million::measure(&run).await),
            JobPart::Flood => ("flood", flood::measure(&run).await),
            JobPart::Weights => ("weights", weights::measure(&run).await),
            JobPart::Bill => ("bill", bill::measure(&run).await),
            JobPart::Plain => ("plain", plain::measure(&run).await),
            JobPart::Script => ("script", script::measure(&run).await),
            JobPart::Scale => ("scale", Ok(scale::measure())),
        };
        report.rows.extend(rows.unwrap_or_else(|error| vec![Row::failed(name, "", &format!("{error:#}"))]));
        // It takes minutes: what is known stays known, however this ends.
        let text = serde_json::to_vec_pretty(&report).context("write the report as JSON")?;
        if let Some(folder) = json.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        std::fs::write(&json, text).with_context(|| format!("write {}", json.display()))?;
    }
    println!("{}", table::draw(&report));
    eprintln!("bench: wrote {}", json.display());
    Ok(report)
}

impl Run<'_> {
    /// The length of a turn.
    fn turn(&self) -> Duration {
        Duration::from_secs_f64(self.options.seconds)
    }

    /// A load of so many connections that keep theirs, for one turn.
    fn load(&self, connections: usize) -> Load {
        let time = self.turn();
        Load { connections, keep: true, warm: time / 5, length: Length::Time(time), pace: None }
    }
}

/// A load of so many requests over so many connections.
fn requests(count: u64, connections: usize) -> Load {
    Load { connections, keep: true, warm: Duration::ZERO, length: Length::Requests(count), pace: None }
}
