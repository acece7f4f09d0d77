//! D23: services that are renamed, whose types move, or that go on in another host, while jobs run and wait.

use std::fs;

use serde_json::{Value, json};
use support::{app, dyn_command};

use crate::counter::Counter;
use crate::server::{Jobs, LOOK};

const WORK: &str = "fn work(id: u64, ms: u64) -> u64 {";

/// The counter's app, whose last service takes its number within a type.
fn typed(counter: &Counter, item: &str, factor: u64) -> String {
    let text = counter.app();
    let text = text.replacen("use std::io", &format!("{item}\nuse std::io"), 1);
    let text = text.replacen(WORK, "fn work(item: Item, ms: u64) -> u64 {\n    let id = item.id;", 1);
    let text = text.replacen("id * 2", &format!("id * {factor}"), 1);
    text.replacen("main() { work(seed(), seed()) }", "main() { work(first(), seed()) }", 1).replacen(
        "#[service]\nfn seed(",
        "#[service]\nfn first() -> Item { Item { id: 7 } }\n\n#[service]\nfn seed(",
        1,
    )
}

fn result(jobs: &Jobs, job: &Value) -> Value {
    jobs.get(&format!("jobs/{}/result", job["id"].as_str().expect("an id"))).body
}

fn outcome(attempt: &Value) -> &str {
    attempt["outcome"].as_str().expect("an outcome")
}

/// Waits until the function of a job has begun.
fn begun(counter: &Counter, id: u64) {
    while !counter.counts().contains_key(&id.to_string()) {
        std::thread::sleep(LOOK);
    }
}

/// The type of an input is moved elsewhere in the file: jobs that wait are read by the new code, and the one that runs ends on the
/// code that it began on.
#[test]
fn a_type_that_moves_is_read_by_jobs_that_wait() {
    let counter = Counter::start();
    let item = "#[derive(Debug, Clone, Serialize, Deserialize)]\nstruct Item { id: u64 }\n";
    let moved = "mod shapes {\n    use dyninka::prelude::*;\n    #[derive(Debug, Clone, Serialize, Deserialize)]\n    \
                 pub struct Item { pub id: u64 }\n}\nuse shapes::Item;\n";
    let (_folder, file) = app(&typed(&counter, item, 2));
    let mut jobs = Jobs::start(&file);
    let ask = |id: u64, ms: u64, delay: &str| {
        jobs.ask(&json!({ "inputs": { "item": { "id": id }, "ms": ms }, "delay": delay }))
    };
    let runs = ask(1, 3_000, "0s");
    // Queued all over the edit, whatever it takes.
    let waiting: Vec<String> = (2..5).map(|id| ask(id, 0, "1h")).collect();
    begun(&counter, 1);
    fs::write(&file, typed(&counter, moved, 3)).expect("an edit");
    jobs.dev.wait_for("live");
    let runs = jobs.end_of(&runs);
    assert_eq!((result(&jobs, &runs), &runs["attempt"]), (json!(2), &json!(1)), "{runs}");
    for id in &waiting {
        assert_eq!(jobs.get(&format!("jobs/{id}")).body["state"], "queued");
    }
    let after = jobs.ask_anew(&json!({ "inputs": { "item": { "id": 9 }, "ms": 0 } }));
    let after = jobs.end_of(&after);
    assert_eq!((result(&jobs, &after), &after["attempt"]), (json!(27), &json!(1)), "{after}");
    assert_ne!(runs["versions"], after["versions"]);
    assert_eq!(counter.counts()["1"], 1, "no run is repeated for an edit");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// A service is renamed: the edit is refused with the number of jobs that name it, the one that runs among them; once none is
/// left, it is taken. Where the file changed while no session ran, nobody could refuse, and such jobs end as `gone`.
#[test]
fn a_renamed_service_leaves_no_job_without_a_word() {
    let counter = Counter::start();
    let text = counter.app();
    let renamed = text.replace("work(", "labour(");
    let (_folder, file) = app(&text);
    let mut jobs = Jobs::start(&file);
    let runs = jobs.ask(&json!({ "inputs": { "id": 1, "ms": 4_000 } }));
    let waiting: Vec<String> =
        (2..5).map(|id| jobs.ask(&json!({ "inputs": { "id": id, "ms": 0 }, "delay": "1h" }))).collect();
    // Its inputs are fetched along the flow: it names no type, and the service all the same.
    let fetched = jobs.ask(&json!({ "delay": "1h" }));
    begun(&counter, 1);
    fs::write(&file, &renamed).expect("a save");
    let broken = jobs.dev.wait_for("broken");
    let message = broken["diagnostics"][0]["message"].as_str().expect("words");
    let (number, rest) = message.split_once(' ').expect("a number");
    // The one that runs may have ended by now.
    assert!(["5", "4"].contains(&number), "{broken}");
    assert_eq!(rest, "jobs of work wait, and the new work is no service any more", "{broken}");
    let runs = jobs.end_of(&runs);
    assert_eq!((result(&jobs, &runs), &runs["attempt"]), (json!(2), &json!(1)), "{runs}");
    let serves = jobs.end_of(&jobs.ask(&json!({ "inputs": { "id": 6, "ms": 0 } })));
    assert_eq!(serves["state"], "done", "the version before serves on: {serves}");
    for id in waiting.iter().chain([&fetched]) {
        assert_eq!(jobs.post(&format!("jobs/{id}/cancel"), &json!({})).status, 200);
    }
    fs::write(&file, &renamed).expect("a save");
    jobs.dev.wait_for("live");
    let anew = jobs.ask_anew(&json!({ "service": "labour", "inputs": { "id": 7, "ms": 0 } }));
    assert_eq!(jobs.end_of(&anew)["state"], "done");
    let late = json!({ "service": "labour", "inputs": { "id": 8, "ms": 2_000 }, "timeout": "1ms", "attempts": 1 });
    let left = jobs.ask(&late);
    assert_eq!(jobs.end_of(&left)["kind"], "deadline");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
    // Renamed while no session runs.
    fs::write(&file, &text).expect("a save");
    let jobs = Jobs::start(&file);
    assert_eq!(jobs.post(&format!("jobs/{left}/retry"), &json!({})).status, 200);
    let gone = jobs.end_of(&left);
    assert_eq!((&gone["state"], &gone["kind"]), (&json!("failed"), &json!("gone")), "{gone}");
    assert_eq!(gone["problem"]["detail"], "labour is no service any more", "{gone}");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// Services move to another host while a job runs and others come: the run ends where it began. One that was on its way to the host
/// as that ended is lost at once, since nobody is left who could say whether it ran.
#[test]
fn a_service_that_moves_to_another_host_ends_what_runs_and_says_what_is_lost() {
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    let runs = jobs.ask(&json!({ "inputs": { "id": 1, "ms": 1_500 } }));
    begun(&counter, 1);
    let moves = dyn_command().arg("fuse").arg(&file).args(["seed", "work"]).spawn().expect("dyn runs");
    let asked: Vec<String> = (2..20).map(|id| jobs.ask(&json!({ "inputs": { "id": id, "ms": 10 } }))).collect();
    let output = moves.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let later = jobs.ask(&json!({ "inputs": { "id": 20, "ms": 0 } }));
    for (id, number) in [&runs].into_iter().chain(&asked).chain([&later]).zip(1_u64..) {
        let job = jobs.end_of(id);
        let outcomes: Vec<&str> = job["history"].as_array().expect("attempts").iter().map(outcome).collect();
        let (last, before) = outcomes.split_last().expect("an attempt");
        assert_eq!((job["state"].as_str(), *last), (Some("done"), "value"), "{job}");
        // Those that reached nobody are held, and ran nowhere.
        assert!(before.iter().all(|outcome| ["lost", "held"].contains(outcome)), "{job}");
        let lost = before.iter().filter(|outcome| **outcome == "lost").count() as u64;
        let runs = counter.counts()[&number.to_string()];
        assert!((1..=1 + lost).contains(&runs), "{runs} runs of {job}");
        assert!(number > 1 || outcomes.len() == 1, "what ran as the move began ends where it ran: {job}");
    }
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
