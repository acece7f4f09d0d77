//! The chain without jobs: with the feature compiled in, and with an idle job server beside.

use super::Run;
use crate::arguments::On;
use crate::chain::app::{App, Readings};
use crate::chain::cell::ratio;
use crate::chain::load;
use crate::report::{Row, Target};
use crate::session::Setting;

/// Connections of the load.
const BUSY: usize = 32;
/// Of the requests of a chain that knows no jobs.
const LEAST: Target = Target::P50AtLeast(0.99);

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let start = |setting: Setting, jobs: bool| async move {
        let further: &[&str] = if jobs { &["--jobs=0"] } else { &[] };
        App::building(&setting, On::Process, Readings::Temperatures, further).await
    };
    let mut apps = vec![start(run.setting.clone(), false).await?, start(run.setting.clone(), true).await?];
    if let Some(program) = &run.options.without {
        apps.push(start(Setting { program: program.clone(), ..run.setting.clone() }, false).await?);
    }
    let mut rates = vec![Vec::new(); apps.len()];
    for round in 0..run.options.rounds as usize * 2 {
        for turn in 0..apps.len() {
            let at = (round + turn) % apps.len();
            rates[at].push(load(&apps[at].door()?, run.load(BUSY)).await?.per_second());
        }
    }
    let compiled = "chain without jobs: requests/s with the feature compiled in, over without";
    let first = match rates.get(2) {
        Some(without) => Row::sample(compiled, "process", "x", &ratio(&rates[0], without), Some(LEAST)),
        None => Row::absent(compiled, "process", "--without names a dyn that was built without the feature jobs"),
    };
    let beside = "chain beside an idle job server: requests/s, over without";
    Ok(vec![first, Row::sample(beside, "process", "x", &ratio(&rates[1], &rates[0]), Some(LEAST))])
}
