//! One attempt of a job, from its begin to the commit of its end.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jobs::{AttemptOutcome, AttemptReport, Fence, JobRecord, RetryWish};
use protocol::header;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::books::Claimed;
use crate::config::JobServerTarget;
use crate::core::Core;
use crate::functions;
use crate::hosts::{self, Asked, Told};

/// What a run may take beyond its deadline before nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(5);
/// Between two questions.
const AGAIN: Duration = Duration::from_millis(100);
/// A host keeps an outcome for ten minutes, and the id for ten more.
const REMEMBERED_MS: i64 = 20 * 60_000;

/// When an attempt began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Just now: its host has heard nothing of it.
    Now,
    /// In an earlier life of the server: its host may know it.
    Before,
}

/// Runs an attempt; the nanoseconds its functions took.
pub(crate) async fn run(core: &Core, claimed: Claimed, begun: Begun) -> u64 {
    let Claimed { record, input, .. } = claimed;
    let Some(fence) = record.fence() else { return 0 };
    let age = record.began_at.map_or(0, |began| core.clock.now().saturating_sub(began));
    // Of one that was adopted, the time before counts as well.
    let since = (Instant::now(), Duration::from_millis(u64::try_from(age).unwrap_or(0)));
    if let Some(name) = record.function() {
        let (report, result) = functions::attempt(core, &record, name, input, begun).await;
        let took = report.function_ns();
        let is_stored = store(core, fence, &report, result).await;
        note(core, &report, is_stored, since);
        if !is_stored {
            // Its time is the tenant's whoever ended the job.
            functions::charge(core, record, report).await;
        }
        return took;
    }
    let config = core.config();
    let run = record.run();
    let (report, result) = match config.targets.get(&record.service) {
        None => {
            let detail = format!("{} is no service any more", record.service);
            (wrong(AttemptOutcome::Gone, "gone", &detail), None)
        }
        Some(target) => {
            let asked = Asked {
                target,
                run: &run,
                epoch: "",
                account: &record.tenant,
                about: &about(&record),
                trace: &record.id,
                route: record.route.as_deref(),
                timeout: Duration::from_millis(record.timeout_ms),
                input,
            };
            let known = record.epoch.clone().map(|epoch| Life { epoch, may_know: begun == Begun::Before, age });
            attempt(core, &fence, &record.service, asked, known).await
        }
    };
    if report.outcome == AttemptOutcome::Lost {
        (core.lost)(&record.service);
    }
    let took = report.function_ns();
    let is_stored = store(core, fence, &report, result).await;
    note(core, &report, is_stored, since);
    if let Some(target) = config.targets.get(&record.service) {
        core.hosts.stored(target, &run);
        if target.parallel.is_some() && (report.outcome == AttemptOutcome::Deadline || !is_stored) {
            // Its function may go on for nobody, and takes room as long as it does. A host that is gone has none.
            drop(core.hosts.look(&record.service, target).await);
        }
    }
    took
}

/// Counts the end of an attempt. One that is not ours to end was cancelled, or is in other hands.
fn note(core: &Core, report: &AttemptReport, is_stored: bool, (since, before): (Instant, Duration)) {
    let outcome = if is_stored { report.outcome } else { AttemptOutcome::Cancelled };
    core.metrics.ended(outcome, since.elapsed() + before);
}

/// What functions are told of the job that they run for, as JSON in ASCII.
fn about(record: &JobRecord) -> String {
    let mut about = json!({ "id": record.id, "attempt": record.attempt, "tenant": record.tenant });
    if let Some(key) = &record.key {
        about["key"] = key.as_str().into();
    }
    let mut text = String::new();
    for c in about.to_string().chars() {
        match c {
            ' '..='~' => text.push(c),
            // Outside of texts JSON has none of these.
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    text
}

/// The life of a host that a run went to.
struct Life {
    epoch: String,
    /// Whether the host may have heard of it.
    may_know: bool,
    /// Milliseconds since the run began.
    age: i64,
}

/// Asks for a run until its outcome is known, or known to be lost.
async fn attempt(
    core: &Core,
    fence: &Fence,
    service: &str,
    asked: Asked<'_>,
    known: Option<Life>,
) -> (AttemptReport, Option<Bytes>) {
    let until = Instant::now() + asked.timeout + GRACE;
    let mut may_know = known.as_ref().is_some_and(|life| life.may_know);
    if let Some(life) = known.as_ref().filter(|life| life.may_know && life.age > REMEMBERED_MS) {
        // A host forgets what nobody has asked for: what it does not know by now may have run.
        let list = look(core, service, asked.target, until).await;
        if list.is_none_or(|list| list.epoch != life.epoch || !hosts::knows(&list, asked.run)) {
            return (lost("nobody came for its outcome while its host kept it"), None);
        }
    }
    let mut epoch = known.map(|life| life.epoch);
    loop {
        let life = match &epoch {
            Some(life) => life.clone(),
            None => match core.hosts.look(service, asked.target).await {
                Err(why) => {
                    return (
                        wrong(AttemptOutcome::Held, "unreachable", &format!("{service} cannot be reached: {why}")),
                        None,
                    );
                }
                Ok(list) => {
                    // Written down before anything is sent: who takes over knows where to ask.
                    match core.books.move_to(fence.clone(), list.epoch.clone()).await {
                        Ok(true) => {}
                        Ok(false) => return (AttemptReport::of(AttemptOutcome::Cancelled), None),
                        Err(error) => return (wrong(AttemptOutcome::Held, "store", &error.to_string()), None),
                    }
                    epoch.insert(list.epoch).clone()
                }
            },
        };
        match core.hosts.ask(&Asked { epoch: &life, ..asked.clone() }).await {
            Told::Answer { status, headers, body } => return answered(status, &headers, body),
            Told::Dropped => return (lost("its host could not keep its outcome"), None),
            Told::OtherLife if may_know => return (lost("its host ended"), None),
            Told::OtherLife => epoch = None,
            Told::Unreached(why) if !may_know => {
                return (
                    wrong(AttemptOutcome::Held, "unreachable", &format!("{service} cannot be reached: {why}")),
                    None,
                );
            }
            // Its host had it, and the service is at another one by now: nobody is there any more who could say.
            Told::Unreached(_) if has_moved(core, service, asked.target) => {
                return (lost("its host ended, and the service moved to another one"), None);
            }
            Told::Unreached(why) | Told::Cut(why) => {
                may_know = true;
                if Instant::now() >= until {
                    return (lost(&format!("its host does not answer: {why}")), None);
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether a service is somewhere else than it was.
fn has_moved(core: &Core, service: &str, target: &JobServerTarget) -> bool {
    core.config().targets.get(service).is_none_or(|now| now.at != target.at)
}

/// What a host says of its runs, once it answers; none where it does not before a time.
async fn look(core: &Core, service: &str, target: &JobServerTarget, until: Instant) -> Option<protocol::runs::RunList> {
    loop {
        match core.hosts.look(service, target).await {
            Ok(list) => return Some(list),
            Err(_) if Instant::now() >= until => return None,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Stores the end of an attempt, however long the store takes to answer: nothing else knows of it. False: it is not ours to
/// end.
async fn store(core: &Core, fence: Fence, report: &AttemptReport, result: Option<Bytes>) -> bool {
    loop {
        match core.books.end(fence.clone(), report.clone(), result.clone(), core.instance()).await {
            Ok(Some(Ok((record, moved)))) => {
                core.moved(&[moved]);
                core.ended(&record);
                return true;
            }
            // Cancelled or removed meanwhile, or in other hands.
            Ok(_) => return false,
            Err(store::DatabaseError::Closed) => return true,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

fn answered(status: StatusCode, headers: &HeaderMap, body: Bytes) -> (AttemptReport, Option<Bytes>) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let problem: Option<Value> = if status.is_success() { None } else { serde_json::from_slice(&body).ok() };
    let kind = problem.as_ref().and_then(|problem| problem["type"].as_str()).and_then(|kind| kind.rsplit(':').next());
    let outcome = AttemptOutcome::read(status.as_u16(), kind);
    let versions = text(header::VERSION).into_iter().flat_map(|all| all.split(", ")).map(str::to_owned).collect();
    let mut usage = BTreeMap::new();
    text(header::USAGE).into_iter().for_each(|said| protocol::runs::add_usage(&mut usage, said));
    let report = AttemptReport {
        retry: problem.as_ref().map(RetryWish::read).unwrap_or_default(),
        outcome,
        lines: None,
        filtered: text(header::FILTERED).map(str::to_owned),
        versions,
        usage,
        problem: problem
            .or_else(|| (!status.is_success()).then(|| json!({ "detail": format!("it answered {status}") }))),
    };
    (report, (outcome == AttemptOutcome::Value).then_some(body))
}

pub(crate) fn wrong(outcome: AttemptOutcome, kind: &str, detail: &str) -> AttemptReport {
    let problem = json!({ "type": format!("urn:dyninka:problem:{kind}"), "detail": detail });
    AttemptReport { problem: Some(problem), ..AttemptReport::of(outcome) }
}

pub(crate) fn lost(detail: &str) -> AttemptReport {
    wrong(AttemptOutcome::Lost, "lost", detail)
}
