//! Services that go on in another host while requests come: none fails, and none is counted twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::app;
use support::hosts::kill;
use support::session::{Client, Dev};

support::on_both_backends!(moves_under_load_fail_nothing_and_count_everything_once);

const APP: &str = "use dyninka::prelude::*;

#[derive(Default, Serialize, Deserialize)]
struct Average { sum: f64, count: u64 }

#[placed(average)]
static AVERAGE: Placed<Average> = Placed::new(Average::default);

#[service]
fn get() -> f64 {
    1.0
}

#[service]
fn double(value: f64) -> f64 {
    value * 2.0
}

#[service]
fn average(value: f64) -> u64 {
    AVERAGE.update(|average| { average.sum += value; average.count += 1; average.count })
}

#[service]
fn last(count: u64) -> u64 {
    count
}

#[dyninka::main]
fn main() { get().double().average().last() }
";

/// Callers that keep their connections, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    callers: Vec<JoinHandle<Answers>>,
}

/// What came back.
#[derive(Default)]
struct Answers {
    counts: Vec<u64>,
    failures: Vec<String>,
    longest: Duration,
}

impl Load {
    fn start(url: &str, connections: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let call = |_| {
            let (url, stop, answered) = (url.to_owned(), stop.clone(), answered.clone());
            std::thread::spawn(move || call(&url, &stop, &answered))
        };
        let callers = (0..connections).map(call).collect();
        Self { stop, answered, callers }
    }

    /// Waits for so many answers from now on.
    fn wait_for(&self, more: u64) {
        let (wanted, begun) = (self.answered.load(Ordering::Relaxed) + more, Instant::now());
        while self.answered.load(Ordering::Relaxed) < wanted {
            assert!(begun.elapsed() < support::session::PATIENCE, "no answers come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Answers::default();
        for caller in self.callers {
            let answers = caller.join().expect("a caller");
            all.counts.extend(answers.counts);
            all.failures.extend(answers.failures);
            all.longest = all.longest.max(answers.longest);
        }
        all
    }
}

fn call(url: &str, stop: &AtomicBool, answered: &AtomicU64) -> Answers {
    let (client, mut answers) = (Client::default(), Answers::default());
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match client.ask(url) {
            Ok(answer) if answer.status == 200 => answers.counts.push(answer.body.parse().expect("a count")),
            Ok(answer) => answers.failures.push(format!("{}: {}", answer.status, answer.body)),
            Err(why) => answers.failures.push(why),
        }
        answers.longest = answers.longest.max(begun.elapsed());
        answered.fetch_add(1, Ordering::Relaxed);
    }
    answers
}

/// `dyn fuse` or `dyn split`, and what it says: where it fails, on its standard error.
pub(crate) fn regroup(file: &Path, arguments: &[&str]) -> Result<String, String> {
    let file = file.to_str().expect("a path");
    let output = support::run(&[&arguments[..1], &[file], &arguments[1..]].concat());
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
}

fn status(file: &Path) -> Value {
    let output = support::run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The services of each host.
fn hosts(file: &Path) -> Vec<Vec<String>> {
    let names = |host: &Value| {
        let services = host["services"].as_array().expect("services");
        services.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
    };
    status(file)["hosts"].as_array().expect("hosts").iter().map(names).collect()
}

/// A session whose services begin apart, whatever tests of sessions are run with.
fn start(file: &Path) -> Dev {
    start_on("process", file)
}

fn start_on(on: &str, file: &Path) -> Dev {
    start_with(file, &["--on", on, "--together", "none"])
}

fn start_with(file: &Path, arguments: &[&str]) -> Dev {
    let mut dev = Dev::launch(file, &[&["--port", "0"], arguments].concat());
    dev.ready = dev.wait_for("ready");
    dev
}

/// Fuses and splits so many times while 32 connections ask, until there are so many answers; then every count is there
/// once.
fn moves_under_load(on: &str, rounds: usize, answers: u64) {
    let (_folder, file) = app(APP);
    let dev = start_on(on, &file);
    let load = Load::start(&dev.url(), 32);
    load.wait_for(100);
    for _ in 0..rounds {
        // The one with the values, the one that is called from outside, and one between.
        regroup(&file, &["fuse", "double", "average", "last"]).expect("a fuse");
        assert_eq!(hosts(&file).len(), 2);
        load.wait_for(100);
        regroup(&file, &["split", "last"]).expect("a split");
        regroup(&file, &["split", "average"]).expect("a split");
        assert_eq!(hosts(&file).len(), 4);
        load.wait_for(100);
    }
    while load.answered.load(Ordering::Relaxed) < answers {
        load.wait_for(100);
    }
    // Before and after the last move of one whose calls went within its host.
    let compared = |moved: &Value| moved["before_n"].as_u64() > Some(0) && moved["after_n"].as_u64() > Some(0);
    let begun = Instant::now();
    while !compared(&status(&file)["hops"]["last"]["moved"]) {
        assert!(begun.elapsed() < support::session::PATIENCE, "{}", status(&file)["hops"]["last"]);
        load.wait_for(100);
    }
    let Answers { counts, failures, longest } = load.end();
    assert_eq!(failures, Vec::<String>::new());
    let (all, distinct) = (counts.len() as u64, counts.iter().collect::<BTreeSet<_>>().len() as u64);
    assert_eq!((distinct, counts.iter().max().copied()), (all, Some(all)), "each is counted once");
    assert_eq!(Client::default().get(&dev.url()).body, (all + 1).to_string());
    eprintln!("{all} answers, the longest wait {longest:?}");
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
}

fn moves_under_load_fail_nothing_and_count_everything_once(on: &str) {
    moves_under_load(on, 2, 0);
}

#[test]
#[ignore = "long: 50,000 requests and ten moves each way"]
fn ten_moves_each_way_over_50000_requests_count_everything_once() {
    moves_under_load("process", 10, 50_000);
}

#[test]
fn auto_joins_services_under_load_and_says_why() {
    let (_folder, file) = app(APP);
    let mut dev = start_with(&file, &["--on", "process", "--together", "auto"]);
    assert_eq!(hosts(&file).len(), 4, "they start apart");
    let load = Load::start(&dev.url(), 4);
    while hosts(&file).len() > 1 {
        let moved = dev.wait_for("moved");
        let why = moved["why"].as_str().expect("why");
        assert!(why.contains(" waits for ") && why.contains(" for the way to "), "{moved}");
    }
    load.wait_for(100);
    let Answers { counts, failures, .. } = load.end();
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(counts.iter().collect::<BTreeSet<_>>().len(), counts.len(), "each is counted once");
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
}

#[test]
fn a_move_while_an_edit_is_built_and_twice_at_once_come_in_turn() {
    let (_folder, file) = app(APP);
    let mut dev = start(&file);
    let load = Load::start(&dev.url(), 8);
    fs::write(&file, APP.replace("value * 2.0", "value * 3.0")).expect("a save");
    dev.wait_for("building");
    let moves = [["fuse", "get", "double"], ["fuse", "average", "last"], ["fuse", "get", "average"]].map(|arguments| {
        let file = file.clone();
        std::thread::spawn(move || regroup(&file, &arguments))
    });
    for said in moves {
        said.join().expect("a move").expect("a move");
    }
    dev.wait_for("live");
    // Some were told before the edit was live, and some come after it.
    while dev.seen().iter().filter(|event| event["event"] == "moved").count() < 3 {
        dev.wait_for("moved");
    }
    let Answers { counts, failures, .. } = load.end();
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(counts.iter().collect::<BTreeSet<_>>().len(), counts.len());
    dev.stop();
}

#[test]
fn what_cannot_move_is_refused_with_words_and_a_reset_moves_it() {
    let text = APP.replace("#[derive(Default, Serialize, Deserialize)]", "#[derive(Default)]");
    let (_folder, file) = app(&text);
    let dev = start(&file);
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1");
    let refused = [
        (&["fuse", "get", "nobody"][..], "no service is called nobody; there are get, double, average, last"),
        (&["fuse", "get"], "a group has two services at least"),
        (&["fuse", "get", "get"], "get is named twice"),
        (&["split", "get"], "get has a host to itself already"),
        (&["fuse", "get", "average"], "AVERAGE is of a type that does not implement Serialize and Deserialize"),
    ];
    for (arguments, words) in refused {
        let said = regroup(&file, arguments).expect_err("a refusal");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert_eq!((hosts(&file).len(), client.get(&url).body.as_str()), (4, "2"));
    let said = regroup(&file, &["fuse", "get", "average", "--reset"]).expect("a move");
    assert!(said.contains("AVERAGE began anew"), "{said}");
    assert_eq!((hosts(&file).len(), client.get(&url).body.as_str()), (3, "1"));
    dev.stop();
}

#[test]
fn a_call_that_does_not_end_keeps_its_service_where_it_is() {
    for forever in ["std::thread::sleep(std::time::Duration::from_secs(60))", "std::hint::spin_loop()"] {
        endless_call_keeps_its_service(forever);
    }
}

fn endless_call_keeps_its_service(forever: &str) {
    let endless = format!("count: u64) -> u64 {{\n    if count == 2 {{ loop {{ {forever} }} }}\n");
    let text = APP.replace("count: u64) -> u64 {\n", &endless);
    let (_folder, file) = app(&text);
    let dev = start(&file);
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1");
    let endless = std::thread::spawn({
        let url = url.clone();
        move || Client::default().try_get(&url)
    });
    // The one before it has counted it.
    while status(&file)["hops"]["average"]["windows"][0]["n"].as_u64().unwrap_or_default() < 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = regroup(&file, &["fuse", "get", "last"]).expect_err("a refusal");
    assert!(said.contains("did not end within 5 s"), "{said}");
    assert_eq!((hosts(&file).len(), client.get(&url).body.as_str()), (4, "3"));
    dev.stop();
    drop(endless.join());
}

#[test]
fn whichever_host_is_killed_meanwhile_one_has_the_values_and_all_answer_again() {
    let (_folder, file) = app(APP);
    let mut dev = start(&file);
    let client = Client::default();
    for (at, victim) in ["get", "average", "get", "average", "average", "get"].into_iter().enumerate() {
        let arguments: &[&str] =
            if hosts(&file).len() == 4 { &["fuse", "get", "average"] } else { &["split", "average"] };
        let moving = std::thread::spawn({
            let (file, arguments) = (file.clone(), arguments.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
            move || regroup(&file, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        // Each time a little later in it.
        std::thread::sleep(Duration::from_millis(at as u64 * 15));
        let host = status(&file)["services"]
            .as_array()
            .expect("services")
            .iter()
            .find_map(|service| (service["name"] == victim).then(|| service["pid"].as_u64()).flatten());
        if let Some(pid) = host {
            drop(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status());
        }
        // Moved or not: what was asked for is answered.
        drop(moving.join().expect("an answer"));
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut before = 0;
        // Counts go on from one owner: up by one each time, from wherever they stand.
        for _ in 0..5 {
            let count = loop {
                assert!(Instant::now() < deadline, "{:?}", dev.seen());
                match client.try_get(&dev.url()) {
                    Some(answer) if answer.status == 200 => break answer.body.parse::<u64>().expect("a count"),
                    _ => std::thread::sleep(Duration::from_millis(20)),
                }
            };
            assert!(before == 0 || count == before + 1, "{count} after {before}");
            before = count;
        }
    }
    assert!(!dev.has_told("failed"));
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
}

#[test]
fn a_session_that_is_killed_in_a_move_leaves_nothing_that_the_next_one_meets() {
    let (_folder, file) = app(APP);
    for at in [0, 20, 40, 80] {
        let dev = start(&file);
        assert_eq!(Client::default().get(&dev.url()).body, "1");
        let moving = std::thread::spawn({
            let file = file.clone();
            move || regroup(&file, &["fuse", "get", "average", "last"])
        });
        // Each time a little later in it.
        std::thread::sleep(Duration::from_millis(at));
        dev.signal("KILL");
        assert!(!dev.end().0.success());
        // Whether it came to an end before.
        drop(moving.join().expect("an answer"));
    }
    let dev = start(&file);
    assert_eq!((hosts(&file).len(), support::hosts::serving("process", &file).len()), (4, 4));
    assert_eq!(Client::default().get(&dev.url()).body, "1");
    let (ended, stderr) = dev.stop();
    assert!(ended.success(), "{stderr}");
    assert_eq!(support::hosts::ours("process", &file), [""; 0]);
}

#[test]
fn nothing_is_left_of_hosts_that_services_left_and_a_service_that_moved_is_edited_and_comes_back() {
    let (_folder, file) = app(APP);
    let mut dev = start(&file);
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1");
    regroup(&file, &["fuse", "get", "double", "average", "last"]).expect("a move");
    assert_eq!(support::hosts::serving("process", &file).len(), 1);
    fs::write(&file, APP.replace("average.count += 1;", "average.count += 10;")).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "11");
    regroup(&file, &["split", "average", "last"]).expect("a move");
    assert_eq!(support::hosts::serving("process", &file).len(), 3);
    assert_eq!(client.get(&url).body, "21");
    kill("process", &file, "average");
    dev.wait_for("up");
    assert_eq!(client.get(&url).body, "10");
    dev.stop();
}
