//! Any run of changes keeps the promises: one end each, no more attempts than allowed, nothing by a stranger's hand.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jobs::model::{JobAct, JobModel, job_act};
use jobs::outcome::AttemptReport;
use jobs::record::{Fence, Instance};
use jobs::request::{JobLimits, JobTarget};
use jobs::{JobRefusal, JobState};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_run_of_changes_keeps_the_promises(acts in prop::collection::vec(job_act(), 1..200)) {
        let (mut model, mut now, mut life) = (JobModel::default(), 0_i64, 0);
        let mut ids: Vec<String> = Vec::new();
        // Fences that were given out, current or not.
        let mut fences: Vec<Fence> = Vec::new();
        let mut ends: BTreeMap<String, JobState> = BTreeMap::new();
        for act in acts {
            let holder = format!("life-{life}");
            match act {
                JobAct::Accept { tenant, request, .. } => {
                    let id = format!("j{}", ids.len());
                    let target = JobTarget { service: "map", inputs: &[], terms: Default::default() };
                    let record = request.record((id.clone(), &format!("t{tenant}")), &target, &JobLimits::default(), now);
                    model.accept(record.unwrap());
                    ids.push(id);
                }
                JobAct::Claim { tenant } => {
                    let before = model.clone();
                    if let Some(job) = model.claim(&format!("t{tenant}"), now, &holder, Some("e")) {
                        prop_assert!(job.run_at <= now && before.get(&job.id).unwrap().state == JobState::Queued);
                        let fence = job.fence().unwrap();
                        prop_assert!(fences.iter().all(|old| (&old.id, old.attempt) != (&fence.id, fence.attempt)), "a run id once");
                        fences.push(fence);
                    }
                }
                JobAct::End { at, outcome, late } if !fences.is_empty() => {
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
                JobAct::Cancel { at } if !ids.is_empty() => drop(model.cancel(&ids[at % ids.len()], now)),
                JobAct::Retry { at } if !ids.is_empty() => {
                    let id = &ids[at % ids.len()];
                    if model.retry(id, now) == Some(Ok(())) {
                        prop_assert_eq!(ends.remove(id), Some(JobState::Failed), "only failed jobs come back");
                    }
                }
                JobAct::Expire => drop(model.expire(now)),
                JobAct::Restart => {
                    life += 1;
                    model.adopt(&format!("life-{life}"));
                    // The runs go on under the new life.
                    fences.extend(model.all().filter(|job| job.state == JobState::Running).filter_map(|job| job.fence()));
                    fences.sort_by(|a, b| (&a.id, a.attempt, &a.holder).cmp(&(&b.id, b.attempt, &b.holder)));
                    fences.dedup();
                }
                JobAct::Time { ms } => now += i64::from(ms),
                JobAct::End { .. } | JobAct::Cancel { .. } | JobAct::Retry { .. } => {}
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
