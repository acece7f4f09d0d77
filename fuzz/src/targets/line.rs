//! What a person or a program says to a session.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use session_api::grammar::{self, NoAnswers};
use session_api::snapshot::{FlowEdge, PlacedState, ServiceView, StateField, TypeShape};
use session_api::{Answer, Command, LogLine, Snapshot};

/// Pieces that mean something in a line.
pub(super) const WORDS: &[&str] = &[
    "get",
    "map",
    "moving_avg",
    "join",
    "(",
    ")",
    ",",
    "|",
    ".",
    "time ",
    "set ",
    "state ",
    "logs ",
    "why ",
    "route ",
    "table ",
    "help ",
    "undo",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    "$1",
    "_",
    "#",
    "1e999",
    "-1",
    "null",
    "\u{e9}",
    "\u{1f600}",
    "\t",
];

pub(super) fn lines() -> Vec<Vec<u8>> {
    [
        "map(get)",
        "get | map | moving_avg",
        "time 10 moving_avg(map({\"value\": 1}))",
        "set moving_avg.AVERAGE {\"n\": 1}",
        "join(get, \"x)\")",
        "state moving_avg",
        "logs map 20",
        "why 1",
        "help time",
        "# nothing",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec()
}

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let field = |name: &str, ty: &str| StateField { name: name.to_owned(), ty: ty.to_owned() };
        let service = |name: &str, inputs: &[(&str, &str)]| ServiceView {
            name: name.to_owned(),
            inputs: inputs.iter().map(|(name, ty)| field(name, ty)).collect(),
            output: "Reading".to_owned(),
            placed: BTreeMap::from([("AVERAGE".to_owned(), PlacedState { ty: "Reading".to_owned(), fate: None })]),
            ..ServiceView::default()
        };
        let edge = |from: &str, to: &str| FlowEdge {
            from: from.to_owned(),
            to: to.to_owned(),
            input: Some("reading".to_owned()),
            within: false,
        };
        Snapshot {
            services: vec![
                service("get", &[]),
                service("map", &[("reading", "Reading")]),
                service("moving_avg", &[("value", "f64")]),
                service("join", &[("left", "Option<Reading>"), ("right", "Vec<String>")]),
            ],
            flow: Some("moving_avg(map(get))".to_owned()),
            edges: vec![edge("get", "map"), edge("map", "moving_avg")],
            types: BTreeMap::from([
                (
                    "Reading".to_owned(),
                    TypeShape::Struct(vec![field("value", "f64"), field("note", "Option<Reading>")]),
                ),
                ("Kind".to_owned(), TypeShape::Enum(vec!["One".to_owned(), "Two".to_owned()])),
            ]),
            ..Snapshot::default()
        }
    })
}

/// A line is read, completed and doubted anywhere; what is meant is written so that it means the same.
pub(super) fn line(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    let snapshot = snapshot();
    let tokens = grammar::tokens(line);
    assert!(tokens.iter().all(|token| line.get(token.at.clone()).is_some()), "{line:?}");
    grammar::is_complete(line);
    for doubt in grammar::doubts(line, snapshot) {
        assert!(doubt.at.start <= doubt.at.end && doubt.at.end <= line.chars().count(), "{line:?}");
    }
    for cursor in [0, line.len() / 2, line.len(), line.len() + 1] {
        let (start, _) = grammar::complete(line, cursor, snapshot);
        assert!(start <= cursor && line.is_char_boundary(start), "{line:?} at {cursor}");
        grammar::expected(line, cursor, snapshot);
    }
    if grammar::is_blank(line) {
        return;
    }
    if let Ok(meant) = grammar::parse(line, snapshot, &NoAnswers) {
        let written = meant.to_string();
        assert_eq!(grammar::parse(&written, snapshot, &NoAnswers).as_ref(), Ok(&meant), "{line:?} as {written:?}");
    }
}

pub(super) fn commands() -> Vec<Vec<u8>> {
    [
        r#"{"command":"invoke","call":{"service":"map","inputs":[{"call":{"service":"get"}}]}}"#,
        r#"{"command":"time","count":5,"call":{"service":"join","inputs":[{"value":{"a":[1,2]}},{"value":null}]}}"#,
        r#"{"command":"set","service":"moving_avg","state":"AVERAGE","value":{"n":1.5}}"#,
        r#"{"command":"state","service":"map"}"#,
        r#"{"command":"undo"}"#,
    ]
    .map(|command| command.as_bytes().to_vec())
    .to_vec()
}

/// A command that reads is written so that it reads the same.
pub(super) fn command(bytes: &[u8]) {
    let Ok(command) = serde_json::from_slice::<Command>(bytes) else { return };
    let written = serde_json::to_vec(&command).expect("JSON");
    assert_eq!(serde_json::from_slice::<Command>(&written).expect("what was written here reads"), command);
}

pub(super) fn answers() -> Vec<Vec<u8>> {
    let snapshot = serde_json::to_vec(snapshot()).expect("JSON");
    let others = [
        r#"{"answer":"done","message":"it is done"}"#,
        r#"{"answer":"state","values":{"AVERAGE":{"n":1.5}}}"#,
        r#"{"answer":"recordings","recordings":[]}"#,
        r#"{"seq":3,"at_ms":1500,"service":"map","stream":"stdout","line":"hello"}"#,
    ];
    others.into_iter().map(|text| text.as_bytes().to_vec()).chain([snapshot]).collect()
}

/// What a session says to whoever asks is read, and written so that it reads the same.
pub(super) fn answer(bytes: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<Answer>(bytes) {
        let written = serde_json::to_vec(&answer).expect("JSON");
        assert_eq!(serde_json::from_slice::<Answer>(&written).expect("what was written here reads"), answer);
    }
    if let Ok(snapshot) = serde_json::from_slice::<Snapshot>(bytes) {
        let written = serde_json::to_vec(&snapshot).expect("JSON");
        assert_eq!(serde_json::from_slice::<Snapshot>(&written).expect("what was written here reads"), snapshot);
    }
    if let Ok(line) = serde_json::from_slice::<LogLine>(bytes) {
        let written = serde_json::to_vec(&line).expect("JSON");
        assert_eq!(serde_json::from_slice::<LogLine>(&written).expect("what was written here reads"), line);
    }
}
