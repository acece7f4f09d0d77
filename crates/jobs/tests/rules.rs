//! Any run of changes keeps the promises: one end each, no more attempts than allowed, nothing by a stranger's hand.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jobs::model::JobModel;
use jobs::outcome::{AttemptOutcome, AttemptReport};
use jobs::record::{Fence, Instance};
use jobs::request::{JobLimits, JobRequest, JobTarget};
use jobs::{JobRefusal, JobState};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Accept { tenant: u8, priority: u8, serial: Option<u8>, attempts: u8, ttl: u8, fail_lost: bool },
    Claim { tenant: u8 },
    End { at: usize, outcome: AttemptOutcome, late: bool },
    Cancel { at: usize },
    Retry { at: usize },
    Expire,
    Restart,
    Time { ms: u32 },
}

fn outcome() -> impl Strategy<Value = AttemptOutcome> {
    use AttemptOutcome::{Deadline, Failed, Filtered, Held, Lost, Panicked, Rejected, Upstream, Value};
    prop::sample::select(vec![Value, Filtered, Failed, Panicked, Rejected, Deadline, Upstream, Held, Lost])
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_u8..3, 0_u8..10, prop::option::of(0_u8..2), 1_u8..4, 0_u8..20, any::<bool>()).prop_map(
            |(tenant, priority, serial, attempts, ttl, fail_lost)| Act::Accept {
                tenant, priority, serial, attempts, ttl, fail_lost
            }
        ),
        6 => (0_u8..3).prop_map(|tenant| Act::Claim { tenant }),
        6 => (any::<usize>(), outcome(), prop::bool::weighted(0.2)).prop_map(|(at, outcome, late)| Act::End { at, outcome, late }),
        1 => any::<usize>().prop_map(|at| Act::Cancel { at }),
        1 => any::<usize>().prop_map(|at| Act::Retry { at }),
        1 => Just(Act::Expire),
        1 => Just(Act::Restart),
        3 => (0_u32..20_000).prop_map(|ms| Act::Time { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_run_of_changes_keeps_the_promises(acts in prop::collection::vec(act(), 1..200)) {
        let (mut model, mut now, mut life) = (JobModel::default(), 0_i64, 0);
        let mut ids: Vec<String> = Vec::new();
        // Fences that were given out, current or not.
        let mut fences: Vec<Fence> = Vec::new();
        let mut ends: BTreeMap<String, JobState> = BTreeMap::new();
        for act in acts {
            let holder = format!("life-{life}");
            match act {
                Act::Accept { tenant, priority, serial, attempts, ttl, fail_lost } => {
                    let request = JobRequest {
                        priority,
                        serial: serial.map(|serial| format!("s{serial}")),
                        attempts: Some(attempts.into()),
                        ttl: Some(format!("{ttl}s")),
                        lost: fail_lost.then_some(jobs::request::LostRule::Fail),
                        ..JobRequest::default()
                    };
                    let id = format!("j{}", ids.len());
                    let target = JobTarget { service: "map", inputs: &[], terms: Default::default() };
                    let record = request.record((id.clone(), &format!("t{tenant}")), &target, &JobLimits::default(), now);
                    model.accept(record.unwrap());
                    ids.push(id);
                }
                Act::Claim { tenant } => {
                    let before = model.clone();
                    if let Some(job) = model.claim(&format!("t{tenant}"), now, &holder, Some("e")) {
                        prop_assert!(job.run_at <= now && before.get(&job.id).unwrap().state == JobState::Queued);
                        let fence = job.fence().unwrap();
                        prop_assert!(fences.iter().all(|old| (&old.id, old.attempt) != (&fence.id, fence.attempt)), "a run id once");
                        fences.push(fence);
                    }
                }
                Act::End { at, outcome, late } if !fences.is_empty() => {
                    let mut fence = fences[at % fences.len()].clone();
                    if late {
                        fence.holder = "somebody".to_owned();
                    }
                    let before = model.get(&fence.id).cloned();
                    let ended = model.end(&fence, &AttemptReport::of(outcome), Instance { now, chance: 0.5 });
                    let is_current = before.as_ref().is_some_and(|job| job.fence().as_ref() == Some(&fence));
                    prop_assert_eq!(ended.is_ok(), is_current && before.as_ref().is_some_and(|job| job.state == JobState::Running));
                    if ended.is_err() {
                        prop_assert_eq!(ended, Err(JobRefusal::Fenced));
                        prop_assert_eq!(before.as_ref(), model.get(&fence.id), "a late hand changes nothing");
                    }
                }
                Act::Cancel { at } if !ids.is_empty() => drop(model.cancel(&ids[at % ids.len()], now)),
                Act::Retry { at } if !ids.is_empty() => {
                    let id = &ids[at % ids.len()];
                    if model.retry(id, now) == Some(Ok(())) {
                        prop_assert_eq!(ends.remove(id), Some(JobState::Failed), "only failed jobs come back");
                    }
                }
                Act::Expire => drop(model.expire(now)),
                Act::Restart => {
                    life += 1;
                    model.adopt(&format!("life-{life}"));
                    // The runs go on under the new life.
                    fences.extend(model.all().filter(|job| job.state == JobState::Running).filter_map(|job| job.fence()));
                    fences.sort_by(|a, b| (&a.id, a.attempt, &a.holder).cmp(&(&b.id, b.attempt, &b.holder)));
                    fences.dedup();
                }
                Act::Time { ms } => now += i64::from(ms),
                Act::End { .. } | Act::Cancel { .. } | Act::Retry { .. } => {}
            }
            for job in model.all() {
                prop_assert!(job.used <= job.attempts, "{job:?}");
                prop_assert_eq!(job.state.is_over(), job.ended_at.is_some());
                prop_assert_eq!(job.state == JobState::Running, job.holder.is_some());
                prop_assert_eq!(job.state == JobState::Failed, job.kind.is_some());
                if job.state.is_over() {
                    let end = ends.entry(job.id.clone()).or_insert(job.state);
                    prop_assert_eq!(*end, job.state, "one end each");
                } else {
                    prop_assert!(!ends.contains_key(&job.id), "an end is an end");
                }
            }
            // Of one serial key, one at a time.
            let mut running: Vec<_> = model.all().filter(|job| job.state == JobState::Running)
                .filter_map(|job| Some((job.tenant.clone(), job.serial.clone()?))).collect();
            let all = running.len();
            running.sort();
            running.dedup();
            prop_assert_eq!(running.len(), all);
        }
    }
}
