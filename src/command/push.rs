//! `dyn push`: what changed, on a cluster.

use std::time::Duration;

use rollout::push::{Done, Push};
use serde_json::json;

use super::cluster::{confirm, listener, options, until_told};
use crate::arguments;
use crate::fault::{Fault, Kind};
use crate::speech;

pub(crate) fn run(push: &arguments::Push) -> Result<(), Fault> {
    let mut options = options(&push.file, &push.goal)?;
    options.registry.clone_from(&push.registry);
    options.force = push.force;
    options.remove = push.remove;
    options.deadline = Duration::from_secs(push.deadline);
    super::dev::runtime()?.block_on(async {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let (unheard, _) = tokio::sync::watch::channel(true);
        let ready = until_told(Push::prepare(options, listener(push.json)), unheard).await?;
        show(&ready, push.json);
        if ready.is_nothing() || push.plan {
            return Ok(());
        }
        let access = ready.access();
        if !confirm(&format!("push to {} / {}?", access.context, access.namespace), push.yes)? {
            return Err(Fault::new(Kind::Interrupted, "nothing was pushed"));
        }
        let done = until_told(ready.carry_out(stopped), stop).await?;
        tell(&done, push.json);
        Ok(())
    })
}

fn show(push: &Push, json: bool) {
    let (needed, missing, reasons) = (push.needed(), push.missing(), push.reasons());
    if json {
        let services: Vec<_> = push
            .wanted()
            .services
            .iter()
            .map(|service| {
                let there = push.site().running.current(&service.name);
                json!({
                    "service": service.name, "changed": needed.contains(&service.name), "version": service.version,
                    "image_before": there.map(|there| &there.image), "image_after": service.image,
                    "reasons": reasons.get(&service.name),
                })
            })
            .collect();
        drop(speech::out(
            json!({ "event": "plan", "services": services, "bytes": missing.bytes, "layers": missing.layers }),
        ));
        return;
    }
    for service in &push.wanted().services {
        let there = push.site().running.current(&service.name);
        let what = match there {
            _ if !needed.contains(&service.name) => "unchanged".to_owned(),
            None => "new".to_owned(),
            Some(_) => match reasons.get(&service.name) {
                Some(reasons) => format!("changed: {}", reasons.join(", ")),
                None => "changed".to_owned(),
            },
        };
        drop(speech::err(format_args!("  {}  {}  {what}", service.name, service.version)));
    }
    if needed.is_empty() {
        drop(speech::err("nothing to push: everything runs as it is wanted"));
    } else {
        drop(speech::err(format_args!("{} layers to send, {} KB", missing.layers, missing.bytes / 1000)));
    }
}

/// The last words of a push or rollback.
pub(crate) fn tell(done: &Done, json: bool) {
    if json {
        drop(speech::out(
            json!({ "event": "done", "number": done.number, "services": done.services, "sent": done.sent, "ms": done.ms }),
        ));
        return;
    }
    let services = done.services.join(", ");
    drop(speech::err(format_args!(
        "{services} live as push {}: {:.1} s, {} KB sent",
        done.number,
        done.ms / 1e3,
        done.sent / 1000
    )));
}
