//! `dyn status`, `logs` and `invoke` with `--cluster`: the same of what runs there, through its API server.

use std::path::Path;

use futures_util::StreamExt;
use futures_util::stream::select_all;
use rollout::cluster::{Forward, To, connect, lines, pods};
use rollout::model::{PORT, Running};
use rollout::object::label;
use rollout::push::{PushError, Site};
use serde_json::json;

use super::cluster::{load, target};
use crate::arguments::{Goal, Invoke, Logs};
use crate::fault::{Fault, Kind};
use crate::speech;

/// Lines of each pod that are shown where nobody says how many.
const LINES: usize = 200;

pub(crate) fn status(file: &Path, as_json: bool, goal: &Goal) -> Result<(), Fault> {
    let (app, _, _) = load(file)?;
    super::dev::runtime()?.block_on(async {
        let access = connect(&target(goal)).await?;
        let site = Site::look(&access, &app.name).await.map_err(PushError::from)?;
        if as_json {
            let said = json!({
                "app": app.name, "context": access.context, "namespace": access.namespace, "server": access.server,
                "cluster": access.identity.to_string(), "services": site.running.services,
                "unfinished": site.is_unfinished(),
            });
            drop(speech::out(said));
            return Ok(());
        }
        drop(speech::out(format_args!("{} on {}, namespace {}", app.name, access.context, access.namespace)));
        if site.is_unfinished() {
            drop(speech::out("the last push was ended in the midst of it: the next one goes on"));
        }
        show(&site.running);
        Ok(())
    })
}

fn show(running: &Running) {
    let width = running.services.iter().map(|service| service.name.len()).max().unwrap_or_default();
    for service in &running.services {
        let by = service.pushed_by.as_deref().map(|by| format!("  by {by}")).unwrap_or_default();
        let at =
            service.pushed_at.as_deref().and_then(|at| at.get(..19)).map(|at| format!(" at {at}")).unwrap_or_default();
        let old = if service.current { "" } else { "  (for callers of old)" };
        let (name, version) = (&service.name, &service.version);
        let line = format!("  {name:width$}  {} of {} ready  {version}{by}{at}{old}", service.ready, service.replicas);
        let drift: String = service.drift.iter().map(|drift| format!("\n    changed by somebody: {drift}")).collect();
        if speech::out(format_args!("{line}{drift}")).is_err() {
            return;
        }
    }
}

pub(crate) fn logs(logs: &Logs) -> Result<(), Fault> {
    let (app, _, _) = load(&logs.file)?;
    let host = match &logs.service {
        Some(service) => Some(super::invoke::find(&app, service)?.host.clone()),
        None => None,
    };
    super::dev::runtime()?.block_on(async {
        let access = connect(&target(&logs.goal)).await?;
        let found = pods(&access, &label::selector(&app.name, host.as_deref())).await?;
        let last = i64::try_from(logs.last.unwrap_or(LINES)).unwrap_or(i64::MAX);
        let mut all = Vec::new();
        for pod in &found {
            all.push(Box::pin(lines(&access, pod, last, logs.follow).await?));
        }
        let mut all = select_all(all);
        while let Some(line) = all.next().await {
            let line = line?;
            let said = match logs.json {
                true => speech::out(json!({ "pod": line.pod, "line": line.text })),
                false => speech::out(format_args!("{} | {}", line.pod, line.text)),
            };
            // Whoever read them has gone.
            if said.is_err() {
                break;
            }
        }
        Ok(())
    })
}

pub(crate) fn invoke(invoke: &Invoke) -> Result<(), Fault> {
    let (app, _, _) = load(&invoke.file)?;
    let service = super::invoke::find(&app, &invoke.service)?;
    let inputs = super::invoke::inputs(service, &invoke.inputs)?;
    super::dev::runtime()?.block_on(async {
        let access = connect(&target(&invoke.goal)).await?;
        let site = Site::look(&access, &app.name).await.map_err(PushError::from)?;
        let running = site.running.current(&service.name).ok_or_else(|| {
            Fault::new(Kind::App, format!("{} does not run on {} / {}", service.name, access.context, access.namespace))
                .hint(format!("`dyn push {}` brings it there", invoke.file.display()))
        })?;
        let labels = format!("{},{}={}", label::selector(&app.name, Some(&service.host)), label::WIRE, running.wire);
        let forward = Forward::open(&access, To::AnyOf(labels), PORT).await;
        let forward = forward.map_err(|error| Fault::new(Kind::Machine, format!("failed to open a port: {error}")))?;
        let called =
            super::invoke::call(&format!("http://{}/", forward.address), &inputs, invoke.route.as_deref()).await;
        // A connection that was led nowhere only ends: why is known here.
        called.map_err(|fault| match forward.trouble() {
            Some(trouble) => Fault::new(Kind::Machine, format!("failed to {trouble}")),
            None => fault,
        })
    })
}
