//! What a push goes through that is away: the API server, a registry, a node.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::api::{Api, Trip, Way};
use crate::app::App;
use crate::cluster::{Namespace, Ran};
use crate::load::Load;
use crate::rolls::{body, comes_to};
use crate::underway::Underway;

/// A push through an API server that can be away.
fn push(namespace: &Namespace, app: &App, api: &Api) -> Command {
    let mut command = namespace.command("push", &app.file);
    command.env("KUBECONFIG", api.kubeconfig()).args(["--yes", "--json"]);
    command
}

fn is_cut(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(3), "{}\n{:#?}", ran.stderr, ran.events);
    for word in words {
        assert!(ran.stderr.contains(word), "no {word:?} in {}", ran.stderr);
    }
}

#[test]
fn a_push_that_is_cut_at_any_write_is_completed_by_the_next() {
    let (namespace, app, api) = (Namespace::new("cut"), App::new(), Api::new());
    namespace.push(&app.file, &[]).done();
    let url = namespace.url("twice");
    // Before the server has it, and when it has it and says so to nobody.
    let trips: [(&[&str], bool); 5] = [
        (&["POST ", "/leases"], true),
        (&["POST ", "/configmaps"], true),
        (&["PATCH ", "/deployments/plus", "?&fieldManager"], false),
        (&["PATCH ", "/deployments/plus", "?&fieldManager"], true),
        (&["PATCH ", "/configmaps/app-push-"], false),
    ];
    let mut answer = 22;
    for (step, (words, is_done)) in trips.into_iter().enumerate() {
        app.edit("-> u64 { 1 }", &format!("-> u64 {{ {} }}", step + 2));
        api.shut_at(Trip { words, is_done, then: Way::Gone });
        let cut = Ran::of(&push(&namespace, &app, &api).output().unwrap());
        assert!(api.is_shut(), "no such request: {words:?}\n{}", cut.stderr);
        is_cut(&cut, &["does not answer", "goes on where"]);
        let told = if words[1].starts_with("/deployments") { "with nothing applied, plus perhaps" } else { "" };
        assert!(cut.stderr.contains(told), "{}", cut.stderr);
        assert!([answer, answer + 2].iter().any(|known| body(&url) == known.to_string()));
        api.be(Way::Open);
        let next = Ran::of(&push(&namespace, &app, &api).output().unwrap()).done();
        answer += 2;
        comes_to(&url, &answer.to_string());
        assert!(next.all("waiting").is_empty(), "its lease is known to be nobody's: {:#?}", next.events);
        assert!(namespace.objects("leases").is_empty());
    }
}

#[test]
fn a_roll_outlasts_an_api_server_that_goes_and_comes_back() {
    let (namespace, app, api) = (Namespace::new("outlast"), App::new(), Api::new());
    let mut push = Underway::start(push(&namespace, &app, &api));
    push.until_event("rolling");
    api.be(Way::Gone);
    let says = |event: &Value| event["why"].as_str().is_some_and(|why| why.contains("does not answer"));
    push.until(|event| event["event"] == "rolling" && says(event));
    api.be(Way::Open);
    push.end().done();
    assert_eq!(body(&namespace.url("twice")), "22");
}

#[test]
fn an_api_server_that_takes_a_question_and_gives_no_answer_is_given_up() {
    let (namespace, app, api) = (Namespace::new("silent"), App::new(), Api::new());
    api.shut_at(Trip { words: &["PATCH ", "/deployments/twice", "dryRun"], is_done: false, then: Way::Silent });
    let cut = Ran::of(&push(&namespace, &app, &api).output().unwrap());
    assert!(api.is_shut());
    is_cut(&cut, &["apply ", "gave no answer for 20 s"]);
    assert_eq!(namespace.made(), ["lease.coordination.k8s.io/dyninka-app-push"], "a rehearsal changes nothing");
    api.be(Way::Open);
    Ran::of(&push(&namespace, &app, &api).output().unwrap()).done();
    assert_eq!(body(&namespace.url("twice")), "22");
}

#[test]
fn a_registry_that_is_down_or_refuses_is_named_before_anything_is_written() {
    let (namespace, app) = (Namespace::new("registry"), App::new());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", free.local_addr().unwrap().port());
    drop(free);
    let down = namespace.push(&app.file, &["--registry", &address]);
    is_cut(&down, &[&address]);
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", refusing.local_addr().unwrap().port());
    std::thread::spawn(move || {
        while let Ok((mut caller, _)) = refusing.accept() {
            let mut request = [0; 4096];
            let read = caller.read(&mut request).unwrap();
            // Nothing is there, and nothing may be brought.
            let (status, body) = match &request[..read] {
                [b'H', b'E', b'A', b'D', ..] => ("404 Not Found", ""),
                _ => ("403 Forbidden", r#"{"errors":[{"code":"DENIED","message":"the store is read-only"}]}"#),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close");
            drop(write!(caller, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let refused = namespace.push(&app.file, &["--registry", &address]);
    is_cut(&refused, &[&address, "the store is read-only"]);
    assert_eq!(namespace.made(), [""; 0]);
    assert!(!namespace.writes().iter().any(|write| write.contains("deployments")), "{:?}", namespace.writes());
}

/// A node of the testbed that is off the network, until this is dropped.
pub(crate) struct Cut(&'static str);

impl Cut {
    pub(crate) fn of(node: &'static str) -> Self {
        let cut = Self(node);
        cut.testbed("cut");
        cut
    }

    fn testbed(&self, what: &str) {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testbed/kubernetes");
        assert!(Command::new(program).args([what, self.0]).status().unwrap().success());
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.testbed("mend");
        crate::cluster::kubectl(&["wait", "--for=condition=Ready", &format!("node/{}", self.0), "--timeout=60s"]);
    }
}

#[test]
fn a_node_that_is_cut_off_in_the_midst_of_a_roll_costs_no_request() {
    let (namespace, app) = (Namespace::alone("node"), App::new());
    let on = |plus: &str| {
        let node = |service: &str, node: &str| {
            format!("[services.{service}]\nnodes = {{ \"kubernetes.io/hostname\" = \"{node}\" }}\n")
        };
        let services = [node("source", "node1"), node("plus", plus), node("twice", "node1")].concat();
        app.settings(&format!("{services}[entry]\nnode_port = 0\n"));
    };
    on("node1");
    namespace.push(&app.file, &[]).done();
    let url = namespace.url("twice");
    let load = Load::start(&url);
    // The new pod is to run where soon nobody hears of it.
    on("node2");
    app.at_start("loop { std::thread::park() }");
    let mut push = namespace.start_push(&app.file, &["--deadline", "40"]);
    push.until(|event| event["why"] == "it runs on node2 and is not ready yet");
    let cut = Cut::of("node2");
    let failed = push.end();
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("roll plus out") && failed.stderr.contains("node2 is not ready itself"),
        "{}",
        failed.stderr
    );
    drop(cut);
    let answers = load.end();
    assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    assert!(answers.bodies.iter().all(|body| body == "22"), "{:?}", answers.bodies);
    app.edit("-> u64 { 1 }", "-> u64 { 3 }");
    namespace.push(&app.file, &[]).done();
    comes_to(&url, "26");
}
