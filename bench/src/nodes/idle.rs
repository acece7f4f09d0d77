//! An agent that has nothing to do but to know its fleet.

use std::time::Duration;

use super::Run;
use super::fleet::Fleet;
use crate::memory;
use crate::report::{Row, Target};

/// As many nodes as have eight neighbours each.
const NODES: usize = 9;
const SETTLES: Duration = Duration::from_secs(5);
const TIME: Duration = Duration::from_secs(20);

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let fleet = Fleet::start(&run.setting, NODES).await?;
    let pid = fleet.pid(2)?;
    tokio::time::sleep(SETTLES).await;
    let before = memory::processor(pid)?;
    tokio::time::sleep(TIME).await;
    let used = (memory::processor(pid)? - before).as_secs_f64() / TIME.as_secs_f64() * 100.0;
    let (resident, own) = (memory::resident(pid)?, memory::own(pid)?);
    let row = |name: &str, unit, value, most| Row::value(name, "", unit, 1, value, Some(Target::AtMost(most)));
    Ok(vec![
        row("idle agent with 8 neighbours: resident memory", "MiB", resident, 15.0).note(format!(
            "{own:.1} MiB are its own; the others are pages of the program, which all that run it share"
        )),
        row("idle agent with 8 neighbours: of one core", "%", used, 1.0),
    ])
}
