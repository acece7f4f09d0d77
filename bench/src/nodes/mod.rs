//! Nodes that share load: what an agent costs, and a request that another node serves.

mod admission;
mod away;
mod bytes;
mod chain;
mod cut;
mod fleet;
mod haproxy;
mod idle;
mod published;
mod simulated;

use std::time::Duration;

use anyhow::Context;

use crate::arguments::{NodePart, Nodes};
use crate::load::{Length, Load};
use crate::report::{Report, Row};
use crate::session::Setting;
use crate::{conditions, program, table};

/// What every part works with.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Nodes,
    setting: Setting,
}

/// Measures, prints the table, writes the JSON.
pub(crate) async fn run(options: &Nodes) -> anyhow::Result<Report> {
    let needs_program = options.only.iter().any(|part| !part.is_within());
    let program = if needs_program { program::find(options.program.as_deref()).await? } else { "dyn".into() };
    let setting = Setting { program, home: program::workspace().join("target/bench/home") };
    std::fs::create_dir_all(&setting.home).with_context(|| format!("create {}", setting.home.display()))?;
    let run = Run { options, setting };
    let mut report = Report { conditions: conditions::lines(options.program.as_deref())?, rows: Vec::new() };
    report.conditions.push(format!(
        "{} rounds, everything that is compared in turn; nodes are network namespaces of this machine (tests/testbed/nodes, \
         as root) and run a function that formats a text",
        options.rounds
    ));
    let json = options.json.clone().unwrap_or_else(|| program::workspace().join("target/bench/nodes.json"));
    for part in &options.only {
        eprintln!("bench: nodes: {part:?}");
        let (name, rows) = match part {
            NodePart::Chain => ("chain", chain::measure(&run).await),
            NodePart::Away => ("away", away::measure(&run).await),
            NodePart::Idle => ("idle", idle::measure(&run).await),
            NodePart::Cut => ("cut", cut::measure(&run).await),
            NodePart::Bytes => ("bytes", bytes::measure(&options.sizes)),
            NodePart::Admission => ("admission", admission::measure()),
            NodePart::Simulated => ("simulated", simulated::measure()),
            NodePart::Published => ("published", published::measure(&run).await),
        };
        report.rows.extend(rows.unwrap_or_else(|error| vec![Row::failed(name, "", &format!("{error:#}"))]));
    }
    let text = serde_json::to_vec_pretty(&report).context("write the report as JSON")?;
    if let Some(folder) = json.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    std::fs::write(&json, text).with_context(|| format!("write {}", json.display()))?;
    println!("{}", table::draw(&report));
    eprintln!("bench: wrote {}", json.display());
    Ok(report)
}

impl Run<'_> {
    /// A load of so many connections that keep theirs, for one turn.
    fn load(&self, connections: usize) -> Load {
        let time = Duration::from_secs_f64(self.options.seconds);
        Load { connections, keep: true, warm: time / 5, length: Length::Time(time), pace: None }
    }
}
