//! Sessions made by hand, at every turn a real one can take.

use std::collections::BTreeMap;

use session_api::data::{BucketRow, CopyCell, DataMatrix};
use session_api::jobs::{DeadLetters, JobCondition, JobLine, JobsView, TenantJobs};
use session_api::measured::{
    HopComparison, HopPercentiles, MeasuredHop, MeasuredSpan, MoveComparison, SpeedVerdict, Trace, Window,
};
use session_api::snapshot::{
    Condition, EditLine, EditOutcome, EditedService, FlowEdge, InstanceView, Notice, Phase, PlacedState, ServiceView,
    StateField, Totals,
};
use session_api::{Diagnostic, EditTimes, Fate, Severity, Snapshot, SourcePlace};
use tui::{LogRing, Logged, ShownLine};

/// The services of the chain, as the file has them.
pub(crate) const CHAIN: [&str; 4] = ["get", "filter", "map", "moving_avg"];

/// What the file holds where it is broken.
pub(crate) const SOURCE: &str = "use dyninka::prelude::*;\n\n#[service]\nfn map(reading: Reading) -> f64 {\n\treading.vlaue * 1.8\n}\n\nfn main() {}\n";

/// A chain that serves under load, 12 edits in.
pub(crate) fn serving() -> Snapshot {
    let services: Vec<_> = CHAIN.iter().enumerate().map(|(at, name)| service(name, at)).collect();
    let hops = CHAIN.iter().enumerate().map(|(at, name)| ((*name).to_owned(), hop(at as u64 + 1))).collect();
    Snapshot {
        app: "building".into(),
        file: "examples/building.rs".into(),
        pid: 4242,
        now_ms: 754_000,
        phase: Phase::Serving,
        backend: Some("docker".into()),
        url: Some("http://127.0.0.1:41234/".into()),
        edit: 12,
        edges: chain(&services),
        services,
        flow: Some("moving_avg(map(filter(get)))".into()),
        edits: edits(),
        totals: Totals { n: 9, p50: 84.0, p95: 131.0 },
        hops,
        traces: vec![trace(4_210, 700_000), trace(3_980, 741_000), trace(1_240, 753_400)],
        ..Snapshot::default()
    }
}

/// One tenant floods, and another is quiet beside it.
pub(crate) fn flooded() -> Snapshot {
    let tenant = |name: &str, queued, running, done, wait| TenantJobs {
        name: name.into(),
        weight: 1.0,
        queued,
        running,
        done,
        failed: done / 10,
        done_per_second: done as f64 / 10.0,
        function_ms: 38_200.0,
        function_ms_per_second: 640.0,
        wait_p50: Some(wait),
        wait_p99: Some(wait * 8.0),
    };
    let job = |at: u64, tenant: &str, state, kind: Option<&str>| JobLine {
        id: format!("019370c4-0000-7000-8000-{at:012}"),
        tenant: tenant.into(),
        service: "moving_avg".into(),
        state,
        used: 1,
        attempts: 5,
        created_at: "2026-11-29T21:00:00.000Z".into(),
        waited_ms: (state != JobCondition::Queued).then_some(at as f64),
        function_ms: 0.4,
        kind: kind.map(str::to_owned),
    };
    let dead = DeadLetters {
        tenant: "alice".into(),
        service: "moving_avg".into(),
        kind: "poison".into(),
        jobs: 2,
        example: "019370c4-0000-7000-8000-000000000004".into(),
    };
    let latest = vec![
        job(9, "alice", JobCondition::Queued, None),
        job(8, "bob", JobCondition::Running, None),
        job(7, "bob", JobCondition::Done, None),
        job(4, "alice", JobCondition::Failed, Some("poison")),
    ];
    let jobs = JobsView {
        url: "http://127.0.0.1:8081".into(),
        why: None,
        workers: 32,
        busy: 20,
        tenants: vec![tenant("alice", 1_203_000, 16, 410, 2_900.0), tenant("bob", 1, 4, 10, 1.2)],
        dead: vec![dead],
        latest,
    };
    let mut snapshot = Snapshot { jobs: Some(jobs), ..serving() };
    snapshot.traces[1].id = "019370c400007000800000000000000".to_owned() + "7";
    snapshot
}

/// Buckets of every condition, in four places.
pub(crate) fn replicated() -> Snapshot {
    let copy = |place: &str, state: &str, lag, trouble: Option<&str>| CopyCell {
        place: place.into(),
        store: format!("{place}-s3"),
        state: state.into(),
        lag,
        through: 1_204 - lag.min(1_204),
        trouble: trouble.map(str::to_owned),
    };
    let bucket = |name: &str, state: &str, copies: Vec<CopyCell>| BucketRow {
        name: name.into(),
        state: state.into(),
        objects: 412,
        bytes: 61_800_000,
        head: 1_204,
        copies,
        ..BucketRow::default()
    };
    let master = || copy("hpc", "master", 0, None);
    let held = bucket("held", "held", vec![master(), copy("cc1", "held", 12, None)]);
    let buckets = vec![
        BucketRow { why: Some("9 of 12 keys vanished from the master at once".into()), ..held },
        bucket("thumbnails", "following", vec![master(), copy("aws", "refusing", 7, Some("access denied"))]),
        bucket(
            "backups",
            "moving",
            vec![master(), copy("cc1", "filling", 1_204, None), copy("cc2", "leaving", 0, None)],
        ),
        BucketRow {
            route: Some("first among aws, hpc".into()),
            endpoints: vec!["aws at aws".into(), "hpc at hpc".into()],
            ..bucket(
                "images",
                "following",
                vec![master(), copy("cc1", "whole", 0, None), copy("cc2", "behind", 3, None)],
            )
        },
    ];
    let places = ["aws", "cc1", "cc2", "hpc"].map(str::to_owned).to_vec();
    let data = DataMatrix { server: "127.0.0.1:7070".into(), why: None, places, buckets };
    Snapshot { data: Some(data), ..serving() }
}

/// The first build: two serve already.
pub(crate) fn starting() -> Snapshot {
    let mut snapshot = serving();
    snapshot.phase = Phase::Starting;
    (snapshot.now_ms, snapshot.edit, snapshot.url) = (2_300, 0, None);
    (snapshot.hops, snapshot.traces, snapshot.totals) = (BTreeMap::new(), Vec::new(), Totals::default());
    snapshot.edits.clear();
    for (at, service) in snapshot.services.iter_mut().enumerate() {
        if at > 1 {
            *service = ServiceView { name: service.name.clone(), ..ServiceView::default() };
        }
        service.since_ms = (at < 2).then_some(1_900);
    }
    let message = "crates of app.rs are fetched once: serde".into();
    snapshot.notices = vec![Notice { at_ms: 400, message }];
    snapshot
}

/// The file does not compile; the old version still serves.
pub(crate) fn broken() -> Snapshot {
    let mut snapshot = serving();
    snapshot.phase = Phase::Broken;
    snapshot.edit = 13;
    snapshot.services[2].state = Condition::Stale;
    snapshot.services[2].why = Some("the newer version does not compile".into());
    snapshot.edits.push(EditLine {
        edit: 13,
        at_ms: 752_000,
        outcome: EditOutcome::Broken { errors: 1 },
        services: vec![edited("map", "its body", None)],
        flow: false,
        ms: None,
        judgement: None,
    });
    let place = |line, column, end_column| SourcePlace {
        file: "examples/building.rs".into(),
        line,
        column,
        end_line: line,
        end_column,
    };
    let error = Diagnostic::error("no field `vlaue` on type `Reading`", place(5, 10, 15))
        .help("a field with a similar name exists: `value`");
    let error = Diagnostic { service: Some("map".into()), ..error };
    let warning = Diagnostic::error("unused import: `dyninka::prelude::*`", place(1, 5, 24));
    snapshot.diagnostics = vec![error, Diagnostic { severity: Severity::Warning, ..warning }];
    snapshot
}

/// A service does not answer, and measurements were lost.
pub(crate) fn down() -> Snapshot {
    let mut snapshot = serving();
    let service = &mut snapshot.services[1];
    service.state = Condition::Down;
    service.restarts = 3;
    service.why = Some("killed by SIGSEGV, starts again in 4 s".into());
    snapshot.dropped = 12_345;
    snapshot.notices = vec![Notice { at_ms: 750_000, message: "filter went down: killed by SIGSEGV".into() }];
    if let Some(window) = snapshot.hops.get_mut("map").and_then(|hop| hop.windows.first_mut()) {
        window.errors = 212;
    }
    snapshot.traces[0].spans[2].status = 502;
    snapshot.traces[0].spans[2].error = Some("filter does not answer".into());
    snapshot.traces[0].partial = true;
    snapshot
}

/// Three of the chain share a host, the last of them since a moment ago.
pub(crate) fn fused() -> Snapshot {
    let mut snapshot = serving();
    let names = ["filter", "map", "moving_avg"];
    for service in snapshot.services.iter_mut().filter(|service| names.contains(&service.name.as_str())) {
        service.together = names.map(str::to_owned).to_vec();
    }
    for edge in &mut snapshot.edges {
        edge.within = names.contains(&edge.from.as_str());
    }
    if let Some(hop) = snapshot.hops.get_mut("moving_avg") {
        hop.moved = Some(MoveComparison {
            before: Vec::new(),
            after: vec!["map".into()],
            before_p50: 126_000,
            before_n: 4_000,
            after_p50: 5_200,
            after_n: 1_234,
            verdict: SpeedVerdict::Faster,
        });
    }
    snapshot
}

/// A service with three hosts, of which one is down.
pub(crate) fn several() -> Snapshot {
    let mut snapshot = serving();
    if let Some(map) = snapshot.services.iter_mut().find(|service| service.name == "map") {
        let (version, since_ms) = (map.version.clone(), map.since_ms);
        let instance = |number: u32, state, why: Option<&str>| InstanceView {
            name: if number == 1 { "map".into() } else { format!("map.{number}") },
            number,
            state,
            version: version.clone(),
            since_ms,
            url: Some(format!("http://127.0.0.1:{}/", 41_300 + number)),
            restarts: u32::from(why.is_some()),
            why: why.map(str::to_owned),
            pid: Some(7_000 + number),
            at: None,
        };
        map.instances = vec![
            instance(1, Condition::Live, None),
            instance(2, Condition::Down, Some("it was ended by SIGKILL")),
            instance(3, Condition::Live, None),
        ];
    }
    snapshot
}

/// Two chains that join, and a service that feeds two.
pub(crate) fn joined() -> Snapshot {
    let names = ["temperature", "humidity", "clean", "comfort", "alarm"];
    let services: Vec<_> = names.iter().enumerate().map(|(at, name)| service(name, at)).collect();
    let edge =
        |from: &str, to: &str| FlowEdge { from: from.into(), to: to.into(), input: Some(from.into()), within: false };
    Snapshot {
        edges: vec![
            edge("temperature", "clean"),
            edge("clean", "comfort"),
            edge("humidity", "comfort"),
            edge("clean", "alarm"),
            edge("comfort", "alarm"),
        ],
        flow: Some("alarm(clean, comfort(clean(temperature), humidity))".into()),
        hops: names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), hop(at as u64 + 1))).collect(),
        services,
        ..serving()
    }
}

/// A chain of so many services.
pub(crate) fn many(count: usize) -> Snapshot {
    let services: Vec<_> = (0..count).map(|at| service(&format!("step_{at:03}"), at)).collect();
    Snapshot {
        edges: chain(&services),
        hops: services.iter().zip(1..).map(|(service, at)| (service.name.clone(), hop(at))).collect(),
        services,
        ..serving()
    }
}

/// What services of the chain wrote.
pub(crate) fn logs() -> LogRing {
    let mut ring = LogRing::new(1_000);
    for at in 0..40_u64 {
        let service = CHAIN[(at % 4) as usize];
        let line = match service {
            "get" => format!("GET /readings?sensor=EWR page {at}"),
            "filter" => format!("kept {} of 300 readings, trace {}", 200 + at, trace_id(1_240)),
            "map" => "converted to \u{1b}[32mcelsius\u{1b}[0m".to_owned(),
            _ => format!(
                "average over {at} readings is 21.{at}, which is more than the hour before and less than the day before"
            ),
        };
        let at_ms = 700_000 + at * 1_250;
        ring.push(Logged::Line(ShownLine { service: service.into(), stderr: at % 7 == 3, at_ms, line }));
    }
    ring
}

fn service(name: &str, at: usize) -> ServiceView {
    let mut placed = BTreeMap::new();
    if name == "moving_avg" {
        placed.insert("AVERAGE".into(), PlacedState { ty: "Average".into(), fate: Some(Fate::Kept) });
    }
    let inputs = match at {
        0 => Vec::new(),
        _ => vec![StateField { name: "reading".into(), ty: "Reading".into() }],
    };
    ServiceView {
        name: name.into(),
        state: Condition::Live,
        version: Some(format!("{name}@{:07x}89abcdef", 0x3f2_c1a5 + at * 7_654_321)),
        since_ms: Some(754_000 - [740_000, 740_000, 12_000, 190_000][at % 4]),
        url: Some(format!("http://127.0.0.1:{}/", 41_231 + at)),
        inputs,
        output: "Reading".into(),
        placed,
        ..ServiceView::default()
    }
}

fn chain(services: &[ServiceView]) -> Vec<FlowEdge> {
    let edge = |pair: &[ServiceView]| FlowEdge {
        from: pair[0].name.clone(),
        to: pair[1].name.clone(),
        input: Some("reading".into()),
        within: false,
    };
    services.windows(2).map(edge).collect()
}

/// Figures of a service that so many take part in.
pub(crate) fn hop(depth: u64) -> MeasuredHop {
    let window = |seconds: u32| Window {
        seconds,
        n: 1_234 * u64::from(seconds) / 10,
        errors: 0,
        rate: 123.4,
        total: HopPercentiles { p50: 240 * depth, p90: 410 * depth, p99: 1_300 * depth, max: 4_210 * depth },
        function: HopPercentiles { p50: 120, p90: 200, p99: 300, max: 900 },
        upstream: HopPercentiles { p50: 230 * (depth - 1), p90: 380 * (depth - 1), ..HopPercentiles::default() },
        network: HopPercentiles { p50: 90 * u64::from(depth > 1), ..HopPercentiles::default() },
        overhead: HopPercentiles { p50: 30, p90: 40, p99: 90, max: 200 },
        histogram: (0..14)
            .map(|at| ((100 * depth) << at, [0, 30, 520, 410, 160, 60, 30, 12, 6, 3, 2, 0, 1, 0][at as usize]))
            .collect(),
    };
    MeasuredHop {
        windows: vec![window(10), window(60), window(300)],
        per_second: (0..60).map(|at| 60 + (at * 37 + u32::try_from(depth).unwrap_or(0) * 11) % 90).collect(),
        in_flight: u32::try_from(depth % 4).unwrap_or(0),
        retries: 0,
        open: Vec::new(),
        edit: (depth == 3).then_some(HopComparison {
            edit: 12,
            before_p50: 1_200_000,
            before_n: 400,
            after_p50: 1_400_000,
            after_n: 380,
            verdict: SpeedVerdict::Slower,
        }),
        moved: None,
    }
}

/// A request through the chain.
pub(crate) fn trace(total: u64, at_ms: u64) -> Trace {
    let span = |(depth, name): (usize, &&str)| {
        let inner = total * (4 - depth as u64) / 4;
        MeasuredSpan {
            service: (*name).into(),
            version: format!("{name}@3f2c1a5"),
            depth: depth as u32,
            start: (total - inner) / 3,
            total: inner,
            function: total / 6,
            upstream: inner * 3 / 4 - total / 6,
            network: 80,
            status: 200,
            error: None,
        }
    };
    Trace {
        id: trace_id(total),
        at_ms,
        total,
        partial: false,
        spans: CHAIN.iter().rev().enumerate().map(span).collect(),
    }
}

fn trace_id(total: u64) -> String {
    format!("{:032x}", u128::from(total).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn edited(name: &str, reason: &str, version: Option<&str>) -> EditedService {
    EditedService { name: name.into(), reason: reason.into(), version: version.map(|hash| format!("{name}@{hash}")) }
}

fn edits() -> Vec<EditLine> {
    let start = EditLine {
        edit: 0,
        at_ms: 0,
        outcome: EditOutcome::Live,
        services: Vec::new(),
        flow: false,
        ms: Some(EditTimes { parse: 1.2, build: 3_310.0, takeover: 420.0, total: 3_731.0, ..EditTimes::default() }),
        judgement: None,
    };
    let mut edits = vec![start];
    for edit in 1..=12 {
        let (outcome, services, took) = match edit {
            4 => (EditOutcome::Unchanged, Vec::new(), None),
            7 => (EditOutcome::Broken { errors: 2 }, vec![edited("map", "its body", None)], None),
            8 => (EditOutcome::Superseded, vec![edited("map", "its body", None)], None),
            10 => {
                let why = "moving_avg did not answer within 5 s".to_owned();
                (EditOutcome::RolledBack { why }, vec![edited("moving_avg", "its body", Some("77aa001122"))], None)
            }
            12 => (
                EditOutcome::Live,
                vec![edited("map", "its body, and const FACTOR that it uses", Some("4e31a2b9c0"))],
                Some(97.0),
            ),
            _ => (
                EditOutcome::Live,
                vec![edited("filter", "its body", Some("91b2c3d4e5"))],
                Some(80.0 + f64::from(edit)),
            ),
        };
        let ms = took.map(|total| EditTimes {
            parse: 0.6,
            build: total - 4.2,
            takeover: 3.1,
            total,
            ..EditTimes::default()
        });
        let at_ms = 30_000 + u64::from(edit as u32) * 58_000;
        edits.push(EditLine {
            edit: u64::from(edit as u32),
            at_ms,
            outcome,
            services,
            flow: edit == 9,
            ms,
            judgement: None,
        });
    }
    edits
}
