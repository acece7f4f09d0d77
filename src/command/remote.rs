//! `dyn cluster status` and `dyn cluster invoke`: what runs there, through its API server.

use std::path::Path;

use kubernetes::cluster::{Forward, To, connect};
use kubernetes::hosts::Hosts;
use kubernetes::model::RunningApp;
use kubernetes::push::{PushError, Site};
use serde_json::json;
use session::Measured;

use super::cluster::{load, target};
use crate::arguments::{Call, Goal};
use crate::fault::{Fault, Kind};
use crate::{speech, start};

pub(crate) fn status(file: &Path, as_json: bool, goal: &Goal) -> Result<(), Fault> {
    let (app, _, settings) = load(file)?;
    let name = settings.name_of(&app).to_owned();
    start::runtime()?.block_on(async {
        let access = connect(&target(goal)).await?;
        let site = Site::look(&access, &name).await.map_err(PushError::from)?;
        // How services do is known without what they measured, too.
        let (measured, troubles) = match site.running.services.is_empty() {
            true => Default::default(),
            false => super::cluster_events::look(file, &name, goal)
                .await
                .unwrap_or_else(|fault| (Default::default(), vec![fault.words()])),
        };
        if as_json {
            let said = json!({
                "app": name, "context": access.context, "namespace": access.namespace, "server": access.server,
                "cluster": access.identity.to_string(), "services": site.running.services,
                "unfinished": site.is_unfinished(), "hops": measured.hops, "troubles": troubles,
            });
            drop(speech::json(said));
            return Ok(());
        }
        drop(speech::out(format_args!("{} on {}, namespace {}", name, access.context, access.namespace)));
        if site.is_unfinished() {
            drop(speech::out("the last push was ended in the midst of it: the next one goes on"));
        }
        show(&site.running, &measured);
        for trouble in troubles {
            drop(speech::err(format_args!("what was measured is not all known: {trouble}")));
        }
        Ok(())
    })
}

fn show(running: &RunningApp, measured: &Measured) {
    let width = running.services.iter().map(|service| service.name.len()).max().unwrap_or_default();
    for service in &running.services {
        let by = service.pushed_by.as_deref().map(|by| format!("  by {by}")).unwrap_or_default();
        let at =
            service.pushed_at.as_deref().and_then(|at| at.get(..19)).map(|at| format!(" at {at}")).unwrap_or_default();
        let old = if service.current { "" } else { "  (for callers of old)" };
        let (name, version) = (&service.name, &service.version);
        let within = service.group.as_deref().or(service.place.as_deref());
        let group = within.map(|within| format!("  in {within}")).unwrap_or_default();
        let ready = format!("{} of {} ready", service.ready, service.replicas);
        let line = format!("  {name:width$}  {ready}{group}  {version}{by}{at}{old}");
        let hop = measured.hops.get(&service.name).filter(|_| service.current);
        let hops = hop.and_then(super::status::hops).unwrap_or_default();
        let drift: String = service.drift.iter().map(|drift| format!("\n    changed by somebody: {drift}")).collect();
        if speech::out(format_args!("{line}{hops}{drift}")).is_err() {
            return;
        }
    }
}

pub(crate) fn invoke(call: &Call, goal: &Goal) -> Result<(), Fault> {
    let Call { file, service, inputs, route } = call;
    let (app, _, settings) = load(file)?;
    let name = settings.name_of(&app).to_owned();
    let service = super::invoke::find(&app, service)?;
    let inputs = super::invoke::inputs(service, inputs)?;
    start::runtime()?.block_on(async {
        let access = connect(&target(goal)).await?;
        let site = Site::look(&access, &name).await.map_err(PushError::from)?;
        let running = site.running.current(&service.name).ok_or_else(|| {
            Fault::new(Kind::App, format!("{} does not run on {} / {}", service.name, access.context, access.namespace))
                .hint(format!("`dyn push {}` brings it there", file.display()))
        })?;
        let forward = Forward::open(&access, To::AnyOf(running.pods.clone()), running.port).await;
        let forward = forward.map_err(|error| Fault::new(Kind::Machine, format!("cannot open a port: {error}")))?;
        // Who may read the app's secret is no stranger to it; who may not is told what strangers are.
        let hosts = Hosts::of(access.clone(), &name).await.ok();
        let key = hosts.as_ref().map(Hosts::key);
        let url = format!("http://{}/", forward.address);
        let called = super::invoke::call(&url, &inputs, route.as_deref(), key).await;
        // A connection that was led nowhere only ends: why is known here.
        called.map_err(|fault| match forward.trouble() {
            Some(trouble) => Fault::new(Kind::Machine, trouble.to_string()),
            None => fault,
        })
    })
}
