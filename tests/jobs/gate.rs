//! D19: edits that do not read the inputs of jobs that wait.

use std::fs;

use serde_json::{Value, json};
use support::app;

use crate::server::Jobs;

pub(crate) const APP: &str = "use dyninka::prelude::*;

#[service]
fn seed() -> u64 { 7 }

#[service]
fn work(id: u64) -> u64 { id * 2 }

#[dyninka::main]
fn main() { work(seed()) }
";

/// Reads no number any more.
fn edited() -> String {
    APP.replace("fn seed() -> u64 { 7 }", "fn seed() -> String { \"seven\".to_owned() }")
        .replace("fn work(id: u64) -> u64 { id * 2 }", "fn work(id: String) -> u64 { id.len() as u64 }")
}

/// Asks for ten jobs that wait.
fn ten(jobs: &Jobs, delay: &str) -> Vec<String> {
    (1..=10).map(|id| jobs.ask(&json!({ "inputs": { "id": id }, "delay": delay }))).collect()
}

fn notice(jobs: &mut Jobs, words: &str) -> Value {
    jobs.dev.wait_until(words, |event| event["message"].as_str().is_some_and(|message| message.contains(words)))
}

#[test]
fn an_edit_that_does_not_read_jobs_that_wait_is_refused_and_a_fit_one_is_not() {
    let (_folder, file) = app(APP);
    let mut jobs = Jobs::start(&file);
    let waiting = ten(&jobs, "1h");
    // One whose input is fetched along the flow is of no type.
    jobs.ask(&json!({ "delay": "1h" }));
    fs::write(&file, edited()).expect("a save");
    let broken = jobs.dev.wait_for("broken");
    let told = &broken["diagnostics"][0];
    let message = told["message"].as_str().expect("words");
    assert!(message.starts_with("10 jobs of work wait, and the new work does not read them: id "), "{broken}");
    assert!(told["help"].as_str().is_some_and(|help| help.contains("--drain-jobs")), "{broken}");
    // The version before serves on.
    let done = jobs.ask(&json!({ "inputs": { "id": 21 } }));
    assert_eq!(jobs.end_of(&done)["state"], "done");
    assert_eq!(jobs.get(&format!("jobs/{done}/result")).body, 42);
    // What reads them is taken.
    fs::write(&file, APP.replace("id * 2", "id * 3")).expect("a save");
    jobs.dev.wait_for("live");
    let fits = jobs.ask(&json!({ "inputs": { "id": 21 } }));
    jobs.end_of(&fits);
    assert_eq!(jobs.get(&format!("jobs/{fits}/result")).body, 63);
    assert!(waiting.iter().all(|id| jobs.get(&format!("jobs/{id}")).body["state"] == "queued"));
    // Once none of them waits, the edit is taken.
    for id in &waiting {
        assert_eq!(jobs.post(&format!("jobs/{id}/cancel"), &json!({})).status, 200);
    }
    fs::write(&file, edited()).expect("a save");
    jobs.dev.wait_for("live");
    let words = jobs.ask_anew(&json!({ "inputs": { "id": "abc" } }));
    jobs.end_of(&words);
    assert_eq!(jobs.get(&format!("jobs/{words}/result")).body, 3);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

#[test]
fn an_edit_waits_for_jobs_that_it_does_not_read_where_that_is_chosen() {
    let (_folder, file) = app(APP);
    let mut jobs = Jobs::start_with(&file, &["--drain-jobs"]);
    let waiting = ten(&jobs, "3s");
    fs::write(&file, edited()).expect("a save");
    notice(&mut jobs, "the edit waits for 10 jobs of work");
    jobs.dev.wait_for("live");
    for (id, number) in waiting.iter().zip(1..) {
        assert_eq!(jobs.get(&format!("jobs/{id}")).body["state"], "done");
        assert_eq!(jobs.get(&format!("jobs/{id}/result")).body, number * 2);
    }
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

#[test]
fn jobs_that_an_edit_does_not_read_end_as_dead_letters_where_that_is_chosen() {
    let (_folder, file) = app(APP);
    let mut jobs = Jobs::start_with(&file, &["--drop-jobs"]);
    let waiting = ten(&jobs, "1h");
    fs::write(&file, edited()).expect("a save");
    notice(&mut jobs, "10 jobs of work ended as failed");
    jobs.dev.wait_for("live");
    for id in &waiting {
        let job = jobs.end_of(id);
        assert_eq!((job["state"].as_str(), job["kind"].as_str()), (Some("failed"), Some("form")), "{job}");
    }
    let dead = jobs.get("dead").body;
    assert_eq!((&dead[0]["jobs"], &dead[0]["kind"]), (&json!(10), &json!("form")), "{dead}");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
