//! Settings of buckets: read, planned, applied and printed.

use std::path::Path;

use data::planning::{ConfigPlan, ConfigStep};
use data::{DataMistake, DataSettings};
use reqwest::Method;
use serde_json::json;

use super::client::DataClient;
use crate::fault::{Fault, Kind};
use crate::{question, speech};

/// Reads a file of settings. All its mistakes are said.
pub(super) fn read(file: &Path) -> Result<DataSettings, Fault> {
    DataSettings::read(&text(file)?).map_err(|mistakes| {
        drop(speech::err(format_args!("{}:", file.display())));
        refused(&mistakes)
    })
}

fn text(file: &Path) -> Result<String, Fault> {
    let text = std::fs::read_to_string(file);
    text.map_err(|error| Fault::new(Kind::Usage, format!("cannot read {}: {error}", file.display())))
}

/// Says mistakes, each with its hint.
pub(super) fn refused(mistakes: &[DataMistake]) -> Fault {
    for mistake in mistakes {
        drop(speech::err(format_args!("error: {mistake}\n  hint: {}", mistake.hint)));
    }
    Fault::said(Kind::App)
}

/// Shows what settings lead to. Whether that is anything.
pub(super) async fn plan(
    client: &DataClient,
    file: &Path,
    move_master: bool,
) -> Result<(DataSettings, ConfigPlan), Fault> {
    let settings = read(file)?;
    let body = json!({ "settings": settings, "move_master": move_master });
    let plan = client.value(client.request(Method::POST, "plan").json(&body)).await?;
    let plan = planned(plan)?;
    if !plan.refused.is_empty() {
        return Err(refused(&plan.refused));
    }
    say(&plan);
    Ok((settings, plan))
}

fn say(plan: &ConfigPlan) {
    if plan.steps.is_empty() {
        drop(speech::out("nothing changes"));
    }
    for step in &plan.steps {
        drop(speech::out(words(step)));
    }
}

/// Changes the settings that the server has, and says what that leads to. It is for changes that delete nothing.
pub(super) async fn change(
    client: &DataClient,
    change: impl FnOnce(&mut DataSettings) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut found = client.value(client.request(Method::GET, "settings")).await?;
    let mut settings = given(found["settings"].take())?;
    change(&mut settings)?;
    let mistakes = data::check::check(&settings);
    if !mistakes.is_empty() {
        return Err(refused(&mistakes));
    }
    let body = json!({ "settings": settings, "revision": found["revision"] });
    let plan = client.value(client.request(Method::POST, "apply").json(&body)).await?;
    say(&planned(plan)?);
    Ok(())
}

fn given(settings: serde_json::Value) -> Result<DataSettings, Fault> {
    serde_json::from_value(settings).map_err(other_version)
}

fn planned(plan: serde_json::Value) -> Result<ConfigPlan, Fault> {
    serde_json::from_value(plan).map_err(other_version)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn other_version(error: serde_json::Error) -> Fault {
    Fault::new(Kind::App, format!("the data server speaks another version: {error}"))
}

fn words(step: &ConfigStep) -> String {
    match step {
        ConfigStep::AddStore { store } => format!("add store {store}"),
        ConfigStep::ForgetStore { store } => format!("forget store {store}; what it holds stays there"),
        ConfigStep::AddBucket { bucket, master } => format!("add bucket {bucket} with its master at {master}"),
        ConfigStep::ForgetBucket { bucket } => format!("forget bucket {bucket}; its objects stay at every store"),
        ConfigStep::Copy { bucket, from, to, objects, bytes } => {
            format!("copy {bucket} from {from} to {to}: {objects} objects, {}", data::amount::size(*bytes))
        }
        ConfigStep::MoveMaster { bucket, from, to } => format!("move the master of {bucket} from {from} to {to}"),
        ConfigStep::Remove { bucket, store, why } => format!("remove {bucket} from {store} ({why})"),
        ConfigStep::Change { bucket } => format!("change settings of {bucket}"),
        ConfigStep::AddEndpoint { endpoint, place } => format!("add endpoint {endpoint} in {place}"),
        ConfigStep::ChangeEndpoint { endpoint } => format!("change endpoint {endpoint}"),
        ConfigStep::ForgetEndpoint { endpoint } => format!("remove endpoint {endpoint}"),
        ConfigStep::ChangePlaces => "change zones or labels of places".to_owned(),
        ConfigStep::ChangeRoutes => "change rules for requests".to_owned(),
        ConfigStep::ChangeServer => "change settings of the server".to_owned(),
    }
}

pub(super) async fn apply(client: &DataClient, file: &Path, move_master: bool, yes: bool) -> Result<(), Fault> {
    let (settings, plan) = plan(client, file, move_master).await?;
    if !plan.steps.is_empty() && !question::confirm("Apply?", yes)? {
        return Err(Fault::said(Kind::App));
    }
    let body = json!({ "settings": settings, "move_master": move_master, "revision": plan.revision });
    client.value(client.request(Method::POST, "apply").json(&body)).await.map(drop)
}

pub(super) async fn export(client: &DataClient) -> Result<(), Fault> {
    let mut found = client.value(client.request(Method::GET, "settings")).await?;
    print(&given(found["settings"].take())?)
}

fn print(settings: &DataSettings) -> Result<(), Fault> {
    let text = settings.write().map_err(|error| Fault::new(Kind::App, error))?;
    drop(speech::script(text.as_bytes()));
    Ok(())
}

/// Prints settings out of FaDO's file, and on stderr what they lack.
pub(super) fn import(file: &Path) -> Result<(), Fault> {
    let imported = data::fado::import(&text(file)?).map_err(|mistake| refused(&[mistake]))?;
    for note in &imported.notes {
        drop(speech::err(format_args!("note: {note}")));
    }
    let mistakes = data::check::check(&imported.settings);
    for mistake in &mistakes {
        drop(speech::err(format_args!("note: {mistake}; {}", mistake.hint)));
    }
    print(&imported.settings)
}
