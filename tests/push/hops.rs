//! What hosts on a cluster measure and write is seen from here, as their pods come and go.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::App;
use crate::cluster::{Namespace, Ran, kubeconfig, kubectl};
use support::screen::Screen;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A command that goes on, and the JSON lines it says; ended with it.
struct Told {
    child: Child,
    lines: Receiver<Value>,
}

impl Told {
    fn by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            lines.map_while(|line| sender.send(serde_json::from_str(&line).unwrap()).ok()).for_each(drop);
        });
        Self { child, lines }
    }

    /// The next line that is wanted, however many others come before it.
    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let (end, mut last) = (Instant::now() + PATIENCE, Value::Null);
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if wanted(&line) => return line,
                Ok(line) => last = line,
                Err(error) => panic!("{what}: {error}; last {last}"),
            }
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Said where a scope ends, however it ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn call(url: &str, times: usize) {
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    for _ in 0..times {
        assert!(client.get(url).send().unwrap().status().is_success());
    }
}

/// Requests of a service within the longest window.
fn requests(line: &Value, service: &str) -> u64 {
    line["hops"][service]["windows"][2]["n"].as_u64().unwrap_or_default()
}

fn have(line: &Value, wanted: u64) -> bool {
    ["source", "plus", "twice"].iter().all(|service| requests(line, service) == wanted)
}

#[test]
fn hops_come_with_the_minutes_before_and_follow_pods_that_are_killed() {
    let (namespace, app) = (Namespace::new("hops"), App::new());
    namespace.push(&app.file, &[]).done();
    let url = namespace.url("twice");
    call(&url, 40);

    // Nobody looked while they were answered.
    let events = namespace.command("cluster events", &app.file);
    let told = Told::by(events);
    let hosts = told.until("hosts", |line| line["event"] == "hosts" && line["hosts"].as_object().unwrap().len() == 3);
    let seen = told.until("the requests of before", |line| have(line, 40));
    assert_eq!(seen["dropped"], 0, "every request's parts came together: {seen}");
    let trace = &seen["traces"][0];
    assert_eq!((trace["partial"].as_bool(), trace["spans"].as_array().unwrap().len()), (Some(false), 3), "{trace}");
    let status = namespace.command("cluster status", &app.file).arg("--json").output().unwrap();
    let status = Ran::of(&status).done().events.remove(0);
    assert!(have(&status, 40), "{status}");
    assert_eq!(status["troubles"], serde_json::json!([]));

    let pod = |hosts: &Value| -> String {
        let hosts = hosts["hosts"].as_object().unwrap();
        hosts.iter().find(|(_, host)| host["service"] == "plus").unwrap().0.clone()
    };
    let killed = pod(&hosts);
    namespace.kubectl(&["delete", "pod", &killed, "--grace-period=0", "--force"]);
    told.until("another pod", |line| {
        let ready = |hosts: &serde_json::Map<String, Value>| {
            let mut plus = hosts.iter().filter(|(_, host)| host["service"] == "plus");
            plus.any(|(pod, host)| *pod != killed && host["ready"] == true) && !hosts.contains_key(&killed)
        };
        line["event"] == "hosts" && ready(line["hosts"].as_object().unwrap())
    });
    namespace.kubectl(&["wait", "--for=condition=Available", "deployment", "--all", "--timeout=120s"]);
    // Requests may be led to the pod that is gone until every node knows: as many as it takes are sent.
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let end = Instant::now() + PATIENCE;
    while !client.get(&url).send().is_ok_and(|answer| answer.status().is_success()) {
        assert!(Instant::now() < end, "nobody answers");
    }
    call(&url, 10);
    told.until("the requests of the new pod", |line| requests(line, "plus") >= 50);
}

#[test]
fn who_may_not_reach_pods_is_told_so() {
    let (namespace, app) = (Namespace::new("guest"), App::new());
    namespace.push(&app.file, &[]).done();
    namespace.kubectl(&["create", "serviceaccount", "guest"]);
    namespace.kubectl(&["create", "role", "guest", "--verb=get,list,watch", "--resource=pods,secrets"]);
    let subject = format!("--serviceaccount={}:guest", namespace.name);
    namespace.kubectl(&["create", "rolebinding", "guest", "--role=guest", &subject]);
    let secrets = namespace.objects("secrets");
    let of_guest = |it: &&Value| it["metadata"]["annotations"]["kubernetes.io/service-account.name"] == "guest";
    let secret = secrets.values().find(of_guest).unwrap()["metadata"]["name"].as_str().unwrap();
    let template = "go-template={{.data.token | base64decode}}";
    let token = kubectl(&["--namespace", &namespace.name, "get", "secret", secret, "--output", template]);
    let (folder, text) = (tempfile::tempdir().unwrap(), fs::read_to_string(kubeconfig()).unwrap());
    let file = folder.path().join("config");
    let admin = text.split("token: \"").nth(1).unwrap().split('"').next().unwrap();
    fs::write(&file, text.replace(admin, &token)).unwrap();

    let mut events = namespace.command("cluster events", &app.file);
    // Whoever may not see what tells clusters apart knows this one by another sign, and has a home of their own.
    events.env("KUBECONFIG", &file).env("DYNINKA_HOME", folder.path());
    let told = Told::by(events);
    let trouble = told.until("trouble", |line| line["event"] == "trouble" && line["troubles"] != serde_json::json!([]));
    let words = trouble["troubles"][0].as_str().unwrap();
    assert!(words.starts_with("cannot reach ") && words.contains("pods/portforward"), "{words}");
}

#[test]
fn lines_are_followed_over_a_roll() {
    let (namespace, app) = (Namespace::new("logs"), App::new());
    let prints = |value: u64| format!("-> u64 {{ println!(\"stepped {value}\"); {value} }}");
    app.edit("-> u64 { 1 }", &prints(1));
    namespace.push(&app.file, &[]).done();
    let url = namespace.url("twice");
    call(&url, 3);
    let mut logs = namespace.command("cluster logs", &app.file);
    logs.args(["plus", "--follow", "--json", "--last", "2"]);
    let told = Told::by(logs);
    let first = told.until("a line of before", |line| line["line"] == "stepped 1");
    let second = told.until("and another", |line| line["line"].is_string());
    assert_eq!(first, second, "two lines were asked for");

    app.edit("-> u64 { 1 }", &prints(2));
    namespace.push(&app.file, &[]).done();
    let began = told.until("the new pod", |line| line["began"] == true);
    assert_ne!(began["pod"], first["pod"]);
    // The first ones may be answered by the pod that goes, on a connection that is kept: as many as it takes are sent.
    let (ended, stepped, over) = (Cell::new(false), Cell::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                call(&url, 5);
            }
        });
        told.until("the end of the old one and a line of the new", |line| {
            // What nodes say of logs that are gone is no line of anybody's.
            assert!(line["line"].as_str().is_none_or(|line| line.starts_with("stepped ")), "{line}");
            ended.set(ended.get() || line["ended"] == true && line["pod"] == first["pod"]);
            stepped.set(stepped.get() || line["line"] == "stepped 2" && line["pod"] == began["pod"]);
            ended.get() && stepped.get()
        });
    });
}

#[test]
fn the_view_shows_the_cluster_and_what_runs_here() {
    let (namespace, app) = (Namespace::new("view"), App::new());
    namespace.push(&app.file, &[]).done();
    call(&namespace.url("twice"), 30);
    let mut command = support::screen::dev(&app.file);
    command.env("KUBECONFIG", kubeconfig());
    command.args(["--namespace", &namespace.name]);
    let mut screen = Screen::open(command, 40, 130);
    screen.wait_for("the chain serves", |text| text.contains("serving 3/3") && text.contains("c cluster"));
    screen.keys("c");
    screen.wait_for("the cluster and its last minutes", |text| {
        let figures = |service: &str| text.lines().any(|line| line.contains(service) && line.contains(" 30 "));
        text.contains("c local") && text.contains(&namespace.name) && figures("twice")
    });
    screen.keys("c");
    screen.wait_for("what runs here", |text| text.contains("c cluster") && !text.contains(&namespace.name));
    screen.keys("q");
    let (status, after) = screen.end();
    assert!(status.success(), "{after}");
}
