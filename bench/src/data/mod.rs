//! Buckets in several places: copies beside rclone, JuiceFS and SeaweedFS' own, and requests near their data.

mod bytes;
mod caddy;
mod chain;
mod deletes;
mod door;
mod link;
mod memory;
mod near;
pub(crate) mod options;
mod places;
mod rival;
mod series;
mod server;
mod small;
mod stores;
mod tables;
mod visible;
mod weed;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::chain::{load, open_many_files};
use crate::load::{Goal, Length, Load};
use crate::report::{Report, Row};
use crate::session::Setting;
use crate::{conditions, program, table};
use options::{Data, DataPart};

/// Connections of a load that is as much as is answered.
const BUSY: usize = 32;

/// What every part works with.
#[derive(Debug)]
struct Run<'a> {
    options: &'a Data,
    setting: Setting,
}

/// Measures, prints the table, writes the JSON.
pub(crate) async fn run(options: &Data) -> anyhow::Result<Report> {
    let program = program::find(options.program.as_deref()).await?;
    let setting = Setting { program, home: program::workspace().join("target/bench/home") };
    std::fs::create_dir_all(&setting.home).with_context(|| format!("create {}", setting.home.display()))?;
    open_many_files()?;
    let run = Run { options, setting };
    let mut report = Report { conditions: conditions::lines(options.program.as_deref())?, rows: Vec::new() };
    report.conditions.push(format!(
        "{} rounds, everything that is compared in turn; ratios: of one round, then over the rounds; stores: SeaweedFS {}, \
         each a process of this machine; rivals: {}",
        options.rounds,
        weed::VERSION,
        rival::versions().await
    ));
    let json = options.json.clone().unwrap_or_else(|| program::workspace().join("target/bench/data.json"));
    for part in &options.only {
        eprintln!("bench: data: {part:?}");
        let (name, rows) = match part {
            DataPart::Small => ("small", small::measure(&run).await),
            DataPart::Series => ("series", series::measure(&run).await),
            DataPart::Visible => ("visible", visible::measure(&run).await),
            DataPart::Deletes => ("deletes", deletes::measure(&run).await),
            DataPart::Bytes => ("bytes", bytes::measure(&run).await),
            DataPart::Memory => ("memory", memory::measure(&run).await),
            DataPart::Chain => ("chain", chain::measure(&run).await),
            DataPart::Tables => ("tables", tables::measure(&run).await),
            DataPart::Caddy => ("caddy", caddy::measure(&run).await),
            DataPart::Policies => ("policies", door::policies(&run).await),
            DataPart::Near => ("near", near::measure(&run).await),
        };
        report.rows.extend(rows.unwrap_or_else(|error| vec![Row::failed(name, "", &format!("{error:#}"))]));
        // It takes long: what is known stays known, however this ends.
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
    /// Loads two shapes in turns, each round beginning with the other one.
    async fn pair(&self, goals: &[Goal; 2]) -> anyhow::Result<Pair> {
        let mut pair = Pair { medians: Default::default(), rates: Default::default(), wrong: 0 };
        for round in 0..self.options.rounds as usize {
            for turn in 0..goals.len() {
                let at = (round + turn) % goals.len();
                let (one, many) = (load(&goals[at], self.load(1)).await?, load(&goals[at], self.load(BUSY)).await?);
                pair.wrong += one.asked() - one.right + many.asked() - many.right;
                pair.medians[at].push(one.micros(0.5).context("nothing was answered")?);
                pair.rates[at].push(many.per_second());
            }
        }
        Ok(pair)
    }

    /// A load of so many connections that keep theirs, for one turn.
    fn load(&self, connections: usize) -> Load {
        let time = Duration::from_secs_f64(self.options.seconds);
        Load { connections, keep: true, warm: time / 5, length: Length::Time(time), pace: None }
    }
}

/// What two shapes did, turn by turn.
struct Pair {
    /// p50 at one connection, in µs.
    medians: [Vec<f64>; 2],
    /// Requests a second at [`BUSY`] connections.
    rates: [Vec<f64>; 2],
    /// Requests of both that were not answered.
    wrong: u64,
}

/// The folder with the programs that `tests/testbed/stores` downloads.
fn programs() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).unwrap_or_default();
    cache.join("dyn-testbed/stores")
}

/// A count of requests, as rows have it.
fn count(requests: u64) -> usize {
    usize::try_from(requests).unwrap_or(usize::MAX)
}
