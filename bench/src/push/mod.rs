//! From the word to push to the rollout's end, on the cluster for tests.

mod audit;
mod backend;
mod edits;
mod exported;
mod nothing;
mod pushed;
mod traffic;

use anyhow::Context;

use crate::arguments::Push;
use crate::report::{Report, Row};
use crate::session::Setting;
use crate::{conditions, program, table};

/// Where it all is.
const BACKEND: &str = "kubernetes";

/// What every part works with.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Push,
    setting: Setting,
    /// Stands in every edit: what an earlier run built and sent would not be built and sent again.
    nonce: u64,
}

/// Measures, prints the table, writes the JSON.
pub(crate) async fn run(options: &Push) -> anyhow::Result<Report> {
    let setting = Setting {
        program: program::find(options.program.as_deref()).await?,
        home: program::workspace().join("target/bench/home"),
    };
    std::fs::create_dir_all(&setting.home).with_context(|| format!("create {}", setting.home.display()))?;
    let run = Run { options, setting, nonce: crate::edits::nonce()? };
    let mut conditions = conditions::lines(options.program.as_deref())?;
    conditions.push(format!(
        "one function of examples/building.rs at a time, {} requests a second through all of it; times in ms from the \
         start of the command; p50, p95: nearest rank",
        traffic::PACE
    ));
    let mut report = Report { conditions, rows: Vec::new() };
    match backend::kubeconfig() {
        None => report.rows.push(Row::absent("push", BACKEND, "start it with `tests/testbed/kubernetes up 2`")),
        Some(_) => {
            let parts = [
                ("push", edits::measure(&run).await),
                ("push of types", edits::measure_types(&run).await),
                ("push of nothing", nothing::measure(&run).await),
            ];
            for (name, rows) in parts {
                report
                    .rows
                    .extend(rows.unwrap_or_else(|error| vec![Row::failed(name, BACKEND, &format!("{error:#}"))]));
            }
        }
    }
    println!("{}", table::draw(&report));
    let json = options.json.clone().unwrap_or_else(|| program::workspace().join("target/bench/push.json"));
    let text = serde_json::to_vec_pretty(&report).context("write the report as JSON")?;
    std::fs::write(&json, text).with_context(|| format!("write {}", json.display()))?;
    eprintln!("bench: wrote {}", json.display());
    Ok(report)
}
