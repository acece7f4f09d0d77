//! `dyn history`: what was pushed to a cluster.

use std::path::Path;

use rollout::cluster::connect;
use rollout::history::{Act, Outcome, Record, Store};
use rollout::object::label;

use super::cluster::{load, target};
use crate::arguments::Goal;
use crate::fault::{Fault, Kind};
use crate::speech;

pub(crate) fn run(file: &Path, json: bool, goal: &Goal) -> Result<(), Fault> {
    let (app, _, _) = load(file)?;
    super::dev::runtime()?.block_on(async {
        let access = connect(&target(goal)).await?;
        let name = label::app(&app.name);
        let kept = Store::new(&access, &name).all().await.map_err(rollout::push::PushError::from)?;
        if kept.is_empty() && !json {
            drop(speech::err(format_args!(
                "{} was never pushed to {} / {}",
                app.name, access.context, access.namespace
            )));
        }
        for kept in &kept {
            let said = if json {
                let text = serde_json::to_string(&kept.record);
                speech::out(text.map_err(|error| Fault::new(Kind::Machine, format!("failed to write JSON: {error}")))?)
            } else {
                speech::out(line(&kept.record))
            };
            if said.is_err() {
                break;
            }
        }
        Ok(())
    })
}

fn line(record: &Record) -> String {
    let what = match &record.act {
        Act::Push => record.services.values().cloned().collect::<Vec<_>>().join(" "),
        Act::Rollback { to, services } => format!("rollback of {} to {to}", services.join(", ")),
    };
    let outcome = match &record.outcome {
        Outcome::Live => "live".to_owned(),
        Outcome::Underway => "under way, or cut off".to_owned(),
        Outcome::RolledBack { service, why } => format!("put back: {service}: {why}"),
        Outcome::Stopped { why } => format!("stopped: {why}"),
    };
    let reasons = record.reasons.iter().map(|(service, reasons)| format!("\n      {service}: {}", reasons.join(", ")));
    let at = record.at.to_string();
    format!(
        "{:>4}  {}  {}  {outcome}\n      {what}{}",
        record.number,
        at.get(..19).unwrap_or(&at),
        record.by,
        reasons.collect::<String>()
    )
}
