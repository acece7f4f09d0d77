//! `dyn history`: edits of this machine's sessions, and pushes and rollbacks of the cluster's record, in one order.

use std::path::Path;

use kubernetes::cluster::{ClusterError, connect};
use kubernetes::history::{Operation, PushOutcome, PushRecord, Store};
use serde_json::{Value, json};
use session::{Edited, Home};
use session_api::snapshot::EditOutcome as Became;

use super::cluster::{load, target};
use crate::arguments::Goal;
use crate::fault::{Fault, Kind};
use crate::{speech, start};

/// A line of the timeline.
enum Entry {
    Edit(Edited),
    Record(Box<PushRecord>),
}

pub(crate) fn run(file: &Path, as_json: bool, goal: &Goal) -> Result<(), Fault> {
    let place = Home::open()?.place(file)?;
    let known = session::edits(&place)
        .map_err(|error| Fault::new(Kind::Machine, format!("cannot read the edits of this app: {error}")))?;
    if known.unread > 0 {
        drop(speech::err(format_args!("{} lines of edits do not read", known.unread)));
    }
    let (records, trouble) = match start::runtime()?.block_on(pushed(file, goal)) {
        Ok(records) => (records, None),
        Err(fault) => (Vec::new(), Some(fault)),
    };
    let edits = known.edits.into_iter().map(Entry::Edit);
    let mut all: Vec<_> = edits.chain(records.into_iter().map(|record| Entry::Record(Box::new(record)))).collect();
    // Equal times stay in the order in which they were kept.
    all.sort_by_key(Entry::at);
    if all.is_empty() && trouble.is_none() && !as_json {
        drop(speech::err("nothing was edited or pushed yet"));
    }
    for entry in &all {
        let said = if as_json { speech::json(entry.json()?) } else { speech::out(entry.line()) };
        if said.is_err() {
            break;
        }
    }
    trouble.map_or(Ok(()), Err)
}

/// What was pushed to the cluster that is meant; nothing, and that is said, where no kubeconfig names one.
async fn pushed(file: &Path, goal: &Goal) -> Result<Vec<PushRecord>, Fault> {
    let access = match connect(&target(goal)).await {
        Err(error @ ClusterError::NoKubeconfig { .. }) if goal.context.is_none() => {
            drop(speech::err(format_args!("only edits of this machine are listed: {error}")));
            return Ok(Vec::new());
        }
        access => access?,
    };
    let (app, _, settings) = load(file)?;
    let kept = Store::new(&access, settings.name_of(&app)).all().await.map_err(kubernetes::push::PushError::from)?;
    Ok(kept.into_iter().map(|kept| kept.record).collect())
}

impl Entry {
    fn at(&self) -> String {
        // Times of day in one form sort as they follow each other.
        match self {
            Self::Edit(edit) => format!("{:.3}", edit.at),
            Self::Record(record) => format!("{:.3}", record.at),
        }
    }

    /// A record as the cluster keeps it; an edit beside it says so in `act`.
    fn json(&self) -> Result<Value, Fault> {
        let value = match self {
            Self::Record(record) => serde_json::to_value(record),
            Self::Edit(edit) => serde_json::to_value(edit).map(|mut value| {
                value["act"] = json!("edit");
                value
            }),
        };
        value.map_err(|error| Fault::new(Kind::Machine, format!("cannot write JSON: {error}")))
    }

    fn line(&self) -> String {
        let at = self.at();
        let at = at.get(..19).unwrap_or(&at);
        match self {
            Self::Edit(edit) => edited(at, edit),
            Self::Record(record) => recorded(at, record),
        }
    }
}

fn edited(at: &str, edit: &Edited) -> String {
    let outcome = match &edit.outcome {
        Became::Open => "was being built".to_owned(),
        Became::Live => edit.ms.map_or_else(|| "live".to_owned(), |ms| format!("live after {ms:.0} ms")),
        Became::Unchanged => "changed no meaning".to_owned(),
        Became::Broken { errors: 1 } => "broken, 1 error".to_owned(),
        Became::Broken { errors } => format!("broken, {errors} errors"),
        Became::RolledBack { why } => format!("not taken over: {why}"),
        Became::Superseded => "a later save came first".to_owned(),
    };
    let services = edit.services.iter().map(|service| format!("\n        {}: {}", service.name, service.reason));
    let flow = if edit.flow { "\n        the flow" } else { "" };
    format!("{at}  edit {:<8}  {outcome}{}{flow}", edit.edit, services.collect::<String>())
}

fn recorded(at: &str, record: &PushRecord) -> String {
    let (word, what) = match &record.act {
        Operation::Push => ("push", record.services.values().cloned().collect::<Vec<_>>().join(" ")),
        Operation::Rollback { to, services } => ("rollback", format!("{} as of push {to}", services.join(", "))),
    };
    let outcome = match &record.outcome {
        PushOutcome::Live => "live".to_owned(),
        PushOutcome::Underway => "under way, or cut off".to_owned(),
        PushOutcome::RolledBack { service, why } => format!("put back: {service}: {why}"),
        PushOutcome::Stopped { why } => format!("stopped: {why}"),
    };
    let reasons =
        record.reasons.iter().map(|(service, reasons)| format!("\n        {service}: {}", reasons.join(", ")));
    let name = format!("{word} {}", record.number);
    format!("{at}  {name:<13}  {outcome}, by {}\n        {what}{}", record.by, reasons.collect::<String>())
}
