//! Lines of all pods with some labels, as pods come and go.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::{AsyncBufReadExt, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::access::Access;
use super::error::ClusterError;
use super::logs::{Marks, PodLine};
use super::roster::{PodSeen, Roster, roster};

/// Before a log is asked for again that ended while its pod did not: its container is started again, or the API server.
const PAUSE: Duration = Duration::from_millis(500);
/// The log of a pod that is gone ends within this, or never.
const LAST: Duration = Duration::from_secs(5);
/// Lines on their way: who reads slowly has the cluster wait.
const LINES: usize = 256;

/// What is told of pods and their lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// A pod wrote.
    Line(PodLine),
    /// A pod came, after those that were there at first.
    Began { pod: String },
    /// A pod is gone, and all it wrote is told.
    Ended { pod: String },
    /// Something is in the way, in words.
    Trouble(String),
}

/// Follows the lines of pods with labels, `key=value,…`, of one service where one is named by its Rust name: the last ones of
/// each pod that is there, all of each that comes. Dropping the receiver ends it. A log that breaks off is taken up where it
/// broke.
pub fn tail(access: &Access, labels: &str, service: Option<&str>, last: i64) -> Receiver<Tail> {
    let (sender, receiver) = mpsc::channel(LINES);
    let (access, labels, service) = (access.clone(), labels.to_owned(), service.map(str::to_owned));
    tokio::spawn(async move {
        tokio::select! {
            () = follow(&access, &labels, service.as_deref(), last, &sender) => {}
            () = sender.closed() => {}
        }
    });
    receiver
}

async fn follow(access: &Access, labels: &str, service: Option<&str>, last: i64, sender: &Sender<Tail>) {
    let mut rosters = pin!(roster(access, labels));
    let mut following: HashMap<String, oneshot::Sender<()>> = HashMap::new();
    let (mut tasks, mut is_first, mut trouble) = (JoinSet::new(), true, None);
    let is_meant = |seen: &PodSeen| service.is_none_or(|name| seen.services.iter().any(|it| it.service == name));
    while let Some(Roster { mut pods, trouble: now }) = rosters.next().await {
        pods.retain(|_, seen| is_meant(seen));
        if now != trouble {
            if let Some(words) = &now {
                tell(sender, Tail::Trouble(words.clone())).await;
            }
            trouble = now;
        }
        // Each ends its log by itself, and says so, once its sender is dropped.
        following.retain(|pod, _| pods.contains_key(pod));
        while tasks.try_join_next().is_some() {}
        for pod in pods.into_keys() {
            if following.contains_key(&pod) {
                continue;
            }
            if !is_first {
                tell(sender, Tail::Began { pod: pod.clone() }).await;
            }
            let (stay, gone) = oneshot::channel();
            following.insert(pod.clone(), stay);
            let lines = if is_first { Some(last) } else { None };
            tasks.spawn(one(access.clone(), (pod, service.map(str::to_owned)), lines, gone, sender.clone()));
        }
        is_first = false;
    }
}

/// Nobody takes it only where nobody listens any more, which ends all of it.
async fn tell(sender: &Sender<Tail>, tail: Tail) {
    drop(sender.send(tail).await);
}

async fn one(
    access: Access,
    (pod, service): (String, Option<String>),
    mut last: Option<i64>,
    gone: oneshot::Receiver<()>,
    sender: Sender<Tail>,
) {
    let mut marks = Marks::default();
    let mut gone = pin!(gone);
    let (mut is_gone, mut seen) = (false, None);
    loop {
        let ended = {
            let mut told = |line: &str| {
                let mut lines = marks.part(&pod, line);
                lines.retain(|line| line.is_of(service.as_deref()));
                lines
            };
            let mut reading = pin!(read(&access, &pod, last, &mut seen, &mut told, &sender));
            tokio::select! {
                ended = &mut reading => ended,
                _ = &mut gone => {
                    is_gone = true;
                    // Some of its lines may still be on their way.
                    tokio::time::timeout(LAST, reading).await.unwrap_or(Ok(()))
                }
            }
        };
        // Any other error: it has none yet, or none any more, or the API server is away: the roster says which.
        if let Err(error @ (ClusterError::Forbidden { .. } | ClusterError::Unauthorized { .. })) = ended {
            tell(&sender, Tail::Trouble(error.to_string())).await;
            return;
        }
        if is_gone {
            break;
        }
        if seen.is_some() {
            // From where it broke off on, however much that is.
            last = None;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = &mut gone => break,
        }
    }
    tell(&sender, Tail::Ended { pod }).await;
}

/// Reads a log to its end. `seen` is the time of the last line that was told: those up to it are not told again.
async fn read(
    access: &Access,
    pod: &str,
    last: Option<i64>,
    seen: &mut Option<Timestamp>,
    part: &mut (impl FnMut(&str) -> Vec<PodLine> + Send),
    sender: &Sender<Tail>,
) -> Result<(), ClusterError> {
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let before = *seen;
    // The question is in whole seconds, rounded.
    let since_time = before.and_then(|before| before.checked_sub(Duration::from_secs(1)).ok());
    let parameters = LogParams { tail_lines: last, follow: true, timestamps: true, since_time, ..LogParams::default() };
    let doing = format!("read the log of {pod}");
    let reader = access.ask(&doing, pods.log_stream(pod, &parameters)).await?;
    let mut lines = reader.lines();
    while let Some(line) = lines.next().await {
        let line = line.map_err(|error| ClusterError::of(&access.server, &doing, kube::Error::ReadEvents(error)))?;
        // What comes without a time was written by nobody in the pod: it is why the node has no more of its lines.
        let Some((at, text)) = split(&line) else { continue };
        if before.is_some_and(|before| at <= before) {
            continue;
        }
        *seen = Some(at);
        for line in part(text) {
            tell(sender, Tail::Line(line)).await;
        }
    }
    Ok(())
}

/// The time that stands before a line, and the line.
pub(super) fn split(line: &str) -> Option<(Timestamp, &str)> {
    let (at, text) = line.split_once(' ').unwrap_or((line, ""));
    Some((at.parse().ok()?, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_parted_from_its_time() {
        let parted = split("2026-11-21T13:52:45.120000001Z ready  to go");
        assert_eq!(parted.map(|(at, text)| (at.subsec_nanosecond(), text)), Some((120_000_001, "ready  to go")));
        assert_eq!(split("2026-11-21T13:52:45Z").map(|(_, text)| text), Some(""));
        assert_eq!(split("unable to retrieve container logs for containerd://6d36"), None);
    }
}
