//! A roll followed by what the API server tells of it, to its end.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::access::Access;
use super::error::ClusterError;
use super::verdict::{self, RollProgress, Verdict, judge};
use super::{logs, node};

/// How long after the last news the API server is asked whether it is still there: a watch that is cut says nothing.
const QUIET: Duration = Duration::from_secs(2);
/// How long an API server may be gone during a roll, which goes on without it.
const GONE: Duration = Duration::from_secs(60);
/// The last lines that are told of a container that ended.
const LINES: i64 = 12;

/// Lines that cannot be had are asked for so often, with this pause.
const LOOKS: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// How a roll ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rolled {
    /// Every pod is of the new version and takes requests.
    Live,
    /// It does not get there.
    Failed {
        why: String,
        /// The last lines of a container that ended.
        lines: Vec<String>,
    },
}

#[derive(Clone, Debug)]
pub struct Follow {
    pub deployment: String,
    /// The labels of its pods: `key=value,…`.
    pub selector: String,
    /// When it has failed, whatever its pods say.
    pub deadline: Duration,
}

/// Follows a roll until it is live or has failed; `tell` is told how it stands whenever that changed.
///
/// # Errors
/// The API server is gone for a minute, or does not let the roll be watched.
pub async fn follow(
    access: &Access,
    what: &Follow,
    mut tell: impl FnMut(&RollProgress) + Send,
) -> Result<Rolled, ClusterError> {
    let mut view = View::default();
    let mut news = watch(access, what);
    let end = Instant::now() + what.deadline;
    let mut told: Option<RollProgress> = None;
    let mut gone: Option<Instant> = None;
    loop {
        let step = tokio::select! {
            step = news.next() => step,
            () = tokio::time::sleep_until(end) => {
                let RollProgress { why, node, .. } = told.unwrap_or_default();
                let mut why = why.map(|why| format!(": {why}")).unwrap_or_default();
                if let Some(node) = node
                    && let Some(trouble) = node::trouble(access, &node).await
                {
                    why = format!("{why}; {trouble}");
                }
                let why = format!("it was not ready within {} s{why}", what.deadline.as_secs());
                return Ok(Rolled::Failed { why, lines: Vec::new() });
            }
            () = tokio::time::sleep(QUIET) => None,
        };
        match step {
            Some(Ok(change)) => {
                gone = None;
                view.take(change);
            }
            Some(Err(error)) => outlast(
                access.server.as_str(),
                ClusterError::watching(&access.server, "follow the roll", error),
                &mut gone,
            )?,
            None => {
                let deployments: Api<Deployment> = Api::namespaced(access.client.clone(), &access.namespace);
                match access.ask("follow the roll", deployments.get(&what.deployment)).await {
                    Ok(found) => {
                        gone = None;
                        view.take(Change::Deployment(Event::Apply(found)));
                    }
                    Err(error) => outlast(access.server.as_str(), error, &mut gone)?,
                }
            }
        }
        let Some((roll, verdict)) = view.judge(&what.deployment) else { continue };
        let roll = match gone {
            Some(_) => RollProgress {
                why: Some("the API server does not answer; the roll goes on without it".to_owned()),
                ..roll
            },
            None => roll,
        };
        if told.as_ref() != Some(&roll) {
            tell(&roll);
        }
        told = Some(roll);
        match verdict {
            Verdict::Rolling => {}
            Verdict::Live => return Ok(Rolled::Live),
            Verdict::Failed { why, log } => return Ok(failed(access, why, log).await),
        }
    }
}

/// Looks whether a version that was live still is: none of its containers has ended.
///
/// # Errors
/// What the API server says.
pub async fn look_again(access: &Access, what: &Follow) -> Result<Rolled, ClusterError> {
    let parameters = kube::api::ListParams::default().labels(&what.selector);
    let deployments: Api<Deployment> = Api::namespaced(access.client.clone(), &access.namespace);
    let sets: Api<ReplicaSet> = Api::namespaced(access.client.clone(), &access.namespace);
    let pods: Api<Pod> = Api::namespaced(access.client.clone(), &access.namespace);
    let doing = "look again at what was rolled out";
    let (deployment, sets, pods) = tokio::try_join!(
        access.ask(doing, deployments.get(&what.deployment)),
        access.ask(doing, sets.list(&parameters)),
        access.ask(doing, pods.list(&parameters)),
    )?;
    match verdict::relapse(&deployment, &sets.items, &pods.items) {
        Some((why, log)) => Ok(failed(access, why, log).await),
        None => Ok(Rolled::Live),
    }
}

async fn failed(access: &Access, why: String, log: Option<(String, bool)>) -> Rolled {
    let lines = match log {
        Some((pod, previous)) => last_lines(access, &pod, previous).await,
        None => Vec::new(),
    };
    Rolled::Failed { why, lines }
}

/// The last lines of a container that ended. It may have been started again since its pod said so: then those of the run
/// beside the one that was asked for. For a moment between two runs there may be none of either.
async fn last_lines(access: &Access, pod: &str, previous: bool) -> Vec<String> {
    let mut why = None;
    for again in 0..LOOKS {
        if again > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        why = None;
        for previous in [previous, !previous] {
            let said = match logs::tail(access, pod, previous, LINES).await {
                Ok(found) if !found.lines.is_empty() => return found.lines,
                Ok(found) => found.instead,
                Err(error) => Some(error.to_string()),
            };
            why = why.or(said);
        }
        // It wrote nothing: that is all there is to know.
        if why.is_none() {
            break;
        }
    }
    why.map(|why| format!("(its last lines cannot be had: {why})")).into_iter().collect()
}

/// Bears an API server that is away for a while.
fn outlast(server: &str, error: ClusterError, gone: &mut Option<Instant>) -> Result<(), ClusterError> {
    if !error.is_passing() {
        return Err(error);
    }
    let since = *gone.get_or_insert_with(Instant::now);
    if since.elapsed() < GONE {
        return Ok(());
    }
    let why = format!("it has been gone for {} s", since.elapsed().as_secs());
    Err(ClusterError::Unreachable { server: server.to_owned(), doing: "follow the roll".to_owned(), why })
}

enum Change {
    Deployment(Event<Deployment>),
    Set(Event<ReplicaSet>),
    Pod(Event<Pod>),
}

type News = Pin<Box<dyn Stream<Item = Result<Change, watcher::Error>> + Send>>;

fn watch(access: &Access, what: &Follow) -> News {
    let config = watcher::Config::default();
    let named = config.clone().fields(&format!("metadata.name={}", what.deployment));
    let labelled = config.labels(&what.selector);
    let all: [News; 3] = [
        news(access, named, Change::Deployment),
        news(access, labelled.clone(), Change::Set),
        news(access, labelled, Change::Pod),
    ];
    Box::pin(stream::select_all(all))
}

fn news<K>(access: &Access, config: watcher::Config, change: fn(Event<K>) -> Change) -> News
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + 'static,
{
    let api: Api<K> = Api::namespaced(access.client.clone(), &access.namespace);
    Box::pin(watcher(api, config).backoff(Pause).map(move |event| event.map(change)))
}

/// Between two tries to watch. A roll is followed for minutes: a pause that grows would only tell late.
pub(super) struct Pause;

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {}
}

/// What is known, by name.
#[derive(Default)]
struct View {
    deployments: Kind<Deployment>,
    sets: Kind<ReplicaSet>,
    pods: Kind<Pod>,
}

pub(super) struct Kind<K> {
    known: BTreeMap<String, K>,
    /// A list that is being read anew.
    coming: BTreeMap<String, K>,
    complete: bool,
}

impl<K> Default for Kind<K> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), coming: BTreeMap::new(), complete: false }
    }
}

impl<K: ResourceExt> Kind<K> {
    /// Whether everything was read once.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn known(&self) -> impl Iterator<Item = &K> {
        self.known.values()
    }

    pub(super) fn take(&mut self, event: Event<K>) {
        match event {
            Event::Init => self.coming.clear(),
            Event::InitApply(object) => drop(self.coming.insert(object.name_any(), object)),
            Event::InitDone => {
                self.known = std::mem::take(&mut self.coming);
                self.complete = true;
            }
            Event::Apply(object) => drop(self.known.insert(object.name_any(), object)),
            Event::Delete(object) => drop(self.known.remove(&object.name_any())),
        }
    }
}

impl View {
    fn take(&mut self, change: Change) {
        match change {
            Change::Deployment(event) => self.deployments.take(event),
            Change::Set(event) => self.sets.take(event),
            Change::Pod(event) => self.pods.take(event),
        }
    }

    /// None before everything was read once.
    fn judge(&self, deployment: &str) -> Option<(RollProgress, Verdict)> {
        let complete = self.deployments.complete && self.sets.complete && self.pods.complete;
        let deployment = self.deployments.known.get(deployment).filter(|_| complete)?;
        let sets: Vec<_> = self.sets.known.values().cloned().collect();
        let pods: Vec<_> = self.pods.known.values().cloned().collect();
        Some(judge(deployment, &sets, &pods))
    }
}
