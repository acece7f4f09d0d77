//! What happens outside, told to the loop: saves, and what the backend sees. Lines of services stay in the backend's own
//! queue, which is bounded, until the loop has nothing else to do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use local_cluster::{Backend, Stream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use watcher::Watcher;

use crate::event::Event;

/// Tells of every save of the files to follow.
pub(crate) async fn saves(mut files: watch::Receiver<BTreeSet<PathBuf>>, events: UnboundedSender<Event>) {
    if files.wait_for(|files| !files.is_empty()).await.is_err() {
        return;
    }
    let wanted = files.borrow_and_update().clone();
    let mut watcher = match Watcher::new(&wanted) {
        Ok(watcher) => watcher,
        Err(error) => {
            let message = format!("saves are not seen: {error}");
            return drop(events.send(Event::Notice { message }));
        }
    };
    let mut polling = false;
    loop {
        if let Some(why) = watcher.polling().filter(|_| !polling) {
            polling = true;
            let message =
                format!("looking at files five times a second, because the system cannot tell of saves: {why}");
            drop(events.send(Event::Notice { message }));
        }
        tokio::select! {
            batch = watcher.next() => {
                let Some(batch) = batch else { return };
                if events.send(Event::Saved { settled: batch.settled, files: batch.files }).is_err() {
                    return;
                }
            }
            changed = files.changed() => {
                if changed.is_err() {
                    return;
                }
                let wanted = files.borrow_and_update().clone();
                if let Err(error) = watcher.watch(&wanted) {
                    drop(events.send(Event::Notice { message: format!("some saves are not seen: {error}") }));
                }
            }
        }
    }
}

/// The next thing that happens on the backend. While there is none, nothing does. Nothing is lost where this is given up.
pub(crate) async fn backend(backend: Option<&Arc<dyn Backend>>) -> Event {
    let Some(backend) = backend else { return std::future::pending().await };
    match backend.next().await {
        Some(event) => told(event),
        None => std::future::pending().await,
    }
}

fn told(event: local_cluster::BackendEvent) -> Event {
    match event {
        local_cluster::BackendEvent::Log { service, stream, line } => {
            let stream = match stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
                Stream::Dropped => "dropped",
            };
            Event::Log { service, stream, line }
        }
        local_cluster::BackendEvent::Down { service, why, by } => Event::Down { service, why, by },
        local_cluster::BackendEvent::Notice(message) => Event::Notice { message },
        local_cluster::BackendEvent::HopsByTcp(why) => Event::HopsByTcp { why },
    }
}
