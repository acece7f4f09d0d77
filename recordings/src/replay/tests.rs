#![expect(clippy::unwrap_used, reason = "tests")]

mod fake;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use self::fake::{Fake, block_on};
use super::*;
use crate::tests::{hop, request};
use crate::{Body, Keyframe, Outcome, PlacedValue, RecordedCall, RecordedHop, Request, Rules};

fn subject(was: &str, now: &str, upstreams: &[&str]) -> Subject {
    let feeds = upstreams.iter().map(|&name| InputSource::Service(name.to_owned())).collect();
    Subject { was: Some(was.into()), now: now.into(), feeds, replay: Replay::Computing, placed: false }
}

/// A chain `get -> double -> label`, in which the code of `double` changes from `double@1` to `double@2`.
fn question(values: impl IntoIterator<Item = i64>) -> Question {
    let mut requests: Vec<_> = values
        .into_iter()
        .map(|value| {
            let text = |value: i64| value.to_string();
            let hops = vec![
                RecordedHop { inputs: Vec::new(), ..hop("get", "", &text(value)) },
                hop("double", &text(value), &text(2 * value)),
                hop("label", &text(2 * value), &format!("{{\"even\":true,\"n\":{}}}", 2 * value)),
            ];
            hops
        })
        .zip(0..)
        .map(|(hops, at)| (at, Arc::new(request(at, hops))))
        .collect();
    requests.reverse();
    let subjects = BTreeMap::from([
        ("get".to_owned(), subject("get@1", "get@1", &[])),
        ("double".to_owned(), subject("double@1", "double@2", &["get"])),
        ("label".to_owned(), subject("label@1", "label@1", &["double"])),
    ]);
    let limits = ReplayLimits { budget: std::time::Duration::ZERO, ..ReplayLimits::default() };
    Question {
        subjects,
        requests,
        keyframes: Vec::new(),
        rules: Rules::default(),
        limits,
        redacted: false,
        known: Known::default(),
    }
}

fn number(input: &Value) -> i64 {
    input.as_i64().unwrap()
}

fn chain() -> Fake {
    let mut fake = Fake::default();
    fake.function("get@1", |_, _| json!(0));
    fake.function("double@1", |_, inputs| json!(2 * number(&inputs[0])));
    fake.function("double@2", |_, inputs| json!(2 * number(&inputs[0])));
    fake.function("label@1", |_, inputs| json!({"even": number(&inputs[0]) % 2 == 0, "n": number(&inputs[0])}));
    fake
}

fn judged(question: &Question, service: &str, fake: &mut Fake) -> Value {
    serde_json::to_value(block_on(question.judge(service, fake)).unwrap()).unwrap()
}

#[test]
fn equal_outputs_end_there() {
    let mut fake = chain();
    let verdict = judged(&question([1, 2, 3, 2, 1]), "double", &mut fake);
    let expected = json!({
        "service": "double", "was": "double@1", "now": "double@2", "recorded": 3, "same": 3, "differ": 0, "changed": []
    });
    assert_eq!(verdict, expected);
    assert_eq!(fake.runs("label@1"), 0);
    // Two rounds of three on each side.
    assert_eq!((fake.runs("double@1"), fake.runs("double@2")), (6, 6));
}

#[test]
fn different_outputs_are_told_and_followed() {
    let mut fake = chain();
    fake.function("double@2", |_, inputs| {
        json!(match number(&inputs[0]) {
            2 => 5,
            other => 2 * other,
        })
    });
    let verdict = judged(&question([1, 2, 3]), "double", &mut fake);
    let expected = json!({
        "service": "double", "was": "double@1", "now": "double@2", "recorded": 3, "same": 2, "differ": 1,
        "changed": [{"at": 1, "path": "", "was": 4, "now": 5}],
        "downstream": {"label": {"recorded": 1, "same": 0, "differ": 1, "changed": [
            {"at": 1, "path": "/even", "was": true, "now": false},
            {"at": 1, "path": "/n", "was": 4, "now": 5},
        ]}},
    });
    assert_eq!(verdict, expected);
}

#[test]
fn where_a_value_makes_no_difference_further_on_it_ends() {
    let mut fake = chain();
    fake.function("double@2", |_, inputs| json!(2 * number(&inputs[0]) + 2));
    fake.function("label@1", |_, inputs| json!({"even": number(&inputs[0]) % 2 == 0}));
    let mut question = question([1, 2]);
    question.subjects.insert("last".into(), subject("last@1", "last@1", &["label"]));
    let verdict = judged(&question, "double", &mut fake);
    assert_eq!(verdict["downstream"], json!({"label": {"recorded": 2, "same": 2, "differ": 0, "changed": []}}));
}

#[test]
fn newest_first_distinct_and_no_more_than_asked_for() {
    let mut fake = chain();
    fake.function("double@2", |_, inputs| json!(-number(&inputs[0])));
    let mut question = question([1, 2, 3, 4, 4, 3]);
    question.limits = ReplayLimits { calls: 3, shown: 2, ..question.limits };
    let verdict = judged(&question, "double", &mut fake);
    assert_eq!((&verdict["recorded"], &verdict["differ"], &verdict["more"]), (&json!(3), &json!(3), &json!(1)));
    let changed = json!([{"at": 5, "path": "", "was": 6, "now": -3}, {"at": 4, "path": "", "was": 8, "now": -4}]);
    assert_eq!(verdict["changed"], changed);
    // Downstream each request counts.
    assert_eq!(verdict["downstream"]["label"]["recorded"], 3);
}

#[test]
fn what_differs_from_run_to_run_is_no_change() {
    let mut fake = chain();
    for (version, from) in [("double@1", 0), ("double@2", 100)] {
        let mut clock = from;
        fake.function(version, move |_, inputs| {
            clock += 1;
            json!({"at": clock, "value": 2 * number(&inputs[0])})
        });
    }
    let verdict = judged(&question([1, 2]), "double", &mut fake);
    assert_eq!((&verdict["same"], &verdict["unstable"], &verdict["differ"]), (&json!(0), &json!(2), &json!(0)));

    // What is steady in it is still compared.
    fake.function("label@1", |_, inputs| inputs[0].clone());
    let mut clock = 100;
    fake.function("double@2", move |_, inputs| {
        clock += 1;
        json!({"at": clock, "value": 3 * number(&inputs[0])})
    });
    let verdict = judged(&Question { redacted: true, ..question([1]) }, "double", &mut fake);
    assert_eq!(verdict["changed"], json!([{"at": 0, "path": "/value", "was": 2, "now": 3}]));
}

#[test]
fn a_day_that_has_passed_since_is_no_change() {
    // Steady now, but not what was recorded by the same version: it reads something that has changed.
    let mut fake = chain();
    fake.function("double@1", |_, inputs| json!(2 * number(&inputs[0]) + 1));
    fake.function("double@2", |_, inputs| json!(2 * number(&inputs[0]) + 3));
    assert_eq!(judged(&question([1]), "double", &mut fake)["unstable"], 1);
    // Recorded by another version, or blanked, it is no witness.
    let redacted = Question { redacted: true, ..question([1]) };
    assert_eq!(judged(&redacted, "double", &mut fake)["differ"], 1);
}

#[test]
fn without_the_code_before_what_was_recorded_stands_for_it() {
    let mut fake = chain();
    fake.function("double@2", |_, inputs| json!(number(&inputs[0]) * number(&inputs[0])));
    let mut question = question([1, 2]);
    question.subjects.get_mut("double").unwrap().was = None;
    let verdict = judged(&question, "double", &mut fake);
    assert_eq!(verdict["changed"], json!([{"at": 0, "path": "", "was": 2, "now": 1}]));
    assert_eq!((fake.runs("double@1"), verdict.get("was")), (0, None));
}

#[test]
fn what_is_unsafe_is_not_called() {
    let mut fake = chain();
    fake.function("double@2", |_, inputs| json!(3 * number(&inputs[0])));
    let mut asked = question([1, 2]);
    asked.subjects.get_mut("label").unwrap().replay = Replay::Never;
    let verdict = judged(&asked, "double", &mut fake);
    let skipped = json!({"it says replay = false: what was recorded stands in": 2});
    assert_eq!((&verdict["downstream"]["label"]["skipped"], fake.runs("label@1")), (&skipped, 0));
    asked.subjects.get_mut("double").unwrap().replay = Replay::Never;
    assert_eq!(judged(&asked, "double", &mut chain())["skipped"], skipped);
}

#[test]
fn filters_and_failures_go_on_downstream() {
    let mut fake = chain();
    fake.function("double@1", |_, inputs| if number(&inputs[0]) > 1 { Value::Null } else { json!(2) });
    fake.function("double@2", |_, inputs| if number(&inputs[0]) == 1 { Value::Null } else { json!(4) });
    let mut asked = question([1, 2]);
    // Of the second request `double` filtered, so `label` was not called.
    let mut filtered = Request::clone(&asked.requests[0].1);
    filtered.hops.pop();
    filtered.hops[1].end = Outcome::Filtered;
    asked.requests[0].1 = Arc::new(filtered);
    let verdict = judged(&asked, "double", &mut fake);
    let changed = json!([
        {"at": 1, "path": "", "was": {"end": "filtered"}, "now": 4},
        {"at": 0, "path": "", "was": 2, "now": {"end": "filtered"}},
    ]);
    assert_eq!(verdict["changed"], changed);
    let changed = json!([
        {"at": 1, "path": "", "was": {"end": "filtered"}, "now": {"even": true, "n": 4}},
        {"at": 0, "path": "", "was": {"even": true, "n": 2}, "now": {"end": "filtered"}},
    ]);
    assert_eq!(verdict["downstream"]["label"]["changed"], changed);
}

#[test]
fn downstream_compares_what_the_code_before_returns_not_what_was_recorded() {
    let mut fake = chain();
    fake.function("double@2", |_, inputs| json!(3 * number(&inputs[0])));
    let mut asked = question([1]);
    // An undo: what was recorded came from the code that is back now.
    let double = asked.subjects.get_mut("double").unwrap();
    (double.was, double.now) = (Some("double@2".into()), "double@1".into());
    let verdict = judged(&asked, "double", &mut fake);
    assert_eq!(verdict["changed"], json!([{"at": 0, "path": "", "was": 3, "now": 2}]));
    let label = &verdict["downstream"]["label"];
    let changed = json!([
        {"at": 0, "path": "/even", "was": false, "now": true},
        {"at": 0, "path": "/n", "was": 3, "now": 2},
    ]);
    assert_eq!((&label["differ"], &label["changed"]), (&json!(1), &changed), "{label}");
}

#[test]
fn inputs_that_do_not_read_any_more_are_told_apart() {
    let mut fake = chain();
    fake.end("double@2", |_, inputs| match number(&inputs[0]) {
        1 => Outcome::Failed { kind: kind::REJECTED.into(), message: "value: expected a string".into() },
        other => Outcome::Value(Body::new((2 * other).to_string().as_bytes())),
    });
    let verdict = judged(&question([1, 2]), "double", &mut fake);
    assert_eq!((&verdict["same"], &verdict["differ"], &verdict["unread"]), (&json!(1), &json!(0), &json!(1)));
    assert_eq!(verdict["skipped"], json!({"what it received then does not read: value: expected a string": 1}));
}

#[test]
fn a_function_that_never_ends_is_tried_twice() {
    let mut fake = chain();
    fake.end("double@2", |_, _| Outcome::Failed { kind: kind::DEADLINE.into(), message: "it did not end".into() });
    let verdict = judged(&question(1..9), "double", &mut fake);
    assert_eq!(fake.runs("double@2"), 2);
    assert_eq!((&verdict["recorded"], &verdict["differ"]), (&json!(8), &json!(2)));
    let skipped = json!({"a call before it did not end, or ended its process": 6});
    assert_eq!(verdict["skipped"], skipped);
}

#[test]
fn calls_from_a_body_follow_what_they_called() {
    let mut fake = chain();
    fake.function("double@2", |_, inputs| json!(3 * number(&inputs[0])));
    // `label` calls `double` and is given nothing by it.
    fake.with_calls("label@1", |calls| calls[0].clone());
    let mut asked = question([7]);
    let mut own = Request::clone(&asked.requests[0].1);
    own.hops[2] = RecordedHop {
        inputs: vec![Body::new(b"\"from its caller\"")],
        calls: vec![RecordedCall {
            service: "double".into(),
            inputs: vec![Body::new(b"7")],
            end: Outcome::Value(Body::new(b"14")),
        }],
        ..hop("label", "", "14")
    };
    asked.requests[0].1 = Arc::new(own);
    asked.subjects.get_mut("label").unwrap().feeds.clear();
    let verdict = judged(&asked, "double", &mut fake);
    assert_eq!(verdict["downstream"]["label"]["changed"], json!([{"at": 0, "path": "", "was": 14, "now": 21}]));
}

/// `sum` adds up what it gets; its calls are numbered as requests are.
fn summed(values: &[i64], keyframe: Option<u64>) -> Question {
    let mut asked = question([]);
    let mut sum = 0;
    let requests = values.iter().zip(0..).map(|(value, at)| {
        sum += 2 * value;
        let calls = vec![
            hop("double", &value.to_string(), &(2 * value).to_string()),
            RecordedHop { sequence: at, ..hop("sum", &(2 * value).to_string(), &sum.to_string()) },
        ];
        (at, Arc::new(request(at, calls)))
    });
    asked.requests = requests.collect();
    asked.requests.reverse();
    asked.subjects.insert("sum".into(), Subject { placed: true, ..subject("sum@1", "sum@1", &["double"]) });
    asked.keyframes.extend(keyframe.map(|sequence| {
        let before: i64 = values[..sequence as usize].iter().map(|value| 2 * value).sum();
        let value = serde_json::value::to_raw_value(&before).unwrap();
        let states = vec![PlacedValue { name: "SUM".into(), fingerprint: "i64".into(), value }];
        Arc::new(Keyframe { service: "sum".into(), sequence, life: 0, states })
    }));
    asked
}

fn summing() -> Fake {
    let mut fake = chain();
    for (version, by) in [("sum@1", 1), ("sum@2", -1)] {
        fake.function(version, move |state, inputs| {
            *state += by * number(&inputs[0]);
            json!(*state)
        });
    }
    fake
}

#[test]
fn a_function_with_state_runs_in_order_from_the_nearest_state() {
    let mut asked = summed(&[1, 2, 3, 4, 5, 6], Some(2));
    let sum = asked.subjects.get_mut("sum").unwrap();
    sum.now = "sum@2".into();
    let verdict = judged(&asked, "sum", &mut summing());
    // From 6 on: 12, 20, 30, 42 then; now 0, -8, -18, -30.
    assert_eq!((&verdict["recorded"], &verdict["differ"], verdict.get("notes")), (&json!(4), &json!(4), None));
    assert_eq!(verdict["changed"][0], json!({"at": 2, "path": "", "was": 12, "now": 0}));
    assert_eq!(verdict["changed"][3], json!({"at": 5, "path": "", "was": 42, "now": -30}));
    let sum = asked.subjects.get_mut("sum").unwrap();
    sum.now = "sum@1".into();
    let verdict = judged(&asked, "sum", &mut summing());
    assert_eq!((&verdict["same"], verdict.get("unstable")), (&json!(4), None));
}

#[test]
fn what_a_host_did_before_it_began_anew_does_not_lead_to_now() {
    let in_life = |mut asked: Question, life: u32, from: u64| {
        for (_, request) in &mut asked.requests {
            let mut own = Request::clone(request);
            (own.hops[1].life, own.hops[1].sequence) = (life, own.hops[1].sequence + from);
            *request = Arc::new(own);
        }
        let moved = asked.keyframes.iter().map(|keyframe| {
            Arc::new(Keyframe { life, sequence: keyframe.sequence + from, ..Keyframe::clone(keyframe) })
        });
        asked.keyframes = moved.collect();
        asked
    };
    let before = summed(&[9, 9], Some(0));
    let mut asked = in_life(summed(&[1, 2, 3], Some(0)), 1, 3);
    asked.requests.extend(before.requests.into_iter().map(|(at, request)| (at + 10, request)));
    asked.keyframes.extend(before.keyframes);
    asked.subjects.get_mut("sum").unwrap().now = "sum@2".into();
    let verdict = judged(&asked, "sum", &mut summing());
    assert_eq!((&verdict["recorded"], &verdict["differ"], verdict.get("notes")), (&json!(3), &json!(3), None));
    assert_eq!(verdict["changed"][0], json!({"at": 0, "path": "", "was": 2, "now": -2}));
}

#[test]
fn without_a_known_state_it_is_said_and_both_begin_alike() {
    let mut asked = summed(&[1, 2, 3, 4, 5, 6], None);
    asked.limits.calls = 3;
    let verdict = judged(&asked, "sum", &mut summing());
    assert_eq!((&verdict["recorded"], &verdict["same"], verdict.get("unstable")), (&json!(3), &json!(3), None));
    let note = "its state is not the one it had then: not every call, or no state, was recorded";
    assert_eq!(verdict["notes"], json!([note]));
}

#[test]
fn what_was_under_way_at_once_may_have_changed_state_in_another_order() {
    let mut asked = summed(&[1, 1, 1], Some(0));
    asked.subjects.get_mut("sum").unwrap().was = None;
    let turn = |asked: &mut Question, at: usize, sequence: u64| {
        let mut request = Request::clone(&asked.requests[at].1);
        request.hops[1].sequence = sequence;
        asked.requests[at].1 = Arc::new(request);
    };
    // The second was numbered last.
    turn(&mut asked, 0, 1);
    turn(&mut asked, 1, 2);
    let verdict = judged(&asked, "sum", &mut summing());
    assert_eq!((&verdict["same"], &verdict["unstable"], &verdict["differ"]), (&json!(1), &json!(2), &json!(0)));
    let mut other = summing();
    other.function("sum@1", |state, inputs| {
        *state += number(&inputs[0]) + 1;
        json!(*state)
    });
    assert_eq!(judged(&asked, "sum", &mut other)["differ"], 2);
}

#[test]
fn one_changed_value_changes_every_sum_after_it() {
    let mut fake = summing();
    fake.function("double@2", |_, inputs| {
        json!(match number(&inputs[0]) {
            3 => 7,
            other => 2 * other,
        })
    });
    let verdict = judged(&summed(&[1, 2, 3, 4, 3], Some(0)), "double", &mut fake);
    assert_eq!((&verdict["recorded"], &verdict["differ"]), (&json!(4), &json!(1)));
    let sum = &verdict["downstream"]["sum"];
    assert_eq!((&sum["recorded"], &sum["same"], &sum["differ"]), (&json!(5), &json!(2), &json!(3)));
    let changed = json!([
        {"at": 2, "path": "", "was": 12, "now": 13},
        {"at": 3, "path": "", "was": 20, "now": 21},
        {"at": 4, "path": "", "was": 26, "now": 28},
    ]);
    assert_eq!(sum["changed"], changed);
}

#[test]
fn a_value_that_did_not_come_then_is_added_in_its_turn() {
    let mut fake = summing();
    fake.function(
        "double@1",
        |_, inputs| if number(&inputs[0]) == 2 { Value::Null } else { json!(2 * number(&inputs[0])) },
    );
    let mut asked = summed(&[1, 0, 3], Some(0));
    // The second request was filtered.
    let mut filtered = Request::clone(&asked.requests[1].1);
    filtered.hops.truncate(1);
    filtered.hops[0] = RecordedHop { end: Outcome::Filtered, ..hop("double", "2", "") };
    asked.requests[1].1 = Arc::new(filtered);
    let mut last = Request::clone(&asked.requests[0].1);
    last.hops[1].sequence = 1;
    asked.requests[0].1 = Arc::new(last);
    let verdict = judged(&asked, "double", &mut fake);
    let changed = json!([
        {"at": 1, "path": "", "was": {"end": "filtered"}, "now": 6},
        {"at": 2, "path": "", "was": 8, "now": 12},
    ]);
    assert_eq!(verdict["downstream"]["sum"]["changed"], changed);
}

#[test]
fn state_that_does_not_read_any_more_is_told() {
    let mut fake = summing();
    fake.refuse_state = true;
    let verdict = judged(&summed(&[1, 2], Some(1)), "sum", &mut fake);
    assert_eq!(verdict["notes"], json!(["SUM begins anew: it does not read"]));
}

#[test]
fn slower_code_is_told() {
    let mut fake = chain();
    fake.nanos("double@1", 10_000);
    fake.nanos("double@2", 30_000);
    let verdict = block_on(question(0..50).judge("double", &mut fake)).unwrap();
    let slower = verdict.slower.unwrap();
    assert_eq!((slower.was_ns, slower.now_ns, slower.n, verdict.faster), (10_000, 30_000, 50, None));
    fake.nanos("double@2", 10_000);
    let verdict = block_on(question(0..50).judge("double", &mut fake)).unwrap();
    assert_eq!((verdict.slower, verdict.faster), (None, None));
}

#[test]
fn what_is_no_service_any_more_and_what_nothing_runs() {
    let verdict = judged(&question([1]), "gone", &mut chain());
    assert_eq!(verdict["notes"], json!(["it is no service of the app any more"]));
    let mut fake = chain();
    fake.broken = true;
    assert_eq!(block_on(question([1]).judge("double", &mut fake)).unwrap_err(), "broken");
}

proptest! {
    /// Every call that is looked at counts once, and what differs is just what does.
    #[test]
    fn every_call_counts_once(values in prop::collection::vec(-5..5_i64, 0..30), odd in -5..5_i64) {
        let mut fake = chain();
        fake.function("double@2", move |_, inputs| {
            let value = number(&inputs[0]);
            json!(2 * value + i64::from(value == odd))
        });
        let verdict = block_on(question(values.clone()).judge("double", &mut fake)).unwrap();
        let findings = &verdict.findings;
        let distinct: std::collections::BTreeSet<_> = values.iter().collect();
        prop_assert_eq!(findings.recorded, distinct.len());
        prop_assert_eq!(findings.same + findings.differ, distinct.len());
        prop_assert_eq!(findings.differ, usize::from(distinct.contains(&odd)));
        let further = values.iter().filter(|value| **value == odd).count();
        prop_assert_eq!(verdict.downstream.get("label").map_or(0, |label| label.differ), further.min(1) * further);
        prop_assert_eq!(verdict.differs(), distinct.contains(&odd));
    }
}
