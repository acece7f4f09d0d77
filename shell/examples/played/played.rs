//! A session that is only played: the smart building with fixed readings, times and versions.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde_json::{Value, json};
use session_api::command::{CallTree, Called, CalledHop, Feed, LatencySpread, ReplayStep, SavedRecording, Then, Timed};
use session_api::jobs::{DeadLetters, JobCondition, JobDetail, JobLine, JobsView, TenantJobs};
use session_api::places::DataPlaces;
use session_api::push::{PushTarget, PushView, Roll, RollState, Stage};
use session_api::snapshot::{
    EditLine, EditOutcome, EditedService, FlowEdge, Phase, PlacedState, ServiceView, StateField, Totals, TypeShape,
};
use session_api::verdict::{Changed, FunctionVerdict, Judgement, Verdict};
use session_api::{Answer, Command, EditTimes, Snapshot};
use shell::{LogLine, ShellPeer};

/// The session.
pub(crate) struct Played;

impl ShellPeer for Played {
    type Error = Infallible;

    async fn snapshot(&self) -> Result<Snapshot, Infallible> {
        Ok(snapshot())
    }

    async fn say(&self, command: &Command) -> Result<Answer, Infallible> {
        Ok(match command {
            Command::Invoke { call } if call.service == "slow" => {
                // Who waits for this knows that the call runs.
                eprintln!("slow runs");
                std::future::pending().await
            }
            Command::Invoke { call } => Answer::Called(called(call)),
            Command::Time { count, call } => Answer::Timed(timed(*count, call)),
            Command::State { .. } => {
                Answer::State { values: BTreeMap::from([("AVERAGE".to_owned(), json!({"average": 10.0, "count": 3}))]) }
            }
            Command::Set { service, state, value } => Answer::Done { message: format!("{service}.{state} is {value}") },
            Command::Restart { service } => Answer::Done { message: format!("{service} starts again") },
            Command::Fuse { services, .. } | Command::Split { services, .. } => {
                Answer::Done { message: format!("{} went on elsewhere", services.join(", ")) }
            }
            Command::Where { data } => Answer::Where(DataPlaces {
                source: format!("settings of {}", data.as_deref().unwrap_or("all buckets")),
                ..DataPlaces::default()
            }),
            Command::Undo => Answer::Refused {
                message: "nothing was edited".to_owned(),
                hint: Some("save a change first".to_owned()),
            },
            Command::Recordings => Answer::Recordings {
                recordings: vec![
                    SavedRecording {
                        name: "lunch".to_owned(),
                        requests: 120,
                        bytes: 45_000,
                        ..SavedRecording::default()
                    },
                    SavedRecording {
                        name: "torn".to_owned(),
                        why: Some("cannot read it".to_owned()),
                        ..SavedRecording::default()
                    },
                ],
            },
            Command::Replay { name: None } => Answer::Done { message: "recorded inputs are run again".to_owned() },
            Command::Replay { .. } => Answer::Judged { verdicts: vec![verdict(50, 3)] },
            Command::Again { .. } => {
                Answer::Called(called(&CallTree { service: "moving_avg".to_owned(), inputs: None }))
            }
            Command::Diff { .. } => Answer::Judged { verdicts: vec![verdict(1, 0)] },
            Command::Step { inputs, .. } => {
                let step = ReplayStep {
                    number: 1,
                    service: "map".to_owned(),
                    version: "map@3f2a99".to_owned(),
                    inputs: vec![json!(50.0)],
                    end: json!(10.0),
                    function_ns: 1_250,
                };
                Answer::Stepped { steps: vec![step], again: inputs.as_ref().map(|_| json!(12.5)) }
            }
            Command::Record { on: true, .. } => Answer::Done { message: "requests are recorded".to_owned() },
            Command::Record { .. } => Answer::Done { message: "lunch holds 120 requests".to_owned() },
            Command::Keep { name } => Answer::Done { message: format!("120 requests are kept in {name}") },
            Command::Push { then, .. } | Command::Rollback { then, .. } => {
                let stage = match then {
                    Then::Ask => Stage::Asking,
                    Then::Go => Stage::Underway,
                    Then::End => Stage::Planned,
                };
                Answer::Planned { push: Box::new(PushView { stage, ..pushed() }) }
            }
            Command::Decide { push, yes: true } => Answer::Done { message: format!("push {push} begins") },
            Command::Decide { push, .. } => Answer::Done { message: format!("push {push} is not carried out") },
            Command::StopPush => Answer::Refused { message: "nothing is being pushed".to_owned(), hint: None },
            Command::Jobs => Answer::Jobs { jobs: Box::new(jobs()) },
            Command::RunJob { .. } => job(JobCondition::Queued),
            Command::Job { .. } => job(JobCondition::Done),
            Command::RetryJob { .. } | Command::CancelJob { .. } => {
                Answer::Refused { message: "the job is done already".to_owned(), hint: None }
            }
            Command::Stop => Answer::Done { message: "the session ends".to_owned() },
        })
    }

    async fn logs(&self, service: Option<&str>, last: usize) -> Result<Vec<LogLine>, Infallible> {
        let line = |seq, service: &str, stream: &str, line: &str| LogLine {
            seq,
            at_ms: seq * 1100,
            service: service.to_owned(),
            stream: stream.to_owned(),
            line: line.to_owned(),
        };
        let mut lines = vec![
            line(1, "get", "stdout", "read line 1"),
            line(2, "map", "stderr", "warm \u{1b}[31mred\u{1b}[0m"),
            line(3, "get", "stdout", "read line 2"),
        ];
        lines.retain(|line| service.is_none_or(|service| line.service == service));
        Ok(lines.split_off(lines.len().saturating_sub(last)))
    }
}

/// A flood, and a quiet tenant beside it.
fn jobs() -> JobsView {
    let tenant = |name: &str, queued, done| TenantJobs { name: name.to_owned(), queued, done, ..TenantJobs::default() };
    let dead = DeadLetters {
        tenant: "bob".to_owned(),
        service: "map".to_owned(),
        kind: "poison".to_owned(),
        jobs: 2,
        example: "019370c4-0000-7000-8000-000000000002".to_owned(),
    };
    JobsView {
        workers: 32,
        busy: 9,
        tenants: vec![tenant("alice", 1203, 41), tenant("bob", 1, 7)],
        dead: vec![dead],
        ..JobsView::default()
    }
}

fn job(state: JobCondition) -> Answer {
    let line = JobLine {
        id: "019370c4-0000-7000-8000-000000000001".to_owned(),
        tenant: "default".to_owned(),
        service: "map".to_owned(),
        state,
        attempts: 5,
        function_ms: 0.4,
        ..JobLine::default()
    };
    let result = state.is_over().then(|| json!(10.0));
    Answer::Job { job: Box::new(JobDetail { trace: line.id.replace('-', ""), line, result, ..JobDetail::default() }) }
}

/// A push that is live by the time anybody looks.
fn pushed() -> PushView {
    let roll = |name: &str, what: &str, reasons: &[&str], state| Roll {
        name: name.to_owned(),
        what: what.to_owned(),
        reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        before: Some(format!("{name}@11")),
        version: Some(format!("{name}@{}", if reasons.is_empty() { "11" } else { "22" })),
        replicas: 1,
        state,
        ..Roll::default()
    };
    let target = PushTarget {
        context: "k3s".to_owned(),
        namespace: "shop".to_owned(),
        server: "https://10.0.0.1:6443".to_owned(),
        cluster: "3f2a99".to_owned(),
    };
    PushView {
        push: 1,
        target: Some(target),
        services: vec![
            roll("get", "unchanged", &[], RollState::Waiting),
            roll("map", "changed", &["helper scale() changed"], RollState::Live { ms: 2100.0 }),
        ],
        layers: 1,
        bytes: 242_000,
        stage: Stage::Live { number: 4, sent: 242_000, ms: 5200.0 },
        ..PushView::default()
    }
}

/// Of so many inputs, so many give another value.
fn verdict(recorded: u64, differ: u64) -> Verdict {
    let changed = Changed { at: 12, path: "/value".to_owned(), was: Some(json!(2.5)), now: Some(json!(5.0)) };
    let changed = if differ > 0 { vec![changed] } else { Vec::new() };
    let more = differ.saturating_sub(1);
    let findings =
        FunctionVerdict { recorded, same: recorded - differ, differ, changed, more, ..FunctionVerdict::default() };
    Verdict { service: "map".to_owned(), findings, ..Verdict::default() }
}

/// What a service comes to, with its part in the call first.
fn answer(call: &CallTree, hops: &mut Vec<CalledHop>) -> Result<Value, Called> {
    let name = call.service.as_str();
    let place = hops.len();
    let version = format!("{name}@{:x}{:x}00ff", name.len(), name.bytes().map(u32::from).sum::<u32>());
    hops.push(CalledHop { service: name.to_owned(), version, total_ms: 0.25, function_ms: 0.0625 });
    let mut inputs = Vec::new();
    match (&call.inputs, name) {
        (Some(feeds), _) => {
            for feed in feeds {
                inputs.push(match feed {
                    Feed::Value(value) => value.clone(),
                    Feed::Call(call) => answer(call, hops)?,
                });
            }
        }
        (None, "filter") => inputs.push(answer(&flow("get"), hops)?),
        (None, "map") => inputs.push(answer(&flow("filter"), hops)?),
        (None, "moving_avg") => inputs.push(answer(&flow("map"), hops)?),
        (None, _) => {}
    }
    hops[place].total_ms *= f64::from(u32::try_from(hops.len() - place).unwrap_or(u32::MAX));
    let value = inputs.first().map_or(Value::Null, |input| input["value"].clone()).as_f64();
    match (name, value) {
        ("get", _) => Ok(json!({"sensor": "EWR", "variable": "Temperature", "value": 50.0})),
        ("history", _) => {
            Ok(json!([{"sensor": "EWR", "value": 50.0}, {"sensor": "JFK", "value": 41.0, "note": "wet"}]))
        }
        ("filter", _) if inputs[0]["variable"] == "Temperature" => Ok(inputs[0].clone()),
        ("filter", _) => Err(Called { status: 204, filtered_by: Some(name.to_owned()), ..Called::default() }),
        ("map", Some(value)) => Ok(json!((value - 32.0) / 1.8)),
        ("moving_avg", _) => Ok(json!({"average": inputs[0], "count": 1})),
        ("boom", _) => Err(problem(500, "The function panicked", name, "panicked at app.rs:7:5: boom \u{1b}[2J")),
        _ => Err(problem(422, "An input does not read", name, "reading: missing field `value`")),
    }
}

fn flow(service: &str) -> CallTree {
    CallTree { service: service.to_owned(), inputs: None }
}

fn problem(status: u16, title: &str, service: &str, detail: &str) -> Called {
    let path = ["moving_avg", service];
    let value = json!({"title": title, "status": status, "service": service, "detail": detail, "path": path});
    Called { status, value: Some(value), ..Called::default() }
}

fn called(call: &CallTree) -> Called {
    let mut hops = Vec::new();
    let mut called = match answer(call, &mut hops) {
        Ok(value) => Called { status: 200, value: Some(value), ..Called::default() },
        Err(other) => other,
    };
    called.hops = hops;
    called.ms = 1.5;
    called
}

fn timed(count: u32, call: &CallTree) -> Timed {
    let spread = |p50| LatencySpread { p50, p90: p50 * 2.0, p99: p50 * 100.0, max: p50 * 20_000.0 };
    let called = called(call);
    let hops = called.hops.iter().map(|hop| (hop.service.clone(), spread(hop.total_ms), spread(hop.function_ms)));
    let hops = hops.collect();
    let failed = called.status >= 400;
    Timed {
        n: count,
        errors: if failed { count } else { 0 },
        first_error: failed.then_some(called),
        total: spread(1.5),
        hops,
    }
}

fn fields(fields: &[(&str, &str)]) -> Vec<StateField> {
    fields.iter().map(|(name, ty)| StateField { name: (*name).to_owned(), ty: (*ty).to_owned() }).collect()
}

fn service(name: &str, inputs: &[(&str, &str)], output: &str) -> ServiceView {
    ServiceView {
        name: name.to_owned(),
        state: session_api::snapshot::Condition::Live,
        version: Some(format!("{name}@3f2a99")),
        since_ms: Some(5_000),
        url: Some(format!("http://127.0.0.1:7001/{name}/")),
        inputs: fields(inputs),
        output: output.to_owned(),
        ..ServiceView::default()
    }
}

fn snapshot() -> Snapshot {
    let mut average = service("moving_avg", &[("value", "f64")], "Average");
    average.placed = BTreeMap::from([("AVERAGE".to_owned(), PlacedState { ty: "Average".to_owned(), fate: None })]);
    let edge = |from: &str, to: &str, input: &str| FlowEdge {
        from: from.to_owned(),
        to: to.to_owned(),
        input: Some(input.to_owned()),
        within: false,
    };
    let reading = fields(&[("sensor", "String"), ("variable", "String"), ("value", "f64")]);
    Snapshot {
        app: "building".to_owned(),
        now_ms: 3_725_000,
        phase: Phase::Serving,
        backend: Some("process".to_owned()),
        services: vec![
            service("get", &[], "Reading"),
            service("filter", &[("reading", "Reading")], "Option<Reading>"),
            service("map", &[("reading", "Reading")], "f64"),
            average,
            service("history", &[], "Vec<Reading>"),
            service("slow", &[], "u32"),
            service("boom", &[], "u32"),
        ],
        flow: Some("moving_avg(map(filter(get)))".to_owned()),
        edges: vec![
            edge("get", "filter", "reading"),
            edge("filter", "map", "reading"),
            edge("map", "moving_avg", "value"),
        ],
        types: BTreeMap::from([
            ("Reading".to_owned(), TypeShape::Struct(reading)),
            ("Average".to_owned(), TypeShape::Struct(fields(&[("average", "f64"), ("count", "u64")]))),
        ]),
        pushes: vec![pushed()],
        edits: vec![
            EditLine {
                edit: 1,
                at_ms: 65_000,
                outcome: EditOutcome::Live,
                services: vec![EditedService {
                    name: "map".to_owned(),
                    reason: "its body".to_owned(),
                    version: Some("map@3f2a99".to_owned()),
                }],
                flow: false,
                ms: Some(EditTimes {
                    settle: 0.3,
                    parse: 0.5,
                    build: 102.0,
                    takeover: 0.7,
                    first_response: 0.5,
                    total: 104.0,
                }),
                judgement: Some(Judgement::Done { verdicts: vec![verdict(50, 3)] }),
            },
            EditLine {
                edit: 2,
                at_ms: 3_700_000,
                outcome: EditOutcome::Broken { errors: 2 },
                services: Vec::new(),
                flow: true,
                ms: None,
                judgement: None,
            },
        ],
        totals: Totals { n: 1, p50: 104.0, p95: 104.0 },
        ..Snapshot::default()
    }
}
