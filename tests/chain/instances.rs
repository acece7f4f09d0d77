//! A service with several hosts: all of them answer, an edit is live in all, and one that ends is missed by nobody.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::app;
use support::hosts::{kill, stop};
use support::session::{Client, Dev};

support::on_both_backends!(all_instances_answer_and_an_edit_or_the_end_of_one_fails_nothing);

const APP: &str = "use dyninka::prelude::*;

#[service]
fn get() -> f64 {
    1.0
}

#[service]
fn map(value: f64) -> f64 {
    value * 2.0
}

#[service]
fn last(value: f64) -> f64 {
    value + 1.0
}

#[dyninka::main]
fn main() { get().map().last() }
";

const CALLERS: usize = 8;

/// Callers that keep their connections, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(url: &str) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let call = |_| {
            let (url, stop, answered) = (url.to_owned(), stop.clone(), answered.clone());
            std::thread::spawn(move || call(&url, &stop, &answered))
        };
        Self { callers: (0..CALLERS).map(call).collect(), stop, answered }
    }

    /// Waits for so many answers from now on.
    fn wait_for(&self, more: u64) {
        let (wanted, begun) = (self.answered.load(Ordering::Relaxed) + more, Instant::now());
        while self.answered.load(Ordering::Relaxed) < wanted {
            assert!(begun.elapsed() < support::session::PATIENCE, "no answers come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What failed.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.into_iter().flat_map(|caller| caller.join().expect("a caller")).collect()
    }
}

fn call(url: &str, stop: &AtomicBool, answered: &AtomicU64) -> Vec<String> {
    let (client, mut failures) = (Client::default(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        match client.ask(url) {
            Ok(answer) if answer.status == 200 && ["3", "4", "3.0", "4.0"].contains(&answer.body.as_str()) => {}
            Ok(answer) => failures.push(format!("{}: {}", answer.status, answer.body)),
            Err(why) => failures.push(why),
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
    failures
}

fn start(file: &Path, on: &str) -> Dev {
    let arguments = ["--on", on, "--port", "0", "--together", "none", "--instances", "map=3"];
    let mut dev = Dev::launch(file, &arguments);
    dev.ready = dev.wait_for("ready");
    dev
}

/// The instances of `map`.
fn instances(file: &Path) -> Vec<Value> {
    let output = support::run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
    let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    status["services"][1]["instances"].as_array().cloned().unwrap_or_default()
}

/// Requests that an instance answered.
fn answered(client: &Client, instance: &Value) -> u64 {
    let url = instance["url"].as_str().expect("a URL");
    let text = client.get(&format!("{url}metrics")).body;
    let values = text.lines().filter(|line| line.contains("requests_total") && line.contains("value"));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn all_instances_answer_and_an_edit_or_the_end_of_one_fails_nothing(on: &str) {
    let (_folder, file) = app(APP);
    let mut dev = start(&file, on);
    let client = Client::default();
    let before = instances(&file);
    let names: Vec<_> = before.iter().map(|instance| instance["name"].clone()).collect();
    assert_eq!(names, ["map", "map.2", "map.3"].map(|name| json!(name)));
    assert!(before.iter().all(|one| one["state"] == "live" && one["version"] == before[0]["version"]), "{before:?}");

    // All three answer.
    let load = Load::start(&dev.url());
    load.wait_for(300);
    let shares: Vec<u64> = before.iter().map(|instance| answered(&client, instance)).collect();
    assert!(shares.iter().all(|share| *share > 20), "{shares:?}");

    // An edit is live when all three answer with it, and no request fails.
    fs::write(&file, APP.replace("value * 2.0", "value * 3.0")).expect("a save");
    dev.wait_for("live");
    let after = instances(&file);
    assert!(after.iter().all(|one| one["version"] == after[0]["version"]), "{after:?}");
    assert_ne!(after[0]["version"], before[0]["version"]);
    load.wait_for(100);
    assert_eq!(load.end(), Vec::<String>::new());
    assert_eq!(client.get(&dev.url()).json(), json!(4.0));

    // One is killed: what it was answering may be lost, once for each caller, and nothing else.
    let load = Load::start(&dev.url());
    load.wait_for(100);
    kill(on, &file, "map.2");
    let down = dev.wait_for("down");
    assert_eq!(down["service"], "map.2", "{down}");
    load.wait_for(200);
    let up = dev.wait_for("up");
    assert_eq!(up["service"], "map.2", "{up}");
    load.wait_for(200);
    let failures = load.end();
    assert!(failures.len() <= CALLERS, "{failures:?}");
    assert!(failures.iter().all(|failure| failure.contains("map") && failure.contains("unreachable")), "{failures:?}");
    let again = instances(&file);
    let restarts: Vec<_> = again.iter().map(|instance| instance["restarts"].clone()).collect();
    assert_eq!(restarts, [json!(0), json!(1), json!(0)], "{again:?}");
    assert_eq!(again[1]["version"], after[0]["version"]);

    // One is stopped: it is missed by nobody, and answers what it had begun once it goes on.
    let load = Load::start(&dev.url());
    load.wait_for(100);
    stop(on, &file, "map.3");
    let down = dev.wait_for("down");
    assert!(down["service"] == "map.3" && down["why"].as_str().is_some_and(|why| why.contains("stopped")), "{down}");
    let up = dev.wait_for("up");
    assert!(up["service"] == "map.3" && up["anew"] == false, "{up}");
    load.wait_for(200);
    assert_eq!(load.end(), Vec::<String>::new());

    // By wish they are started again one after the other, so that two of them serve all the time.
    let load = Load::start(&dev.url());
    load.wait_for(100);
    let asked = crate::faces::shell(&file, ":restart map\n");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    for name in ["map", "map.2", "map.3"] {
        assert_eq!(dev.wait_for("down")["service"], name);
        assert_eq!(dev.wait_for("up")["service"], name);
    }
    load.wait_for(100);
    let failures = load.end();
    assert!(failures.len() <= 3 * CALLERS, "{failures:?}");
    assert!(failures.iter().all(|failure| failure.contains("map") && failure.contains("unreachable")), "{failures:?}");

    // A value that instances would not share: the edit is refused, and what ran serves on.
    let counting = APP
        .replace(
            "#[service]\nfn map",
            "#[placed(map)]\nstatic SEEN: Placed<u64> = Placed::new(|| 0);\n\n#[service]\nfn map",
        )
        .replace("value * 2.0", "SEEN.update(|seen| { *seen += 1; value * 5.0 })");
    fs::write(&file, counting).expect("a save");
    let broken = dev.wait_for("broken");
    let said = broken.to_string();
    assert!(said.contains("map cannot have 3 instances: each would have a SEEN of its own"), "{said}");
    assert_eq!(client.get(&dev.url()).json(), json!(4.0));
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
    assert_eq!(support::hosts::ours(on, &file), Vec::<String>::new());
}

#[test]
fn an_instance_that_is_slow_gets_few_of_the_requests_and_fails_none() {
    let folder = tempfile::tempdir().expect("a folder");
    // Whose process it names takes 200 ms for each call.
    let slow = folder.path().join("slow");
    let waits = format!(
        "    let is_slow = std::fs::read_to_string({slow:?}).is_ok_and(|pid| pid == std::process::id().to_string());\n    \
             if is_slow {{ std::thread::sleep(std::time::Duration::from_millis(200)) }}\n"
    );
    let (_folder, file) = app(&APP.replace("f64 {\n    value * 2.0", &format!("f64 {{\n{waits}    value * 2.0")));
    let dev = start(&file, "process");
    let (client, all) = (Client::default(), instances(&file));
    fs::write(&slow, all[1]["pid"].to_string()).expect("a file");
    let load = Load::start(&dev.url());
    load.wait_for(1_000);
    assert_eq!(load.end(), Vec::<String>::new());
    let shares: Vec<u64> = all.iter().map(|instance| answered(&client, instance)).collect();
    assert!(shares[1] > 0 && shares[1] * 3 < shares[0] && shares[1] * 3 < shares[2], "{shares:?}");
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
}

#[test]
fn dyn_toml_says_how_many_instances_and_the_command_line_goes_before_it() {
    let (folder, file) = app(APP);
    fs::write(folder.path().join("dyn.toml"), "[services.map]\ninstances = 2\n").expect("settings");
    let options: [(&[&str], &[&str]); 2] = [(&[], &["map", "map.2"]), (&["--instances", "map=1"], &[])];
    for (option, expected) in options {
        let mut dev = Dev::launch(&file, &[&["--on", "process", "--port", "0"], option].concat());
        dev.ready = dev.wait_for("ready");
        let names: Vec<Value> = instances(&file).iter().map(|instance| instance["name"].clone()).collect();
        assert_eq!(names, expected, "{option:?}");
        assert_eq!(Client::default().get(&dev.url()).json(), json!(3.0));
        dev.stop();
    }
}

#[test]
fn an_edit_that_ends_one_instance_is_rolled_back_there_and_serves_in_the_others() {
    let (_folder, file) = app(APP);
    let mut dev = start(&file, "process");
    let before = instances(&file);
    // It ends the host of the second instance as soon as it is loaded there.
    let start = "#[used]
    #[unsafe(link_section = \".init_array\")]
    static START: extern \"C\" fn() = {
        extern \"C\" fn start() {
            if std::env::args().any(|argument| argument.ends_with(\"/services/map.2\")) { std::process::abort() }
        }
        start
    };";
    let load = Load::start(&dev.url());
    fs::write(&file, APP.replace("    value * 2.0", &format!("    {start}\n    value * 3.0"))).expect("a save");
    let back = dev.wait_for("rolled_back");
    assert_eq!(back["service"], "map.2", "{back}");
    load.wait_for(300);
    let after = instances(&file);
    let version = |all: &[Value], at: usize| all[at]["version"].clone();
    assert_eq!(version(&after, 1), version(&before, 1), "{after:?}");
    assert_eq!(version(&after, 0), version(&after, 2));
    assert_ne!(version(&after, 0), version(&before, 0));
    assert!(after.iter().all(|instance| instance["url"].is_string()), "{after:?}");
    let ends = dev.seen().iter().filter(|event| event["event"] == "down").count();
    let failures = load.end();
    assert!(failures.len() <= ends * CALLERS, "{failures:?}");
    assert!(failures.iter().all(|failure| failure.contains("map")), "{failures:?}");
    assert!(!dev.has_told("live"), "{:?}", dev.seen());
    dev.stop();
}

/// `dyn dev` with an option that it refuses, and what it says.
fn refused(text: &str, instances: &str) -> String {
    let (_folder, file) = app(text);
    let file = file.to_str().expect("a path");
    let output = support::run(&["dev", file, "--on", "process", "--port", "0", "--plain", "--instances", instances]);
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn instances_that_cannot_be_are_refused_before_anything_starts() {
    let said = refused(APP, "mop=2");
    assert!(said.contains("no service is called mop; there are get, map, last"), "{said}");
    for number in ["0", "17", "many"] {
        let said = refused(APP, &format!("map={number}"));
        assert!(said.contains(&format!("{number} is no number of instances: expected 1 to 16")), "{said}");
    }
    let said = refused(APP, "map=2,map=3");
    assert!(said.contains("map is named twice"), "{said}");
    let said = refused(APP, "last=2");
    assert!(said.contains("last cannot have 2 instances: it is the last service"), "{said}");
    assert!(said.contains("app.rs:14"), "{said}");
}
