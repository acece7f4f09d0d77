//! The server without HTTP: times that are given, hosts that are not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jobs::quota::TenantLimits;
use jobs::request::{JobTarget, TargetTerms};
use jobs::timetable::Missed;
use jobs::{JobRequest, JobState};
use serde_json::json;
use tokio::sync::mpsc;

use crate::books::{Accepted, Beginning, Books, Filter, NewJob, Overlap, ScheduleBody, ScheduleRow};
use crate::clock::Clock;
use crate::config::{JobServerConfig, JobServerSettings, JobServerTarget};
use crate::core::{Core, new_token};
use crate::dispatch::Nudge;
use crate::{dispatch, run, schedule};

const DAY: i64 = 86_400_000;
/// 2026-12-01T00:00:00Z.
pub(crate) const NOW: i64 = 1_796_083_200_000;

/// A server over the store in a folder, whose clock says this.
pub(crate) fn core(folder: &std::path::Path, now: i64, targets: &[&str]) -> Core {
    let target = |name: &&str| {
        // Nobody listens there.
        ((*name).to_owned(), JobServerTarget { at: "127.0.0.1:1".to_owned(), ..JobServerTarget::default() })
    };
    let config = JobServerConfig {
        app: "app".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        token: "secret".to_owned(),
        store: folder.join("jobs.db"),
        operator: folder.join("token"),
        targets: targets.iter().map(target).collect(),
        last: targets.first().map(|&last| last.to_owned()),
        settings: JobServerSettings::default(),
    };
    let books = loop {
        match Books::with_reserve(&config.store, 0) {
            Ok(books) => break books,
            // The server before is on its way out.
            Err(store::DatabaseError::Busy { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    let nudges = mpsc::unbounded_channel().0;
    let (tenants, queued) = (BTreeMap::new(), BTreeMap::new());
    let mut core = Core::new(folder.to_owned(), config, books, &new_token(), Vec::new(), tenants, queued, nudges);
    if let Ok(core) = &mut core {
        core.clock = Clock::at(now);
    }
    core.expect("a server")
}

/// Keeps jobs of a tenant by these ids, as they would be that find no free slot.
pub(crate) async fn accept(core: &Core, tenant: &str, ids: &[&str]) {
    let jobs = ids.iter().map(|id| job(core, tenant, id, "map")).collect();
    let accepted = core.books.accept(jobs, NOW).await.expect("a store");
    let new = |accepted: Accepted| match accepted {
        Accepted::New(moved) => moved,
        other => panic!("{other:?}"),
    };
    core.moved(&accepted.into_iter().map(new).collect::<Vec<_>>());
}

fn job(core: &Core, tenant: &str, id: &str, service: &str) -> NewJob {
    let target = JobTarget { service, inputs: &[], terms: TargetTerms::default() };
    let limits = core.config().settings.limits.clone();
    let record = JobRequest::default().record((id.to_owned(), tenant), &target, &limits, NOW);
    NewJob { record: record.expect("a job"), input: bytes::Bytes::new(), hash: String::new() }
}

/// What attempts begin with where no host is known.
pub(crate) fn beginning(core: &Core) -> Beginning {
    Beginning { holder: core.holder.clone(), epochs: BTreeMap::new(), room: BTreeMap::new() }
}

async fn put(core: &Core, name: String, cron: &str, missed: Missed, last_at: i64) {
    let body = ScheduleBody {
        cron: cron.to_owned(),
        zone: "UTC".to_owned(),
        job: json!({}),
        missed,
        overlap: Overlap::Allow,
        paused: false,
    };
    let row = ScheduleRow { tenant: "default".to_owned(), name, body, last_at, next_at: Some(last_at) };
    assert_eq!(core.books.put_schedule(row, i64::MAX).await.expect("a store"), Some(true));
}

/// Fires all that is due, as the server does at each look, until nothing is.
async fn fire(core: &Core) {
    while schedule::look(core).await > 0 {}
}

async fn keys(core: &Core) -> Vec<String> {
    let all = core.books.list(Filter { limit: 100_000, ..Filter::default() }).await.expect("jobs");
    all.into_iter().filter_map(|job| job.key).collect()
}

/// D7: a clock that jumps a day ahead, a day back, and back over a restart fires each due time once.
#[tokio::test]
async fn a_clock_that_jumps_fires_each_time_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = |now| core(folder.path(), now, &["map"]);
    let at = server(NOW);
    put(&at, "hourly".to_owned(), "0 * * * *", Missed::Once, NOW - 1).await;
    fire(&at).await;
    assert_eq!(keys(&at).await.len(), 1);
    drop(at);
    // A day back over a restart: those times have been.
    let at = server(NOW - DAY);
    fire(&at).await;
    assert_eq!(keys(&at).await.len(), 1);
    drop(at);
    // A day ahead: what was missed is asked for once, and then again at its times.
    let at = server(NOW + DAY);
    fire(&at).await;
    assert_eq!(keys(&at).await.len(), 2);
    drop(at);
    let at = server(NOW);
    fire(&at).await;
    let fired = keys(&at).await;
    assert_eq!((fired.len(), fired.iter().collect::<BTreeSet<_>>().len()), (2, 2), "{fired:?}");
}

/// A tenant that nobody has set limits for may run as many jobs at a time as is usual, and takes no more workers than that.
#[tokio::test]
async fn a_tenant_without_limits_of_its_own_is_bound_as_is_usual() {
    let folder = tempfile::tempdir().expect("a folder");
    let core = Arc::new(core(folder.path(), NOW, &["map"]));
    core.tenants.write().insert("wide".to_owned(), TenantLimits { running: 20, ..TenantLimits::default() });
    dispatch::adopt(&core, Vec::new());
    for (tenant, most) in [("kumori/user1", 16), ("wide", 20), ("kumori/user2", 16), ("default", 16)] {
        let slots = core.slots.take_for(tenant, 1_000, 1_000);
        assert_eq!(slots.len(), most, "{tenant}");
        slots.into_iter().for_each(|slot| core.slots.give_back(slot));
    }
    assert_eq!(core.slots.taken(), 0);
}

/// A job that finds a free slot is begun in the commit that accepts it, and only where it is its tenant's turn and its service has
/// no bound; the others are left to the dispatcher.
#[tokio::test]
async fn what_is_accepted_begins_in_the_same_commit_where_a_slot_is_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut core = core(folder.path(), NOW, &["map", "bounded"]);
    let mut config = (*core.config()).clone();
    config.settings.workers = 2;
    config.targets.get_mut("bounded").expect("a target").parallel = Some(4);
    *core.config.write() = Arc::new(config);
    let (nudges, mut told) = mpsc::unbounded_channel();
    core.nudges = nudges;
    let core = Arc::new(core);
    dispatch::adopt(&core, Vec::new());
    let mut nudged =
        || std::iter::from_fn(|| told.try_recv().ok()).filter(|nudge| matches!(nudge, Nudge::Queued { .. })).count();
    let keep = async |tenant: &str, ids: &[&str], service: &str| {
        let jobs = ids.iter().map(|id| job(&core, tenant, id, service)).collect();
        core.admit(tenant, ids.len() as u64).expect("room");
        dispatch::keep(&core, tenant, jobs).await.expect("a store");
    };
    let attempts = async |id: &str| {
        let (record, history) = core.books.job(None, id.to_owned()).await.expect("a store").expect("a job");
        (record.attempt, history.len())
    };
    keep("alice", &["b1"], "bounded").await;
    assert_eq!((attempts("b1").await, core.slots.taken(), nudged()), ((0, 0), 0, 1), "its service has a bound");
    // Nobody runs what was begun before this test waits for something else: both are found as the commit left them.
    keep("alice", &["a1", "a2", "a3"], "map").await;
    for (id, expected) in [("a1", (1, 1)), ("a2", (1, 1)), ("a3", (0, 0))] {
        assert_eq!(attempts(id).await, expected, "{id}");
    }
    let events = core.books.events(None, None, 0, 100).await.expect("events").rows;
    let kinds: Vec<String> = events.iter().take(6).map(|row| format!("{} {}", row.job, row.kind)).collect();
    assert_eq!(kinds, ["b1 accepted", "a1 accepted", "a2 accepted", "a3 accepted", "a1 running", "a2 running"]);
    assert!(nudged() >= 1, "one of them is left for the dispatcher");
    let queued = core.books.list(Filter { state: Some(JobState::Queued), limit: 9, ..Filter::default() }).await;
    assert!(queued.expect("jobs").len() >= 2);
}

/// D20: ten thousand schedules that are due in the same second, after three hours without a server: one job each.
#[tokio::test(flavor = "multi_thread")]
async fn many_schedules_due_at_once_ask_for_one_job_each() {
    const ALL: usize = 10_000;
    let folder = tempfile::tempdir().expect("a folder");
    let server = core(folder.path(), NOW, &["map"]);
    let outage = 3 * 3_600_000;
    let put = (0..ALL).map(|number| put(&server, format!("s{number}"), "0 * * * *", Missed::Once, NOW - outage));
    futures_util::future::join_all(put).await;
    // Two that look at once, as two servers would.
    tokio::join!(fire(&server), fire(&server));
    let fired = keys(&server).await;
    assert_eq!((fired.len(), fired.iter().collect::<BTreeSet<_>>().len()), (ALL, ALL));
    fire(&server).await;
    assert_eq!(keys(&server).await.len(), ALL, "nothing more is due");
}

/// D19: a job whose service is no part of the app any more ends as gone, at its first run.
#[tokio::test]
async fn a_job_of_a_service_that_was_removed_ends_as_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = core(folder.path(), NOW, &["map"]);
    put(&before, "once".to_owned(), "0 * * * *", Missed::Once, NOW - 1).await;
    fire(&before).await;
    drop(before);
    let after = core(folder.path(), NOW, &["other"]);
    // It was made a moment after the schedule was looked at.
    after.books.wake(NOW + DAY).await.expect("woken");
    let claimed = after.books.claim(vec!["default".to_owned()], NOW, beginning(&after));
    let claimed = claimed.await.expect("a store").remove(0).expect("the job");
    run::run(&after, claimed, run::Begun::Now).await;
    let all = after.books.list(Filter { limit: 10, ..Filter::default() }).await.expect("jobs");
    assert_eq!(all.iter().map(|job| job.kind.as_deref()).collect::<Vec<_>>(), [Some("gone")]);
}

/// A million jobs take less than 600 bytes each; the same rows are counted over fewer of them.
#[tokio::test]
async fn a_job_that_waits_takes_less_than_600_bytes() {
    const ALL: i64 = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let server = core(folder.path(), NOW, &["map"]);
    let caller_job = |_| {
        schedule::job(
            &server,
            &ScheduleRow {
                tenant: "default".to_owned(),
                name: "s".to_owned(),
                body: ScheduleBody {
                    cron: "@daily".to_owned(),
                    zone: "UTC".to_owned(),
                    job: json!({ "inputs": {}, "delay": "1h" }),
                    missed: Missed::Once,
                    overlap: Overlap::Allow,
                    paused: false,
                },
                last_at: NOW,
                next_at: None,
            },
            NOW,
        )
        .map(|mut new| {
            new.record.key = None;
            new.input =
                bytes::Bytes::from_static(br#"{"reading":{"sensor":"s","variable":"Temperature","value":68.0}}"#);
            new
        })
    };
    for _ in 0..ALL / 1_000 {
        let batch: Vec<_> = (0..1_000).map(caller_job).collect::<Result<_, _>>().expect("jobs");
        server.books.accept(batch, NOW).await.expect("accepted");
    }
    let size = server.books.size().await.expect("a size");
    assert!(size / ALL <= 600, "{} bytes a job", size / ALL);
}
