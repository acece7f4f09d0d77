//! A test file made of recorded calls: it is what is written, and passes without `dyn`.

mod app;

use std::collections::BTreeMap;
use std::sync::Arc;

use recordings::replay::{Known, Question, Replay, ReplayLimits, Subject};
use recordings::{Body, Keyframe, Outcome, PlacedValue, RecordedCall, RecordedHop, Request, Rules, as_tests};

fn hop(service: &str, inputs: &[&str], end: Outcome, sequence: u64) -> RecordedHop {
    RecordedHop {
        span: String::new(),
        parent: None,
        service: service.into(),
        version: String::new(),
        inputs: inputs.iter().map(|input| json(input)).collect(),
        end,
        function_ns: 1,
        at_ns: 0,
        took_ns: 0,
        sequence,
        life: 0,
        calls: Vec::new(),
    }
}

fn json(text: &str) -> Body {
    Body::new(text.as_bytes())
}

fn value(text: &str) -> Outcome {
    Outcome::Value(json(text))
}

fn failed(kind: &str, message: &str) -> Outcome {
    Outcome::Failed { kind: kind.into(), message: message.into() }
}

fn question() -> Question {
    let called = RecordedCall { service: "sum".into(), inputs: vec![json("1")], end: value("1") };
    let requests = vec![
        vec![hop("positive", &["-1.5"], Outcome::Filtered, 0), hop("unsafe_one", &[], value("1"), 0)],
        vec![
            hop("positive", &["0.1"], value("0.1"), 1),
            hop("half", &["0.1", "\"a\\nb\""], value("0.05"), 0),
            hop("sum", &["0.05"], value(r#"{"total":1.05,"count":4}"#), 3),
            RecordedHop { calls: vec![called], ..hop("calls", &[], value("1"), 0) },
        ],
        vec![
            hop("half", &["1.0", "\"\""], failed("failed", "a \"name\" is wanted"), 1),
            hop("half", &["\"x\"", "\"\""], failed("rejected", "value: no number"), 2),
            hop("sum", &["0.5"], value(r#"{"total":1.55,"count":5}"#), 4),
        ],
    ];
    let requests = requests
        .into_iter()
        .zip(0..)
        .map(|(hops, at)| (at, Arc::new(Request { id: String::new(), at, route: None, headers: Vec::new(), hops })));
    let mut requests: Vec<_> = requests.collect();
    requests.reverse();
    let subject = |placed, replay| Subject {
        was: None,
        now: String::new(),
        feeds: Vec::new(),
        replay: if replay { Replay::Computing } else { Replay::Never },
        placed,
    };
    let services = [("positive", false, true), ("half", false, true), ("sum", true, true), ("calls", false, true)];
    let services = services.into_iter().chain([("unsafe_one", false, false), ("never", false, true)]);
    let state = serde_json::value::RawValue::from_string(r#"{"total":1.0,"count":3}"#.into()).unwrap();
    let states = vec![PlacedValue { name: "SUM".into(), fingerprint: "Sum".into(), value: state }];
    Question {
        subjects: services.map(|(name, placed, replay)| (name.to_owned(), subject(placed, replay))).collect(),
        requests,
        keyframes: vec![Arc::new(Keyframe { service: "sum".into(), sequence: 3, life: 0, states })],
        rules: Rules::default(),
        limits: ReplayLimits::default(),
        redacted: false,
        known: Known::default(),
    }
}

#[test]
fn it_is_what_is_written() {
    let file = as_tests(&question(), "warm", "warm.rs");
    let written = include_str!("generated/warm.rs");
    assert_eq!(file.text, written, "\n{}", file.text);
    assert_eq!(file.cases, 6);
    let left_out: BTreeMap<_, _> = file.left_out.into_iter().collect();
    let expected = [
        ("calls", "it calls other services"),
        ("never", "no call of it was recorded that can be checked"),
        ("unsafe_one", "it says replay = false"),
    ];
    assert_eq!(left_out, expected.map(|(service, why)| (service.to_owned(), why.to_owned())).into());
}
