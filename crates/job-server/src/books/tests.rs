use std::collections::BTreeMap;

use jobs::model::{JobAct, JobModel, job_act};
use jobs::outcome::{AttemptOutcome, AttemptReport};
use jobs::record::{Fence, Instance};
use jobs::request::{JobLimits, JobRequest, JobTarget};
use jobs::{JobRecord, JobState};
use proptest::prelude::*;

use super::*;

fn job(id: &str, tenant: &str, now: i64, change: impl FnOnce(&mut JobRequest)) -> NewJob {
    let mut request = JobRequest::default();
    change(&mut request);
    let target = JobTarget { service: "map", inputs: &[], terms: Default::default() };
    let record = request.record((id.to_owned(), tenant), &target, &JobLimits::default(), now);
    NewJob { record: record.expect("a job"), input: bytes::Bytes::from_static(b"{}"), hash: "h".to_owned() }
}

async fn claim(books: &Books, tenant: &str, now: i64, holder: &str) -> Option<JobRecord> {
    let claimed = books.claim(vec![tenant.to_owned()], now, begin(holder)).await;
    claimed.expect("a store").pop().expect("an answer each").map(|claimed| claimed.record)
}

fn begin(holder: &str) -> Beginning {
    let epochs = BTreeMap::from([("map".to_owned(), "e".to_owned())]);
    Beginning { holder: holder.into(), epochs, room: BTreeMap::new() }
}

/// Drives a store and the model side by side; every answer and every job is the same.
async fn side_by_side(acts: Vec<JobAct>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jobs.db");
    let mut books = Books::with_reserve(&path, 0).expect("a store");
    let (mut model, mut now, mut life) = (JobModel::default(), 0_i64, 0);
    let (mut ids, mut fences): (Vec<String>, Vec<Fence>) = (Vec::new(), Vec::new());
    for act in acts {
        let holder = format!("life-{life}");
        match act {
            JobAct::Accept { tenant, request, begins: false } => {
                let new = job(&format!("j{}", ids.len()), &format!("t{tenant}"), now, |drawn| *drawn = *request);
                ids.push(new.record.id.clone());
                model.accept(new.record.clone());
                books.accept(vec![new], now).await.expect("accepted");
            }
            JobAct::Accept { tenant, request, begins: true } => {
                let tenant = format!("t{tenant}");
                books.wake(now).await.expect("woken");
                let new = job(&format!("j{}", ids.len()), &tenant, now, |drawn| *drawn = *request);
                ids.push(new.record.id.clone());
                model.accept(new.record.clone());
                let kept = books.accept_and_begin(vec![new], now, (tenant.clone(), 1), begin(&holder)).await;
                let (accepted, begun) = kept.expect("accepted");
                assert!(matches!(accepted[..], [Accepted::New(_)]), "{accepted:?}");
                let begun: Vec<JobRecord> = begun.into_iter().map(|claimed| claimed.record).collect();
                let expected: Vec<JobRecord> = model.claim(&tenant, now, &holder, Some("e")).into_iter().collect();
                assert_eq!(begun, expected, "begun as it was accepted");
                fences.extend(begun.iter().filter_map(JobRecord::fence));
            }
            JobAct::Claim { tenant } => {
                let tenant = format!("t{tenant}");
                books.wake(now).await.expect("woken");
                let claimed = claim(&books, &tenant, now, &holder).await;
                assert_eq!(claimed, model.claim(&tenant, now, &holder, Some("e")), "the next of {tenant}");
                fences.extend(claimed.and_then(|record| record.fence()));
            }
            JobAct::End { at, outcome, late } if !fences.is_empty() => {
                let mut fence = fences[at % fences.len()].clone();
                if late {
                    fence.holder = "somebody".to_owned();
                }
                let (report, at) = (AttemptReport::of(outcome), Instance { now, chance: 0.5 });
                let expected = model.end(&fence, &report, at);
                let ended = books.end(fence, report, None, at).await.expect("a store").expect("a job");
                assert_eq!(ended.map(drop), expected.map(drop));
            }
            JobAct::Cancel { at } if !ids.is_empty() => {
                let id = ids[at % ids.len()].clone();
                let expected = model.cancel(&id, now);
                let (changed, _) = books.cancel(None, id, now).await.expect("a store");
                assert_eq!(changed.map(|changed| changed.map(drop)), expected);
            }
            JobAct::Retry { at } if !ids.is_empty() => {
                let id = ids[at % ids.len()].clone();
                let expected = model.retry(&id, now);
                let changed = books.retry(None, id, now).await.expect("a store");
                assert_eq!(changed.map(|changed| changed.map(drop)), expected);
            }
            JobAct::Expire => assert_eq!(books.expire(now).await.expect("a store").len(), model.expire(now)),
            JobAct::Restart => {
                life += 1;
                drop(books);
                books = Books::with_reserve(&path, 0).expect("the store again");
                let holder = format!("life-{life}");
                let adopted = books.adopt(holder.as_str().into()).await.expect("adopted");
                assert_eq!(adopted.len(), model.adopt(&holder));
                fences.extend(adopted.iter().filter_map(|claimed| claimed.record.fence()));
            }
            JobAct::Time { ms } => now += i64::from(ms),
            JobAct::End { .. } | JobAct::Cancel { .. } | JobAct::Retry { .. } => {}
        }
    }
    let all = books.list(Filter { limit: 10_000, ..Filter::default() }).await.expect("a list");
    assert!(all.iter().eq(model.all()), "{all:?} {:?}", model.all().collect::<Vec<_>>());
    let queued: u64 = books.queued().await.expect("counts").values().sum();
    assert_eq!(queued, all.iter().filter(|job| job.state == JobState::Queued).count() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(acts in prop::collection::vec(job_act(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(side_by_side(acts));
    }
}

fn open() -> (tempfile::TempDir, Books) {
    let folder = tempfile::tempdir().expect("a folder");
    let books = Books::with_reserve(&folder.path().join("jobs.db"), 0).expect("a store");
    (folder, books)
}

/// D13: many at once with one key are one job, another body is refused, and the key is free a day after the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_job() {
    let (_folder, books) = open();
    let with_key = |id: &str, hash: &str| {
        let mut new = job(id, "alice", 0, |_| {});
        new.record.key = Some("k".to_owned());
        new.hash = hash.to_owned();
        new
    };
    let asked = (0..50).map(|at| {
        let (books, new) = (books.clone(), with_key(&format!("j{at}"), "same"));
        tokio::spawn(async move { books.accept(vec![new], 0).await.expect("a store").remove(0) })
    });
    let (mut new, mut ids) = (0, std::collections::BTreeSet::new());
    for accepted in asked.collect::<Vec<_>>() {
        match accepted.await.expect("a task") {
            Accepted::New(_) => new += 1,
            Accepted::Replayed(record) => drop(ids.insert(record.id)),
            Accepted::Conflict => panic!("the body is the same"),
        }
    }
    assert_eq!((new, ids.len()), (1, 1));
    assert_eq!(books.accept(vec![with_key("other", "other")], 0).await.expect("a store"), [Accepted::Conflict]);
    let first = claim(&books, "alice", 0, "life").await.expect("the job");
    let ended = books.end(
        first.fence().expect("it runs"),
        AttemptReport::of(AttemptOutcome::Value),
        None,
        Instance { now: 5, chance: 0.0 },
    );
    assert!(matches!(ended.await, Ok(Some(Ok(_)))));
    const DAY: i64 = 86_400_000;
    assert_eq!(books.accept(vec![with_key("other", "other")], DAY).await.expect("a store"), [Accepted::Conflict]);
    let later = books.accept(vec![with_key("other", "other")], 5 + DAY).await.expect("a store");
    assert!(matches!(later[..], [Accepted::New(_)]), "{later:?}");
}

/// D16, in the store: a tenant finds, cancels, retries and removes no job of another.
#[tokio::test]
async fn a_tenant_finds_no_job_of_another() {
    let (_folder, books) = open();
    books.accept(vec![job("j", "alice", 0, |_| {})], 0).await.expect("accepted");
    let (bob, id) = (Some("bob".to_owned()), "j".to_owned());
    assert!(books.job(bob.clone(), id.clone()).await.expect("a store").is_none());
    assert!(books.result(bob.clone(), id.clone()).await.expect("a store").is_none());
    assert!(books.cancel(bob.clone(), id.clone(), 0).await.expect("a store").0.is_none());
    assert!(books.retry(bob.clone(), id.clone(), 0).await.expect("a store").is_none());
    assert!(books.remove(bob.clone(), id.clone()).await.expect("a store").is_none());
    assert!(books.list(Filter { tenant: bob, limit: 10, ..Filter::default() }).await.expect("a list").is_empty());
    let alice = books.job(Some("alice".to_owned()), id).await.expect("a store");
    assert_eq!(alice.map(|(record, _)| record.state), Some(JobState::Queued));
}

#[tokio::test]
async fn bills_add_each_reading_once() {
    let (_folder, books) = open();
    let line = |line, ns, calls| MeterLine {
        account: "alice".to_owned(),
        version: "map@1".to_owned(),
        line,
        reading: jobs::ledger::MeterReading { ns, calls },
    };
    // Another life of the host counts from nothing, and so does another line of the same life.
    let readings =
        [("a", 0, 100, 1), ("a", 0, 100, 1), ("a", 0, 250, 2), ("b", 0, 40, 1), ("b", 0, 40, 1), ("b", 7, 10, 1)];
    for (epoch, number, ns, calls) in readings {
        let lines = vec![line(number, ns, calls)];
        let added = books.add_up("map".to_owned(), epoch.to_owned(), lines, "2026-12-01".to_owned());
        added.await.expect("added");
    }
    let usage = books.usage(None, (None, None), UsageBy { service: true, ..UsageBy::default() }).await.expect("a bill");
    let lines: Vec<_> = usage.iter().map(|row| (row.tenant.as_str(), row.function_ns, row.calls)).collect();
    assert_eq!(lines, [("alice", 300, 4)]);
    assert!(books.usage(Some("bob".to_owned()), (None, None), UsageBy::default()).await.expect("a bill").is_empty());
}

#[tokio::test]
async fn results_events_and_jobs_are_kept_for_their_time() {
    let (_folder, books) = open();
    books
        .accept(vec![job("j", "alice", 0, |request| request.keep = Some("1s".to_owned()))], 0)
        .await
        .expect("accepted");
    let record = claim(&books, "alice", 0, "life").await.expect("the job");
    let (fence, value) = (record.fence().expect("it runs"), bytes::Bytes::from_static(b"42"));
    let ended = books.end(
        fence,
        AttemptReport::of(AttemptOutcome::Value),
        Some(value.clone()),
        Instance { now: 10, chance: 0.0 },
    );
    assert!(matches!(ended.await, Ok(Some(Ok(_)))));
    let result = async || books.result(None, "j".to_owned()).await.expect("a store").map(|(_, kept)| kept);
    let kinds: Vec<String> =
        books.events(None, None, 0, 10).await.expect("events").rows.into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["accepted", "running", "done"]);
    let bounds = Bounds { job_ms: 5_000, event_ms: 60_000, events: 2 };
    books.tidy(1_000, bounds).await.expect("tidied");
    assert_eq!(result().await, Some(ResultKept::Value(value)));
    books.tidy(1_010, bounds).await.expect("tidied");
    assert_eq!(result().await, Some(ResultKept::Expired));
    assert_eq!(books.events(None, None, 0, 10).await.expect("events").rows.len(), 2);
    books.tidy(5_010, bounds).await.expect("tidied");
    assert_eq!(result().await, None);
}

/// D7, in the store: a retry that a clock of the future has left far ahead comes back into bounds at the start.
#[tokio::test]
async fn a_clock_that_was_set_back_keeps_no_retry_waiting() {
    let (_folder, books) = open();
    const DAY: i64 = 86_400_000;
    let scheduled = job("later", "alice", DAY, |request| request.delay = Some("1d".to_owned()));
    books.accept(vec![job("j", "alice", DAY, |_| {}), scheduled], DAY).await.expect("accepted");
    let record = claim(&books, "alice", DAY, "life").await.expect("the job");
    let fence = record.fence().expect("it runs");
    let ended = books.end(fence, AttemptReport::of(AttemptOutcome::Failed), None, Instance { now: DAY, chance: 1.0 });
    assert!(matches!(ended.await, Ok(Some(Ok(_)))));
    books.settle(0).await.expect("settled");
    let run_at =
        async |id: &str| books.job(None, id.to_owned()).await.expect("a store").map(|(record, _)| record.run_at);
    assert_eq!((run_at("j").await, run_at("later").await), (Some(600_000), Some(2 * DAY)));
    assert_eq!(books.wake(600_000).await.expect("woken").0.len(), 1);
}
