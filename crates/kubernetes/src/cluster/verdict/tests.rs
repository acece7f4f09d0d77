use serde_json::{Value, json};

use super::*;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object of its kind")
}

fn deployment(status: Value) -> Deployment {
    let annotations = json!({ "deployment.kubernetes.io/revision": "2" });
    read(json!({
        "metadata": { "name": "map", "generation": 5, "annotations": annotations },
        "spec": { "replicas": 2, "selector": {}, "template": {} },
        "status": status,
    }))
}

fn sets() -> Vec<ReplicaSet> {
    let set = |uid: &str, revision: &str| {
        let annotations = json!({ "deployment.kubernetes.io/revision": revision });
        read(json!({ "metadata": { "name": uid, "uid": uid, "annotations": annotations }, "spec": { "selector": {} } }))
    };
    vec![set("one", "1"), set("two", "2")]
}

fn pod(set: &str, ready: &str, container: Value) -> Pod {
    let owner = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": set });
    let mut status = json!({ "name": "map", "ready": ready == "True", "image": "i", "imageID": "", "restartCount": 0 });
    if let (Some(status), Value::Object(more)) = (status.as_object_mut(), container) {
        status.extend(more);
    }
    read(json!({
        "metadata": { "name": format!("map-{set}"), "ownerReferences": [owner] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }], "containerStatuses": [status] },
    }))
}

fn running() -> Value {
    json!({ "state": { "running": {} } })
}

fn failure(container: Value) -> (Option<String>, Verdict) {
    let deployment = deployment(json!({ "observedGeneration": 5, "replicas": 3, "updatedReplicas": 1 }));
    let (roll, verdict) = judge(&deployment, &sets(), &[pod("one", "True", running()), pod("two", "False", container)]);
    (roll.why, verdict)
}

#[test]
fn a_roll_is_live_once_every_pod_is_new_and_ready() {
    let midway =
        deployment(json!({ "observedGeneration": 5, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3 }));
    let pods = [pod("two", "True", running()), pod("two", "True", running()), pod("one", "True", running())];
    let (roll, verdict) = judge(&midway, &sets(), &pods);
    assert_eq!((roll.ready, roll.wanted, roll.old, verdict), (2, 2, 1, Verdict::Rolling));
    let done =
        deployment(json!({ "observedGeneration": 5, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 }));
    assert_eq!(judge(&done, &sets(), &pods[..2]).1, Verdict::Live);
}

#[test]
fn what_was_there_before_the_change_was_seen_says_nothing() {
    let unseen =
        deployment(json!({ "observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 }));
    assert_eq!(judge(&unseen, &sets(), &[]).1, Verdict::Rolling);
}

#[test]
fn a_container_that_ends_again_fails_the_roll() {
    let ended = json!({ "terminated": { "exitCode": 101, "reason": "Error" } });
    let (why, verdict) = failure(json!({ "state": ended, "restartCount": 0 }));
    assert_eq!((why.as_deref(), verdict), (Some("it ended with exit code 101"), Verdict::Rolling));
    let (_, verdict) = failure(json!({ "state": ended, "restartCount": 1, "lastState": ended }));
    let Verdict::Failed { why, log } = verdict else { panic!("it goes on: {verdict:?}") };
    assert_eq!(why, "it ended with exit code 101, and again after 1 restarts");
    assert_eq!(log, Some(("map-two".to_owned(), false)));
    let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    let killed = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
    let (_, verdict) = failure(json!({ "state": waiting, "restartCount": 1, "lastState": killed }));
    assert!(matches!(&verdict, Verdict::Failed { why, .. } if why.contains("want of memory")), "{verdict:?}");
}

#[test]
fn an_image_that_cannot_be_had_fails_the_roll_and_one_that_is_coming_does_not() {
    let waiting = |reason: &str| json!({ "state": { "waiting": { "reason": reason, "message": "not found" } } });
    assert_eq!(failure(waiting("ContainerCreating")).1, Verdict::Rolling);
    assert_eq!(failure(waiting("ErrImagePull")), (Some("ErrImagePull: not found".to_owned()), Verdict::Rolling));
    assert!(matches!(failure(waiting("ImagePullBackOff")).1, Verdict::Failed { .. }));
}

#[test]
fn a_quota_and_a_deadline_fail_the_roll() {
    let because = |kind: &str, status: &str, reason: &str| {
        let conditions =
            json!([{ "type": kind, "status": status, "reason": reason, "message": "exceeded quota: small" }]);
        let deployment = deployment(json!({ "observedGeneration": 5, "conditions": conditions }));
        judge(&deployment, &sets(), &[]).1
    };
    let failed = Verdict::Failed { why: "exceeded quota: small".to_owned(), log: None };
    assert_eq!(because("ReplicaFailure", "True", "FailedCreate"), failed);
    assert_eq!(because("Progressing", "False", "ProgressDeadlineExceeded"), failed);
    assert_eq!(because("Progressing", "True", "ReplicaSetUpdated"), Verdict::Rolling);
}

#[test]
fn a_version_that_was_live_and_ends_is_seen() {
    let live = deployment(json!({ "observedGeneration": 5 }));
    assert_eq!(relapse(&live, &sets(), &[pod("two", "True", running())]), None);
    let ended = json!({ "terminated": { "exitCode": 1 } });
    let again = json!({ "state": { "running": {} }, "lastState": ended, "restartCount": 1 });
    let (why, log) = relapse(&live, &sets(), &[pod("two", "True", again)]).expect("a relapse");
    assert!(why.contains("exit code 1"), "{why}");
    assert_eq!(log, Some(("map-two".to_owned(), true)));
    let old = json!({ "state": { "terminated": { "exitCode": 1 } } });
    assert_eq!(relapse(&live, &sets(), &[pod("one", "False", old)]), None);
}
