//! Services of one host and services with a host each: nobody who asks can tell which.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command};
use std::sync::Arc;

use ::protocol::record::RecordLine;
use ::protocol::{Config, Limits, OpenService, Peer, ServiceLoad, Span, header, otlp};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use reqwest::{Client, Method, Response};
use serde_json::Value;

use crate::chain::TOKEN;

/// The services of the library `hop_kinds`, and their inputs.
const KINDS: [(&str, &[&str]); 11] = [
    ("one", &[]),
    ("double", &["value"]),
    ("sum", &["a", "b"]),
    ("odd", &["value"]),
    ("fails", &["value"]),
    ("panics", &["value"]),
    ("texts", &["value"]),
    ("counts", &["value"]),
    ("tells", &[]),
    ("asks", &["value"]),
    ("waits", &["value"]),
];

/// An app that runs: its processes end with it.
struct App {
    at: BTreeMap<&'static str, SocketAddr>,
    /// Where what is measured begins.
    begin: BTreeMap<&'static str, String>,
    processes: Vec<Child>,
    base: tempfile::TempDir,
}

impl Drop for App {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl App {
    /// Writes what the hosts are told, and starts a process for each of these lists of services.
    fn start(processes: &[&[&str]], limits: Limits) -> Self {
        // Free a moment ago; all of them held, so that none is found twice.
        let held: Vec<_> = KINDS.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let at: BTreeMap<_, _> =
            KINDS.iter().zip(&held).map(|((name, _), port)| (*name, port.local_addr().unwrap())).collect();
        drop(held);
        let peers = KINDS.iter().map(|(name, inputs)| {
            let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
            (
                (*name).to_owned(),
                Peer { address: at[name].to_string(), others: Vec::new(), host: (*name).to_owned(), inputs },
            )
        });
        let peers = Arc::new(peers.collect::<BTreeMap<_, _>>());
        let base = tempfile::tempdir().unwrap();
        let library = base.path().join("kinds.so");
        std::fs::copy(support::examples().join("libhop_kinds.so"), &library).unwrap();
        for (name, _) in KINDS {
            let folder = base.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            // One file for all of them, as after a first build.
            std::fs::hard_link(&library, folder.join("kinds.so")).unwrap();
            let config = Config {
                app: "app".to_owned(),
                service: name.to_owned(),
                instance: None,
                listen: at[name],
                front: None,
                peers: peers.clone(),
                route: None,
                library: Some("kinds.so".to_owned()),
                token: TOKEN.to_owned(),
                names: Some(BTreeSet::new()),
                outside: None,
                load: ServiceLoad::default(),
                limits,
                record: true,
                moved: None,
                near: None,
            };
            std::fs::write(folder.join("config.json"), serde_json::to_vec(&config).unwrap()).unwrap();
        }
        let start = |services: &&[&str]| {
            let folders = services.iter().map(|service| base.path().join(service));
            let mut command = Command::new(support::examples().join("serve"));
            // A panic that is meant is told in a line.
            command.args(folders).env("RUST_BACKTRACE", "0").spawn().unwrap()
        };
        let processes = processes.iter().map(start).collect();
        Self { at, begin: BTreeMap::new(), processes, base }
    }

    fn apart(limits: Limits) -> Self {
        let each: Vec<[&str; 1]> = KINDS.iter().map(|(name, _)| [*name]).collect();
        Self::start(&each.iter().map(<[_; 1]>::as_slice).collect::<Vec<_>>(), limits)
    }

    fn together(limits: Limits) -> Self {
        Self::start(&[&KINDS.map(|(name, _)| name)], limits)
    }

    fn url(&self, service: &str, path: &str) -> String {
        format!("http://{}{path}", self.at[service])
    }

    async fn ready(mut self, client: &Client) -> Self {
        for (name, _) in KINDS {
            while !client.get(self.url(name, "/readyz")).send().await.is_ok_and(|it| it.status().is_success()) {
                tokio::task::yield_now().await;
            }
            let cursor = self.hops(client, name, "").await.headers()[header::CURSOR].to_str().unwrap().to_owned();
            self.begin.insert(name, cursor);
        }
        self
    }

    async fn hops(&self, client: &Client, service: &str, query: &str) -> Response {
        let hops = client.get(self.url(service, &format!("/_dyninka/hops{query}")));
        hops.bearer_auth(TOKEN).send().await.unwrap()
    }

    /// What a caller is told, without what is a duration or a date.
    async fn ask(&self, client: &Client, question: &Question) -> Told {
        let mut request = client.request(question.method.clone(), self.url(question.service, "/"));
        for (name, value) in &question.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &question.body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        let answer = request.send().await.unwrap();
        let headers = answer.headers().iter().filter(|(name, _)| *name != "date");
        let headers = headers.map(|(name, value)| {
            let value = value.to_str().unwrap();
            let timed = name == header::SERVER_TIMING;
            (name.to_string(), if timed { without_durations(value) } else { value.to_owned() })
        });
        Told { headers: headers.collect(), status: answer.status().as_u16(), body: answer.text().await.unwrap() }
    }

    async fn admin(&self, client: &Client, service: &str, path: &str) -> bytes::Bytes {
        let asked = client.get(self.url(service, &format!("/_dyninka/{path}"))).bearer_auth(TOKEN);
        asked.send().await.unwrap().bytes().await.unwrap()
    }

    /// All that was measured at a service once it was asked so often: its counters, and its spans without their times.
    async fn measured(&self, client: &Client, service: &str) -> (Vec<String>, Vec<String>) {
        let metrics = client.get(self.url(service, "/metrics")).send().await.unwrap().text().await.unwrap();
        let is_counter = |line: &&str| line.contains("_total") || line.contains("_count") || line.contains("in_flight");
        let mut counters: Vec<String> = metrics.lines().filter(is_counter).map(str::to_owned).collect();
        counters.sort();
        let asked = counters.iter().filter(|line| line.starts_with("dyninka_requests_total"));
        // Whom the host does not let in has asked no service.
        let asked = asked.filter(|line| !line.contains("misdirected") && !line.contains("forbidden"));
        let asked: usize = asked.map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()).sum();
        // A span comes a moment after its answer.
        let spans = loop {
            let after = self.begin.get(service).map(|cursor| format!("?after={cursor}")).unwrap_or_default();
            let answer = self.hops(client, service, &after).await;
            let requests: usize = answer.headers()[header::REQUESTS].to_str().unwrap().parse().unwrap();
            let spans = otlp::decode(&answer.bytes().await.unwrap()).unwrap().spans;
            if requests >= asked {
                break spans;
            }
            tokio::task::yield_now().await;
        };
        (counters, spans.iter().map(shape).collect())
    }

    /// What was recorded of functions: what each was given, in which order, and what came of it.
    async fn recorded(&self, client: &Client, service: &str) -> Vec<String> {
        let text = self.admin(client, service, "records").await;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let visit = |line: &[u8]| match serde_json::from_slice(line).unwrap() {
            RecordLine::Visit(visit) => {
                let run = visit.run.map(|run| (run.version, run.inputs, run.end, run.sequence, run.calls));
                let entry = visit.entry.map(|entry| entry.route);
                Some(format!("{} {} {entry:?} {} {run:?}", visit.service, visit.parent.is_some(), visit.asked.len()))
            }
            // How often is a matter of time.
            RecordLine::Keyframe(_) => None,
        };
        lines.filter_map(visit).collect()
    }
}

/// A span without times, numbers and addresses.
fn shape(span: &Span) -> String {
    let calls = span.calls.iter().map(|call| {
        let ended = (call.status, &call.error, call.sent, call.received, call.server.is_some());
        format!("{} {:?} {ended:?}", call.service, call.method)
    });
    let calls: Vec<String> = calls.collect();
    let what = (&span.service, &span.version, span.method, span.entry, span.sampled, span.parent.is_some());
    format!("{what:?} {} {:?} {} {} {calls:?}", span.status, span.outcome, span.received, span.sent)
}

/// `a;dur=…, a.fn;dur=…`
fn without_durations(timing: &str) -> String {
    let names = timing.split(", ").map(|entry| entry.split_once(';').unwrap().0);
    names.collect::<Vec<_>>().join(", ")
}

#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    body: String,
    headers: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
struct Question {
    service: &'static str,
    method: Method,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

/// What feeds one input: services in a row, of which any may fail, filter or count, and none stands twice.
fn flow() -> impl Strategy<Value = String> {
    let names = ["double", "odd", "fails", "panics", "counts", "asks", "waits", "texts", "sum"];
    let names = prop::sample::subsequence(names.to_vec(), 0..=names.len()).prop_shuffle();
    let first = prop_oneof![Just("one".to_owned()), (0..1000_u64).prop_map(|value| value.to_string())];
    let rows = (first, names).prop_map(|(first, names)| {
        names.into_iter().fold(first, |value, name| match name {
            "sum" => format!("sum({value}, 2)"),
            name => format!("{name}({value})"),
        })
    });
    prop_oneof![9 => rows, 1 => "[a-z]{1,8}\\([a-z(), \"]{0,9}", 1 => Just("\"\u{e4}\"".to_owned())]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let one = prop_oneof![
        (0..3_usize, 0..80_usize).prop_map(|(kind, depth)| {
            let name = ["get", "a b", "x"][kind];
            (header::PATH, vec![name; depth + 1].join(","))
        }),
        prop_oneof![Just("-1"), Just("30000"), Just("x"), Just("60000")]
            .prop_map(|text| (header::DEADLINE, text.to_owned())),
        prop_oneof![Just("0"), Just("1")].prop_map(|text| (header::DETAIL, text.to_owned())),
        (1..u64::MAX, 0..2_u8)
            .prop_map(|(id, flags)| (header::TRACEPARENT, format!("00-{id:032x}-{id:016x}-{flags:02x}"))),
        "[a-z]{1,9}=[a-z]{1,9}".prop_map(|state| (header::TRACESTATE, state)),
        Just(("host", "evil.example".to_owned())),
        Just(("origin", "http://evil.example".to_owned())),
    ];
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(one, 1..3)]
}

prop_compose! {
    fn question()(
        kind in 0..KINDS.len(), flows in (flow(), 0..9_u64), given in prop::option::weighted(0.2, "[0-9]{1,3}|\"x\"|null|[{]"),
        method in prop_oneof![6 => Just(Method::GET), 2 => Just(Method::POST), 1 => Just(Method::HEAD), 1 => Just(Method::PUT)],
        mut headers in headers(), routed in prop::bool::weighted(0.9),
    ) -> Question {
        let (service, inputs) = KINDS[kind];
        let route = match inputs.len() {
            0 => String::new(),
            1 => flows.0,
            _ => format!("{}, {}", flows.0, flows.1),
        };
        // Who calls the host by two names has asked no service, and is counted as one who sent something else.
        let mut names = 0..1;
        headers.retain(|(name, _)| *name != "host" || names.next().is_some());
        // What no header can hold is no question.
        if routed && route.is_ascii() {
            headers.push((header::ROUTE, route));
        }
        let body = given.map(|value| format!("{{\"{}\": {value}}}", inputs.first().unwrap_or(&"none")));
        Question { service, method, headers, body }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn together_and_apart_answer_count_and_record_the_same() {
    let client = Client::builder().no_proxy().build().unwrap();
    let limits = Limits { detail: 1_000_000, body: 60, depth: 12, ..Limits::default() };
    let apart = App::apart(limits).ready(&client).await;
    let together = App::together(limits).ready(&client).await;
    let cases = Cases { cases: 400, failure_persistence: None, ..Cases::default() };
    tokio::task::block_in_place(|| {
        let handle = tokio::runtime::Handle::current();
        TestRunner::new(cases).run(&question(), |question| {
            let (apart, together) = handle
                .block_on(async { (apart.ask(&client, &question).await, together.ask(&client, &question).await) });
            prop_assert_eq!(apart, together);
            Ok(())
        })
    })
    .unwrap();
    for (service, _) in KINDS {
        assert_eq!(apart.measured(&client, service).await, together.measured(&client, service).await, "{service}");
        assert_eq!(apart.recorded(&client, service).await, together.recorded(&client, service).await, "{service}");
        let state = |app: &App| app.url(service, "/_dyninka/state/COUNT");
        let state = async |app| client.get(state(app)).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
        assert_eq!(state(&apart).await, state(&together).await, "{service}");
    }
}

/// Asks without anything special.
async fn get(app: &App, client: &Client, service: &str, route: &str) -> Value {
    let asked = client.get(app.url(service, "/")).header(header::ROUTE, route);
    asked.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_call_within_a_host_says_so_and_statics_are_each_services_own() {
    let client = Client::builder().no_proxy().build().unwrap();
    let app = App::start(&[&["one", "double", "counts", "tells"], &["sum"]], Limits::default());
    for service in ["one", "double", "counts", "tells", "sum"] {
        while client.get(app.url(service, "/readyz")).send().await.is_err() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(get(&app, &client, "counts", "double(sum(one, 1))").await, 5);
    assert_eq!(get(&app, &client, "tells", "").await, 0, "one library, and a static for each service of it");
    let (_, spans) = app.measured(&client, "double").await;
    assert_eq!(spans.len(), 1);
    let spans = otlp::decode(&app.admin(&client, "double", "hops").await).unwrap().spans;
    let within = |spans: &[Span]| spans.iter().flat_map(|span| &span.calls).map(|call| call.within).collect::<Vec<_>>();
    assert_eq!(within(&spans), [false], "sum has another host");
    app.measured(&client, "counts").await;
    let spans = otlp::decode(&app.admin(&client, "counts", "hops").await).unwrap().spans;
    assert_eq!(within(&spans), [true]);
}

#[tokio::test]
async fn five_hundred_calls_at_once_that_ask_others_of_their_host_in_their_body_all_end() {
    let client = Client::builder().no_proxy().build().unwrap();
    let app = App::together(Limits::default()).ready(&client).await;
    let ask = |service: &'static str, value: u64| {
        let body = serde_json::json!({ "value": value }).to_string();
        let asked = client.post(app.url(service, "/")).header("content-type", "application/json").body(body);
        tokio::spawn(async move { asked.send().await.unwrap().text().await.unwrap() })
    };
    // No multiple of three: `fails` answers those with an error.
    let values = || (0..512).map(|value| value * 3 + 1);
    let asked: Vec<_> = values().flat_map(|value| [ask("asks", value), ask("waits", value)]).collect();
    let expected = values().flat_map(|value| [value * 2, value]);
    for (answer, expected) in asked.into_iter().zip(expected) {
        assert_eq!(answer.await.unwrap(), expected.to_string());
    }
}

#[tokio::test]
async fn a_service_comes_to_a_host_that_runs_and_leaves_it_and_the_others_go_on() {
    let client = Client::builder().no_proxy().build().unwrap();
    let app = App::start(&[&["one"]], Limits::default());
    while client.get(app.url("one", "/readyz")).send().await.is_err() {
        tokio::task::yield_now().await;
    }
    let open = async |folder: &str| {
        let open = OpenService { folder: folder.to_owned() };
        let asked = client.post(app.url("one", "/_dyninka/open")).bearer_auth(TOKEN).json(&open);
        asked.send().await.unwrap().status().as_u16()
    };
    for wrong in ["..", "", "../one", "/", "nothing"] {
        assert_eq!(open(wrong).await, 422, "{wrong}");
    }
    assert_eq!((open("counts").await, open("counts").await), (200, 200), "once more is no mistake");
    assert_eq!(get(&app, &client, "counts", "one").await, 2);
    assert_eq!(get(&app, &client, "counts", "one").await, 3);
    let close = client.post(app.url("counts", "/_dyninka/close")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(close.status().as_u16(), 200);
    while client.get(app.url("counts", "/readyz")).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&app, &client, "one", "").await, 1);
    assert_eq!(open("counts").await, 200);
    assert_eq!(get(&app, &client, "counts", "one").await, 2, "it begins anew, as another process would");
    assert!(app.base.path().is_dir());
}

#[tokio::test]
async fn a_service_that_is_given_up_gives_up_what_it_asked_for() {
    let client = Client::builder().no_proxy().build().unwrap();
    let app = App::together(Limits::default()).ready(&client).await;
    // Nobody can answer so soon, however deep it is asked.
    let route = "asks(odd(waits(fails(panics(counts(sum(one, 1)))))))";
    let asked = client.get(app.url("double", "/")).header(header::ROUTE, route).header(header::DEADLINE, "0");
    let answer = asked.send().await.unwrap();
    let (status, problem): (_, Value) = (answer.status().as_u16(), answer.json().await.unwrap());
    assert_eq!((status, &problem["type"]), (504, &"urn:dyninka:problem:deadline".into()), "{problem}");
    // What was begun on its behalf has ended, too.
    for service in ["double", "asks", "panics", "one"] {
        let idle = format!("dyninka_in_flight{{service=\"{service}\"}} 0");
        let metrics = async || client.get(app.url(service, "/metrics")).send().await.unwrap().text().await.unwrap();
        while !metrics().await.contains(&idle) {
            tokio::task::yield_now().await;
        }
    }
}
