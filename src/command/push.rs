//! `dyn push`: what changed, on a cluster.

use std::time::Duration;

use kubernetes::push::{Push, PushDone};
use serde_json::json;
use session_api::units;

use super::cluster::{listener, options, until_told};
use super::on_nodes;
use crate::arguments;
use crate::fault::{Fault, Kind};
use crate::question::confirm;
use crate::{speech, start};

pub(crate) fn run(push: &arguments::Push) -> Result<(), Fault> {
    let mut options = options(&push.file, &push.goal)?;
    options.registry.clone_from(&push.registry);
    options.settings.images.serve |= push.serve;
    options.services = push.services.iter().cloned().collect();
    options.with_dependents = push.with_dependents;
    options.force = push.force;
    options.remove = push.remove;
    options.deadline = Duration::from_secs(push.deadline);
    options.joins = push.join.is_some();
    match &options.settings.node {
        Some(node) => on_nodes::check(node)?,
        None if options.joins => {
            return Err(Fault::new(Kind::Usage, "--join is for apps with a node: dyn.toml has no [node]")
                .hint("write [node] into dyn.toml; `dyn node join` has this machine join"));
        }
        None => {}
    }
    start::runtime()?.block_on(async {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let (unheard, _) = tokio::sync::watch::channel(true);
        let mut ready = until_told(Push::prepare(options, listener(push.json)), unheard).await?;
        show(&ready, push.json);
        if ready.is_nothing() || push.plan {
            return Ok(());
        }
        let access = ready.access();
        if !confirm(&format!("push to {} / {}?", access.context, access.namespace), push.yes)? {
            return Err(Fault::new(Kind::Interrupted, "nothing was pushed"));
        }
        if let (Some(token), Some(name)) = (&push.join, ready.joins_as()) {
            ready.bring(on_nodes::join_for(token, &name).await?);
            drop(speech::err(format_args!("joined as {name}")));
        }
        let done = until_told(ready.carry_out(stopped), stop).await?;
        tell(&done, push.json);
        Ok(())
    })
}

fn show(push: &Push, json: bool) {
    let (plan, missing, access) = (push.plan(), push.missing(), push.access());
    if json {
        let target = json!({
            "context": access.context, "namespace": access.namespace, "server": access.server,
            "cluster": access.identity.to_string(),
        });
        drop(speech::json(json!({
            "event": "plan", "plan": plan, "target": target,
            "missing": { "layers": missing.layers, "bytes": missing.bytes },
            "unfinished": push.site().is_unfinished(),
        })));
        return;
    }
    drop(speech::err(plan));
    if push.is_nothing() {
        drop(speech::err("nothing to push: everything runs as it is wanted"));
        return;
    }
    if push.site().is_unfinished() {
        drop(speech::err("the last push was ended in the midst of it: this one goes on"));
    }
    drop(speech::err(format_args!(
        "{} to send, {}",
        units::many(missing.layers, "layer"),
        units::bytes(missing.bytes)
    )));
}

/// The last words of a push or rollback.
pub(crate) fn tell(done: &PushDone, json: bool) {
    if json {
        drop(speech::json(
            json!({ "event": "done", "number": done.number, "services": done.services, "sent": done.sent, "ms": done.ms }),
        ));
        return;
    }
    let services = done.services.join(", ");
    drop(speech::err(format_args!(
        "{services} live as push {}: {:.1} s, {} sent",
        done.number,
        done.ms / 1e3,
        units::bytes(done.sent)
    )));
}
