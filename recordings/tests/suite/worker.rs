//! The runner over the process that sessions use, with a service that must not be trusted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use recordings::replay::{Job, Known, Question, Replay, ReplayLimits, Role, Runner as _, Slot, Subject, kind};
use recordings::{Body, Outcome, PlacedValue, RecordedCall, RecordedHop, Request, Rules, Worker, WorkerError};

const VERSION: &str = "odd@00000001";

fn worker() -> Worker {
    let library = support::examples().join("libreplay_odd.so");
    let of = |version: &str| ("odd".to_owned(), version.to_owned());
    let libraries = BTreeMap::from([(of(VERSION), library), (of("none@1"), "/proc/self/status".into())]);
    Worker::new(support::examples().join("replay_worker"), libraries, BTreeMap::new())
}

fn slot(role: Role) -> Slot {
    Slot { role, service: "odd".into(), version: VERSION.into(), is_free: false }
}

fn json(value: impl serde::Serialize) -> Body {
    Body::new(&serde_json::to_vec(&value).unwrap())
}

async fn run(worker: &mut Worker, role: Role, deed: &str, seed: u64, timeout: u64) -> Outcome {
    let stand_ins = [RecordedCall { service: "first".into(), inputs: vec![json(4)], end: Outcome::Value(json(40)) }];
    let inputs = [json(deed), json(seed)];
    let timeout = Duration::from_millis(timeout);
    let job = Job { slot: &slot(role), inputs: &inputs, stand_ins: &stand_ins, timeout };
    worker.run(job).await.unwrap().end
}

/// Longer than anything here takes on any machine.
const LONG: u64 = 60_000;

fn kind(end: &Outcome) -> &str {
    end.name()
}

#[tokio::test]
async fn slots_have_states_of_their_own_and_begin_anew_with_what_ended_their_process() {
    let mut worker = worker();
    let state = |name: &str, value: &str| PlacedValue {
        name: name.into(),
        fingerprint: "u64-1".into(),
        value: serde_json::value::RawValue::from_string(value.into()).unwrap(),
    };
    let prepared = worker.prepare(&slot(Role::Was), &[state("COUNT", "7"), state("OTHER", "1")]).await.unwrap();
    assert_eq!(prepared.reset, [("OTHER".into(), "it is no placed static any more".into())]);
    let prepared = worker.prepare(&slot(Role::Now), &[state("COUNT", "\"text\"")]).await.unwrap();
    assert_eq!(prepared.reset.len(), 1, "{prepared:?}");
    assert_eq!(run(&mut worker, Role::Was, "count", 1, LONG).await, Outcome::Value(json(8)));
    assert_eq!(run(&mut worker, Role::Now, "count", 1, LONG).await, Outcome::Value(json(101)));
    assert_eq!(kind(&run(&mut worker, Role::Now, "abort", 1, LONG).await), kind::DIED);
    assert_eq!(run(&mut worker, Role::Was, "count", 1, LONG).await, Outcome::Value(json(9)), "the other's end");
    assert_eq!(run(&mut worker, Role::Now, "count", 1, LONG).await, Outcome::Value(json(101)), "it began anew");
    assert_eq!(kind(&run(&mut worker, Role::Was, "loop", 1, 20).await), kind::DEADLINE);
    assert_eq!(run(&mut worker, Role::Was, "count", 2, LONG).await, Outcome::Value(json(9)), "it began anew");
    assert_eq!(kind(&run(&mut worker, Role::Was, "panic", 2, LONG).await), "panicked");
    assert_eq!(run(&mut worker, Role::Was, "count", 2, LONG).await, Outcome::Value(json(11)), "a panic ends nothing");
    assert_eq!(run(&mut worker, Role::Was, "ask", 4, LONG).await, Outcome::Value(json(40)));
    assert_eq!(kind(&run(&mut worker, Role::Was, "ask", 5, LONG).await), kind::NOT_RECORDED);
    let job = Job { slot: &slot(Role::Was), inputs: &[json("count")], stand_ins: &[], timeout: Duration::MAX };
    let message = "it takes 2 inputs, not 1".to_owned();
    assert_eq!(worker.run(job).await.unwrap().end, Outcome::Failed { kind: kind::REJECTED.into(), message });
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    let mut worker = worker();
    let slot = |version: &str| Slot { version: version.into(), ..slot(Role::Now) };
    assert!(matches!(worker.prepare(&slot("gone@1"), &[]).await, Err(WorkerError::Library(_))));
    assert!(matches!(worker.prepare(&slot("none@1"), &[]).await, Err(WorkerError::Refused { .. })));
    let mut none = Worker::new(
        "/nowhere/dyn".into(),
        BTreeMap::from([(("odd".into(), "a@1".into()), "/a".into())]),
        BTreeMap::new(),
    );
    assert!(matches!(none.prepare(&slot("a@1"), &[]).await, Err(WorkerError::Start { .. })));
}

#[tokio::test]
async fn a_verdict_over_a_real_process() {
    let hop = |deed: &str, seed: u64, end: Outcome, sequence| RecordedHop {
        span: String::new(),
        parent: None,
        service: "odd".into(),
        version: VERSION.into(),
        inputs: vec![json(deed), json(seed)],
        end,
        function_ns: 1,
        at_ns: 0,
        took_ns: 0,
        sequence,
        life: 0,
        calls: Vec::new(),
    };
    let ends = [
        ("count", 5, Outcome::Value(json(105))),
        ("count", 1, Outcome::Value(json(106))),
        ("abort", 0, Outcome::Filtered),
    ];
    let requests = ends.into_iter().zip(0..).map(|((deed, seed, end), at)| {
        let hops = vec![hop(deed, seed, end, at)];
        (at, Arc::new(Request { id: String::new(), at, route: None, headers: Vec::new(), hops }))
    });
    let mut requests: Vec<_> = requests.collect();
    requests.reverse();
    let subject = Subject {
        was: Some(VERSION.into()),
        now: VERSION.into(),
        feeds: Vec::new(),
        replay: Replay::Computing,
        placed: true,
    };
    let question = Question {
        subjects: BTreeMap::from([("odd".to_owned(), subject)]),
        requests,
        keyframes: Vec::new(),
        rules: Rules::default(),
        limits: ReplayLimits { timeout: Duration::from_millis(LONG), ..ReplayLimits::default() },
        redacted: false,
        known: Known::default(),
    };
    let verdict = question.judge("odd", &mut worker()).await.unwrap();
    let findings = &verdict.findings;
    // The third ends its process whichever code runs.
    assert_eq!((findings.recorded, findings.same, findings.differ), (3, 3, 0), "{verdict:?}");
}
