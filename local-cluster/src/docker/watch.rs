//! What happens to containers behind the session's back, and what they write.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{EventsOptionsBuilder, InspectContainerOptions, LogsOptionsBuilder};
use futures_util::StreamExt;

use super::Inner;
use crate::backend::{BackendEvent, Doer, Stream};
use crate::ending::of_container;
use crate::engine::{self, GROUP};
use crate::process::shared;
use crate::speech::Speech;

/// Pauses between looks for an engine that is gone, and for processes that stand still.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a container wrote last is read within this after its end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Watches what the engine says of our containers; an engine that goes away is waited for, and what ran is then
/// told as down, so that it is started again.
pub(super) async fn watch(inner: Arc<Inner>) {
    let mut filters = engine::ours(&inner.plan.id);
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    filters.insert("event".to_owned(), ["die", "oom", "pause"].map(str::to_owned).to_vec());
    let closing = || inner.closing.load(Ordering::Acquire);
    while !closing() {
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        let mut events = inner.engine.events(Some(options));
        let mut out_of_memory = HashSet::new();
        while let Some(Ok(event)) = events.next().await {
            let attributes = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
            let Some(group) = attributes.get(GROUP).cloned() else { continue };
            let (why, by) = match event.action.as_deref() {
                Some("oom") => {
                    out_of_memory.insert(group);
                    continue;
                }
                Some("pause") => ("its container is paused".to_owned(), Doer::Others),
                _ if out_of_memory.remove(&group) => ("it was killed for want of memory".to_owned(), Doer::Service),
                _ => of_container(attributes.get("exitCode").map_or("", String::as_str)),
            };
            let ended = event.action.as_deref() != Some("pause");
            let follower = if ended { inner.followers.lock().remove(&group) } else { None };
            match follower.filter(|_| inner.inside().get(&group).is_some_and(|members| members.len() > 1)) {
                // Its last words say which of its services it was.
                Some(follower) => {
                    let inner = inner.clone();
                    tokio::spawn(async move {
                        drop(tokio::time::timeout(LAST_WORDS, follower).await);
                        inner.down(&group, &why, by, ended);
                    });
                }
                None => inner.down(&group, &why, by, ended),
            }
        }
        if closing() {
            return;
        }
        inner.tell(BackendEvent::Notice("the Docker engine is gone; waiting for it".to_owned()));
        while inner.engine.ping().await.is_err() {
            if closing() {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        inner.tell(BackendEvent::Notice("the Docker engine is back".to_owned()));
        reconcile(&inner).await;
    }
}

impl Inner {
    /// Tells of the services in the container of a group that it ended, or is paused.
    fn down(&self, group: &str, why: &str, by: Doer, ended: bool) {
        let members = self.inside().get(group).cloned().unwrap_or_default();
        if ended {
            self.inside().remove(group);
        }
        let condemned: Vec<&String> = members.iter().filter(|service| self.condemned().remove(*service)).collect();
        for service in &members {
            self.still.forget(service);
            let by = match () {
                () if condemned.contains(&service) => Doer::Service,
                // It was another.
                () if !condemned.is_empty() => Doer::Others,
                () => by,
            };
            // What was removed on purpose is not down.
            if !self.closing.load(Ordering::Acquire) && self.wanted().contains(service) {
                let why = shared(&members, service, condemned.first().map(|one| one.as_str()), why);
                self.tell(BackendEvent::Down { service: service.clone(), why, by });
            }
        }
    }
}

/// Notes the process of a service, where its container runs.
pub(super) async fn know(inner: &Inner, service: &str, container: &str) {
    let container = inner.engine.inspect_container(container, None::<InspectContainerOptions>).await;
    // Not there yet, or not there any more: that is told by the engine.
    let Ok(container) = container else { return };
    let pid = container.state.and_then(|state| state.pid).filter(|pid| *pid > 0);
    if let (Some(id), Some(pid)) = (container.id, pid) {
        inner.still.watch(service, id, pid);
    }
}

/// Tells as down what was stopped by a signal: its engine sees nothing of that.
pub(super) async fn watch_processes(inner: Arc<Inner>) {
    while !inner.closing.load(Ordering::Acquire) {
        let wanted: Vec<String> = inner.wanted().iter().cloned().collect();
        for service in wanted.into_iter().filter(|service| !inner.still.knows(service)) {
            let Ok(spec) = inner.specs.get(&service) else { continue };
            know(&inner, &service, &inner.container(&spec)).await;
        }
        for service in inner.still.newly() {
            if inner.wanted().contains(&service) {
                inner.tell(BackendEvent::Down {
                    service,
                    why: "it was stopped by SIGSTOP".to_owned(),
                    by: Doer::Others,
                });
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Tells as down what should run and does not.
async fn reconcile(inner: &Inner) {
    let wanted: Vec<String> = inner.wanted().iter().cloned().collect();
    for service in wanted {
        let Ok(spec) = inner.specs.get(&service) else { continue };
        let container = inner.engine.inspect_container(&inner.container(&spec), None::<InspectContainerOptions>).await;
        let runs = container.ok().and_then(|container| container.state).and_then(|state| state.running) == Some(true);
        if !runs {
            inner.leave(&service);
            let why = "its container ended with the engine".to_owned();
            inner.still.forget(&service);
            inner.tell(BackendEvent::Down { service, why, by: Doer::Others });
        }
    }
}

/// Follows what a container writes until it ends.
pub(super) async fn follow(inner: Arc<Inner>, service: String, name: String) {
    // Only what comes from now on: a container that is started again keeps what it wrote before. The engine's own clock
    // stands in what it says of lines; that of this machine may be another.
    let begun = inner.engine.inspect_container(&name, None::<InspectContainerOptions>).await;
    let begun = begun.ok().and_then(|container| container.state?.started_at?.parse::<jiff::Timestamp>().ok());
    let since = begun.and_then(|begun| i32::try_from(begun.as_second()).ok()).unwrap_or(0);
    let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).since(since).build();
    let mut logs = inner.engine.logs(&name, Some(options));
    let [mut out, mut err] = [Stream::Stdout, Stream::Stderr].map(|stream| Speech::new(service.clone(), stream));
    let tell = |event| inner.tell(event);
    while let Some(output) = logs.next().await {
        match output {
            Ok(output) => {
                let undone = match output {
                    LogOutput::StdErr { message } => err.take(&message, tell),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => out.take(&message, tell),
                    LogOutput::StdIn { .. } => None,
                };
                if let Some(undone) = undone {
                    inner.condemned().insert(undone);
                }
            }
            // An engine that goes away is told of as such; this is one that does not show what it has.
            Err(error) => {
                if engine::status(&error).is_some() && !inner.closing.load(Ordering::Acquire) {
                    let why = protocol::error_chain(&error);
                    inner.tell(BackendEvent::Notice(format!("the engine does not show the lines of {service}: {why}")));
                }
                break;
            }
        }
    }
    out.end(tell);
    err.end(tell);
}
