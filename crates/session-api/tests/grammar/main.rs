//! The grammar of the shell and of the view's prompt.

mod completion;
mod doubts;
mod mistakes;
mod random;
mod reading;

use std::collections::BTreeMap;

use session_api::Snapshot;
use session_api::grammar::AnswerHistory;
use session_api::jobs::{JobLine, JobsView};
use session_api::snapshot::{
    EditLine, EditOutcome, EditedService, FlowEdge, PlacedState, Recording, ServiceView, StateField, TypeShape,
};

fn fields(fields: &[(&str, &str)]) -> Vec<StateField> {
    fields.iter().map(|(name, ty)| StateField { name: (*name).to_owned(), ty: (*ty).to_owned() }).collect()
}

fn service(name: &str, inputs: &[(&str, &str)], output: &str) -> ServiceView {
    ServiceView { name: name.to_owned(), inputs: fields(inputs), output: output.to_owned(), ..ServiceView::default() }
}

/// The smart building, and two services that its flow does not use.
fn snapshot() -> Snapshot {
    let job = JobLine { id: "019370c4-0000-7000-8000-000000000001".to_owned(), ..JobLine::default() };
    let mut moving_avg = service("moving_avg", &[("value", "f64")], "Average");
    let average = PlacedState { ty: "Average".to_owned(), fate: None };
    moving_avg.placed = BTreeMap::from([("AVERAGE".to_owned(), average)]);
    let edit = |edit| EditLine {
        edit,
        at_ms: edit * 1000,
        outcome: EditOutcome::Live,
        services: vec![EditedService { name: "map".to_owned(), reason: "its body".to_owned(), version: None }],
        flow: false,
        ms: None,
        judgement: None,
    };
    let edge = |from: &str, to: &str, input: &str| FlowEdge {
        from: from.to_owned(),
        to: to.to_owned(),
        input: Some(input.to_owned()),
        within: false,
    };
    Snapshot {
        app: "building".to_owned(),
        services: vec![
            service("get", &[], "Reading"),
            service("filter", &[("reading", "Reading")], "Option<Reading>"),
            service("map", &[("reading", "Reading")], "f64"),
            moving_avg,
            service("join", &[("left", "Option<Reading>"), ("right", "u32")], "u32"),
            service("plan", &[("orders", "Vec<Order>")], "bool"),
        ],
        flow: Some("moving_avg(map(filter(get)))".to_owned()),
        edges: vec![
            edge("get", "filter", "reading"),
            edge("filter", "map", "reading"),
            edge("map", "moving_avg", "value"),
        ],
        types: BTreeMap::from([
            (
                "Reading".to_owned(),
                TypeShape::Struct(fields(&[("sensor", "String"), ("value", "f64"), ("note", "Option<String>")])),
            ),
            ("Average".to_owned(), TypeShape::Struct(fields(&[("average", "f64"), ("count", "u64")]))),
            (
                "Order".to_owned(),
                TypeShape::Struct(fields(&[
                    ("kind", "Kind"),
                    ("express", "bool"),
                    ("by", "BTreeMap<String, Reading>"),
                ])),
            ),
            ("Kind".to_owned(), TypeShape::Enum(vec!["Heat".to_owned(), "Cool".to_owned()])),
        ]),
        edits: vec![edit(1), edit(2), edit(3)],
        recording: Recording { requests: 3, newest: Some(12), ..Recording::default() },
        jobs: Some(JobsView { latest: vec![job], ..JobsView::default() }),
        ..Snapshot::default()
    }
}

/// `$1` is 1.5, `$2` an object.
fn history() -> AnswerHistory {
    let mut kept = AnswerHistory::most(10);
    kept.keep(serde_json::json!(1.5));
    kept.keep(serde_json::json!({"sensor": "EWR", "value": 50.0}));
    kept
}
