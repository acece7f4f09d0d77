//! How jobs stand, looked at again and again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::error_chain;
use serde::Deserialize;
use session_api::jobs::{DeadLetters, JobCondition, JobsView, TenantJobs};
use tokio::sync::watch;

use super::JobServerEndpoint;
use super::ask::{LineSeen, line};

/// Between two looks, and at most this part of the time is the job server's for them.
const LOOK: Duration = Duration::from_secs(1);
const SHARE: u32 = 20;
/// A look is answered within this.
const SOON: Duration = Duration::from_secs(5);
/// Looks that a rate is taken over.
const LATELY: usize = 4;
/// Tenants that are shown.
const MOST: usize = 200;

/// `GET /v1/summary`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SummarySeen {
    workers: u64,
    busy: u64,
    tenants: BTreeMap<String, BTreeMap<JobCondition, u64>>,
    weights: BTreeMap<String, f64>,
    function_ns: BTreeMap<String, f64>,
    /// The median and p99, in milliseconds.
    waits: BTreeMap<String, (f64, f64)>,
    letters: Vec<DeadLetters>,
    latest: Vec<LineSeen>,
}

/// What rates are taken of, at a look.
#[derive(Debug)]
struct Look {
    at: Instant,
    done: BTreeMap<String, u64>,
    function_ns: BTreeMap<String, f64>,
}

/// Follows the job server, once there is one, until nobody is told any more.
pub(crate) async fn follow(
    client: reqwest::Client,
    mut endpoints: watch::Receiver<Option<JobServerEndpoint>>,
    shown: watch::Sender<Option<Arc<JobsView>>>,
) {
    let mut looks = VecDeque::new();
    while !shown.is_closed() {
        let Ok(endpoint) = endpoints.wait_for(Option::is_some).await.map(|endpoint| endpoint.clone()) else { return };
        let Some(endpoint) = endpoint else { continue };
        let begun = Instant::now();
        match look(&client, &endpoint).await {
            Ok(seen) => {
                let view = fold(&endpoint.url, seen, &mut looks, begun);
                shown.send_replace(Some(Arc::new(view)));
            }
            Err(why) => shown.send_modify(|view| {
                let before = view.as_deref().cloned().unwrap_or_default();
                *view = Some(Arc::new(JobsView { url: endpoint.url.clone(), why: Some(why), ..before }));
            }),
        }
        tokio::time::sleep(LOOK.max(begun.elapsed() * SHARE)).await;
    }
}

async fn look(client: &reqwest::Client, endpoint: &JobServerEndpoint) -> Result<SummarySeen, String> {
    let asked = client.get(format!("{}/v1/summary", endpoint.url)).bearer_auth(&endpoint.token).timeout(SOON);
    let answer = asked.send().await.map_err(|error| error_chain(&error))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| error_chain(&error))?;
    if !status.is_success() {
        return Err(format!("it answered {status}"));
    }
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

/// The view of what was seen, with what came since earlier looks.
fn fold(url: &str, seen: SummarySeen, looks: &mut VecDeque<Look>, at: Instant) -> JobsView {
    let count = |states: &BTreeMap<JobCondition, u64>, state| states.get(&state).copied().unwrap_or_default();
    let done = seen.tenants.iter().map(|(name, states)| (name.clone(), count(states, JobCondition::Done))).collect();
    let now = Look { at, done, function_ns: seen.function_ns.clone() };
    let before = looks.front();
    // Jobs that are kept no longer count no more: a rate is never less than nothing.
    let rate = |now: f64, before: Option<f64>| {
        let time = looks.front().map_or(0.0, |look| at.saturating_duration_since(look.at).as_secs_f64());
        before.filter(|_| time > 0.0).map_or(0.0, |before| (now - before).max(0.0) / time)
    };
    let names = seen.tenants.keys().chain(seen.function_ns.keys()).chain(seen.weights.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    let none = BTreeMap::new();
    let tenant = |name: &&String| {
        let states = seen.tenants.get(*name).unwrap_or(&none);
        let ns = seen.function_ns.get(*name).copied().unwrap_or_default();
        let ns_before = before.map(|look| look.function_ns.get(*name).copied().unwrap_or_default());
        let done = count(states, JobCondition::Done);
        let done_before = before.map(|look| look.done.get(*name).copied().unwrap_or_default() as f64);
        let wait = seen.waits.get(*name);
        TenantJobs {
            name: (*name).clone(),
            weight: seen.weights.get(*name).copied().unwrap_or(1.0),
            queued: count(states, JobCondition::Queued),
            running: count(states, JobCondition::Running),
            done,
            failed: count(states, JobCondition::Failed),
            done_per_second: rate(done as f64, done_before),
            function_ms: ns / 1e6,
            function_ms_per_second: rate(ns / 1e6, ns_before.map(|ns| ns / 1e6)),
            wait_p50: wait.map(|wait| wait.0),
            wait_p99: wait.map(|wait| wait.1),
        }
    };
    let tenants = names.iter().map(tenant).take(MOST).collect();
    looks.push_back(now);
    if looks.len() > LATELY {
        looks.pop_front();
    }
    JobsView {
        url: url.to_owned(),
        why: None,
        workers: seen.workers,
        busy: seen.busy,
        tenants,
        dead: seen.letters,
        latest: seen.latest.into_iter().map(line).collect(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_are_of_the_time_between_looks_and_never_below_nothing() {
        let seen = |done: u64, ns: f64| {
            let value = json!({
                "workers": 32, "busy": 2, "dead": 0, "tenants": { "alice": { "queued": 7, "done": done } },
                "function_ns": { "alice": ns }, "waits": { "alice": [1.0, 3.0] }, "latest": [],
            });
            serde_json::from_value::<SummarySeen>(value).unwrap()
        };
        let (mut looks, begun) = (VecDeque::new(), Instant::now());
        let first = fold("http://x", seen(10, 1e6), &mut looks, begun);
        assert_eq!((first.tenants[0].queued, first.tenants[0].done_per_second), (7, 0.0));
        let second = fold("http://x", seen(30, 5e6), &mut looks, begun + Duration::from_secs(2));
        let alice = &second.tenants[0];
        assert_eq!((alice.done_per_second, alice.function_ms_per_second, alice.wait_p99), (10.0, 2.0, Some(3.0)));
        let swept = fold("http://x", seen(0, 5e6), &mut looks, begun + Duration::from_secs(4));
        assert_eq!(swept.tenants[0].done_per_second, 0.0);
    }
}
