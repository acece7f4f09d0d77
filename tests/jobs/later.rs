//! Jobs that functions ask for in place of a call.

use std::collections::BTreeSet;
use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use support::app;
use support::session::Dev;

use crate::server::{Jobs, told};

const APP: &str = r#"use dyninka::prelude::*;

#[service]
fn seed() -> u64 { 21 }

#[service]
fn double(number: u64) -> u64 { number * 2 }

#[service(attempts = 3, backoff = "1ms..1ms")]
async fn twice(number: u64) -> Result<(String, String)> {
    let ids = (double(number).later().await?, double(number).later().await?);
    match dyninka::job() {
        Some(job) if job.attempt < 3 => Err(Error::new("once more")),
        _ => Ok(ids),
    }
}

#[service]
fn ask(number: u64) -> Result<String> { double(number).later().wait() }

#[dyninka::main]
fn main() { ask(seed()) }
"#;

fn asked(url: &str) -> (u16, Value) {
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let told = told(client.get(url)).expect("an answer");
    (told.status, told.body)
}

#[test]
fn a_function_asks_for_a_job_once_however_often_it_runs_again() {
    let (_folder, file) = app(APP);
    let mut jobs = Jobs::start(&file);
    assert_eq!(jobs.post("tenants", &json!({ "name": "alice" })).status, 201);
    let by_alice = |method: Method, path: &str| jobs.request(method, path).header("dyninka-tenant", "alice");
    let body = json!({ "service": "twice", "inputs": { "number": 4 } });
    let id = told(by_alice(Method::POST, "jobs").json(&body)).expect("an answer").body["id"].clone();
    let id = id.as_str().expect("an id");
    let twice = jobs.end_of(id);
    assert_eq!((&twice["state"], &twice["used"]), (&json!("done"), &json!(3)), "{twice}");
    let ids: (String, String) = serde_json::from_value(jobs.get(&format!("jobs/{id}/result")).body).expect("two ids");
    assert_ne!(ids.0, ids.1);
    // Three attempts asked for two jobs each, and there are two: of the same tenant, and of this job's.
    let all = told(by_alice(Method::GET, "jobs?service=double")).expect("an answer").body;
    let all: BTreeSet<&str> =
        all["jobs"].as_array().expect("jobs").iter().filter_map(|job| job["id"].as_str()).collect();
    assert_eq!(all, BTreeSet::from([ids.0.as_str(), ids.1.as_str()]));
    for id_of_double in all {
        let double = jobs.end_of(id_of_double);
        assert_eq!((&double["tenant"], &double["state"]), (&json!("alice"), &json!("done")), "{double}");
        assert_eq!(double["asked_by"], id.replace('-', ""), "{double}");
        assert_eq!(jobs.get(&format!("jobs/{id_of_double}/result")).body, 8);
    }
    // Of a request that is no job's: two requests, two jobs, also where the server ended between them.
    let url = jobs.dev.ready["url"].as_str().expect("an address").to_owned();
    let first = asked(&url);
    assert!(jobs.kill(), "there is a server");
    let second = asked(&url);
    assert_ne!(first, second);
    for (status, id) in [first, second] {
        let id = id.as_str().unwrap_or_else(|| panic!("{status} {id}"));
        assert_eq!((status, jobs.end_of(id)["tenant"].as_str()), (200, Some("default")));
        assert_eq!(jobs.get(&format!("jobs/{id}/result")).body, 42);
    }
    // Its inputs are checked as those of a call are.
    fs::write(&file, APP.replace("double(number).later().wait()", "double(\"four\").later().wait()")).expect("a save");
    let broken = jobs.dev.wait_for("broken");
    assert!(broken["diagnostics"][0]["message"].as_str().is_some_and(|said| said.contains("mismatched")), "{broken}");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

#[test]
fn a_job_that_a_function_asks_for_is_an_error_that_says_so_where_jobs_are_off() {
    let (_folder, file) = app(APP);
    let mut dev = Dev::launch(&file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    let (status, problem) = asked(dev.ready["url"].as_str().expect("an address"));
    let said = problem["detail"].as_str().unwrap_or_default();
    assert!(status == 501 && said.contains("jobs are off") && said.contains("--jobs"), "{status} {problem}");
    let (status, stderr) = dev.stop();
    assert!(status.success(), "{stderr}");
}
