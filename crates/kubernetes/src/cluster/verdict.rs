//! What a Deployment, its ReplicaSets and its pods say about a roll. Pure.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// How a roll stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollProgress {
    /// Pods of the new version that take requests.
    pub ready: u32,
    /// Pods of the new version there should be.
    pub wanted: u32,
    /// Pods of earlier versions that are not gone yet.
    pub old: u32,
    /// Why a pod of the new version is not ready.
    pub why: Option<String>,
    /// The node that pod is on.
    pub node: Option<String>,
}

/// What is to be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Rolling,
    /// Every pod is of the new version and takes requests.
    Live,
    /// It will not get there.
    Failed {
        why: String,
        /// Whose last lines tell more, and whether they are those of the run before the one that is there now.
        log: Option<(String, bool)>,
    },
}

/// Reasons a container waits for that do not pass by waiting.
const HOPELESS: &[&str] = &[
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// `sets` and `pods` are those that the Deployment's selector finds.
pub(crate) fn judge(deployment: &Deployment, sets: &[ReplicaSet], pods: &[Pod]) -> (RollProgress, Verdict) {
    let status = deployment.status.clone().unwrap_or_default();
    let spec = deployment.spec.as_ref();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let seen = status.observed_generation.unwrap_or_default() >= deployment.metadata.generation.unwrap_or_default();
    let newest = newest(deployment, sets).filter(|_| seen);
    let is_new = |pod: &&Pod| newest.is_some_and(|set| owned_by(pod, set));
    let is_there = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none();
    let new: Vec<&Pod> = pods.iter().filter(is_new).filter(is_there).collect();
    let old = pods.iter().filter(|pod| !is_new(pod)).filter(|pod| !has_ended(pod)).count();
    let ready = new.iter().filter(|pod| condition(pod, "Ready").is_some_and(|(is, _)| is)).count();
    let mut roll =
        RollProgress { ready: count(ready), wanted: wanted.unsigned_abs(), old: count(old), ..RollProgress::default() };
    if !seen {
        return (roll, Verdict::Rolling);
    }
    let mut reasons = new.iter().filter_map(|pod| reason(pod));
    let hopeless = reasons.clone().find(|reason| reason.is_hopeless);
    let told = hopeless.clone().or_else(|| reasons.next());
    roll.node = told.as_ref().and_then(|reason| reason.node.clone());
    roll.why = told.map(|reason| reason.words);
    if let Some(reason) = hopeless {
        return (roll, Verdict::Failed { why: reason.words, log: reason.log });
    }
    for condition in status.conditions.iter().flatten() {
        let words = || condition.message.clone().or_else(|| condition.reason.clone()).unwrap_or_default();
        if condition.type_ == "ReplicaFailure" && condition.status == "True" {
            return (roll, Verdict::Failed { why: words(), log: None });
        }
        if condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded") {
            let why = roll.why.clone().unwrap_or_else(words);
            return (roll, Verdict::Failed { why, log: None });
        }
    }
    let all = |number: Option<i32>| number.unwrap_or_default() == wanted;
    let is_live = all(status.updated_replicas) && all(status.available_replicas) && all(status.replicas);
    (roll, if is_live { Verdict::Live } else { Verdict::Rolling })
}

/// The pods of the newest ReplicaSet that ended since, or are about to, whatever the reason: for a look after a roll.
pub(crate) fn relapse(
    deployment: &Deployment,
    sets: &[ReplicaSet],
    pods: &[Pod],
) -> Option<(String, Option<(String, bool)>)> {
    let newest = newest(deployment, sets)?;
    let new = pods.iter().filter(|pod| owned_by(pod, newest) && pod.metadata.deletion_timestamp.is_none());
    new.filter_map(|pod| containers(pod).iter().find_map(|container| ended(pod, container)))
        .next()
        .map(|reason| (reason.words, reason.log))
}

#[derive(Clone)]
struct Reason {
    words: String,
    node: Option<String>,
    is_hopeless: bool,
    log: Option<(String, bool)>,
}

/// Why a pod is not ready, in words.
pub(super) fn why(pod: &Pod) -> Option<String> {
    reason(pod).map(|reason| reason.words)
}

/// Why a pod is not ready.
fn reason(pod: &Pod) -> Option<Reason> {
    if condition(pod, "Ready").is_some_and(|(is, _)| is) {
        return None;
    }
    if let Some((false, message)) = condition(pod, "PodScheduled") {
        return Some(Reason {
            words: format!("no node takes it: {message}"),
            node: None,
            is_hopeless: false,
            log: None,
        });
    }
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    for container in containers(pod) {
        let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
        let crashed = ended(pod, container);
        if let Some(crashed) = crashed {
            // Once may be bad luck; a container that was started again and ended again will not live.
            let again = container.restart_count > 0;
            let now = container.state.as_ref().is_some_and(|state| state.running.is_none());
            return Some(Reason { is_hopeless: again && now, ..crashed });
        }
        if let Some(waiting) = waiting {
            let reason = waiting.reason.clone().unwrap_or_default();
            if ["ContainerCreating", "PodInitializing"].contains(&reason.as_str()) {
                continue;
            }
            let message = waiting.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
            let is_hopeless = HOPELESS.contains(&reason.as_str());
            return Some(Reason { words: format!("{reason}{message}"), node, is_hopeless, log: None });
        }
    }
    let is_running = containers(pod).iter().any(|it| it.state.as_ref().is_some_and(|state| state.running.is_some()));
    let place = node.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
    let words = match is_running {
        true => format!("it runs{place} and is not ready yet"),
        false => format!("its container is being made{place}"),
    };
    Some(Reason { words, node, is_hopeless: false, log: None })
}

/// How a container ended, the last time it did.
fn ended(pod: &Pod, container: &ContainerStatus) -> Option<Reason> {
    let of = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
        state.as_ref().and_then(|state| state.terminated.clone())
    };
    let (now, before) = (of(&container.state), of(&container.last_state));
    let is_before = now.is_none();
    let ended = now.or(before)?;
    let how = match (ended.reason.as_deref(), ended.signal, ended.exit_code) {
        (Some("OOMKilled"), _, _) => "it was ended for want of memory (OOMKilled)".to_owned(),
        (_, Some(signal), _) if signal != 0 => format!("it was ended by signal {signal}"),
        (_, _, code @ 129..=192) => format!("it was ended by signal {}", code - 128),
        (_, _, code) => format!("it ended with exit code {code}"),
    };
    let times = if container.restart_count > 0 {
        format!(", and again after {} restarts", container.restart_count)
    } else {
        String::new()
    };
    let name = pod.metadata.name.clone().unwrap_or_default();
    let is_running = container.state.as_ref().is_some_and(|state| state.running.is_some());
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    Some(Reason {
        words: format!("{how}{times}"),
        node,
        is_hopeless: false,
        log: Some((name, is_before && is_running)),
    })
}

fn containers(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default()
}

fn condition(pod: &Pod, name: &str) -> Option<(bool, String)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.type_ == name)?;
    Some((found.status == "True", found.message.clone().unwrap_or_default()))
}

/// A Deployment and its newest ReplicaSet carry the same revision.
fn newest<'a>(deployment: &Deployment, sets: &'a [ReplicaSet]) -> Option<&'a ReplicaSet> {
    let revision = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
        meta.annotations.as_ref().and_then(|all| all.get("deployment.kubernetes.io/revision")).cloned()
    };
    let wanted = revision(&deployment.metadata)?;
    sets.iter().find(|set| revision(&set.metadata).as_ref() == Some(&wanted))
}

fn owned_by(pod: &Pod, set: &ReplicaSet) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    set.metadata.uid.is_some() && owners.map(|owner| &owner.uid).any(|uid| Some(uid) == set.metadata.uid.as_ref())
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
