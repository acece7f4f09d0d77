//! What a file says of its jobs, and what its functions say of theirs.

use std::fs;

use serde_json::{Value, json};
use support::app;

use crate::server::{Jobs, LOOK, told};

/// Services that say how their jobs run.
const APP: &str = r#"use dyninka::prelude::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> u64 { SystemTime::now().duration_since(UNIX_EPOCH).map(|at| at.as_millis() as u64).unwrap_or(0) }

#[service(parallel = 1)]
fn narrow(gate: String) -> (u64, u64) {
    let begun = now();
    while !std::path::Path::new(&gate).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    (begun, now())
}

#[service(parallel = 1, attempts = 2, timeout = "300ms", backoff = "1ms..1ms")]
fn stuck(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

#[service(attempts = 2, backoff = "1ms..1ms")]
fn fails() -> Result<u64> { Err(Error::new("no")) }

#[service]
fn never() -> Result<u64> { Err(Error::permanent("no such customer")) }

#[service]
fn upstream() -> Result<u64> { never().wait() }

#[service]
fn later() -> Result<String> {
    let job = dyninka::job().ok_or_else(|| Error::new("no job"))?;
    if job.attempt < 3 {
        return Err(Error::later(Duration::from_millis(1)));
    }
    Ok(format!("{} {} {:?} {}", job.id, job.attempt, job.key, job.tenant))
}

#[service]
fn seed() -> bool { dyninka::job().is_some() }

#[service]
async fn last(seed: bool) -> Result<(bool, bool, String)> {
    let called = asked().await?;
    Ok((seed, dyninka::job().is_some(), called))
}

#[service]
fn asked() -> String { dyninka::job().map_or_else(|| "nobody".to_owned(), |job| job.id) }

#[dyninka::main]
fn main() { last(seed()) }
"#;

fn result(jobs: &Jobs, id: &str) -> Value {
    jobs.get(&format!("jobs/{id}/result")).body
}

#[test]
fn a_service_says_how_its_jobs_run_and_a_function_whether_it_runs_again() {
    let (_folder, file) = app(APP);
    fs::write(file.with_file_name("dyn.toml"), "[services.never]\nattempts = 7\n").expect("settings");
    let jobs = Jobs::start(&file);
    let end = |job: &Value| jobs.end_of(&jobs.ask(job));
    // Attempts: those of the attribute, of dyn.toml, and of the job.
    let failed = end(&json!({ "service": "fails" }));
    assert_eq!((&failed["attempts"], &failed["used"], &failed["kind"]), (&json!(2), &json!(2), &json!("failed")));
    let failed = end(&json!({ "service": "fails", "attempts": 1 }));
    assert_eq!((&failed["attempts"], &failed["used"]), (&json!(1), &json!(1)), "{failed}");
    // What fails for good fails at once, also where a service that was called says so.
    for service in ["never", "upstream"] {
        let failed = end(&json!({ "service": service }));
        assert_eq!((&failed["used"], &failed["kind"]), (&json!(1), &json!("permanent")), "{failed}");
        let attempts = if service == "never" { 7 } else { 5 };
        assert_eq!(failed["attempts"], attempts, "{failed}");
        assert_eq!(failed["problem"]["detail"], "no such customer");
    }
    // What asks for a later run gets it, and uses no attempt. It knows the job that it runs for.
    let keyed = jobs.request(reqwest::Method::POST, "jobs").header("idempotency-key", "k\"1");
    let asked = told(keyed.json(&json!({ "service": "later", "attempts": 1 }))).expect("an answer");
    let id = asked.body["id"].as_str().expect("an id").to_owned();
    let done = jobs.end_of(&id);
    assert_eq!((&done["state"], &done["attempt"], &done["used"]), (&json!("done"), &json!(3), &json!(1)), "{done}");
    assert_eq!(result(&jobs, &id), format!("{id} 3 Some({:?}) default", "k\"1"));
    // So do those that feed it and that it calls; a request that is no job's does not.
    let chained = jobs.ask(&json!({}));
    jobs.end_of(&chained);
    assert_eq!(result(&jobs, &chained), json!([true, true, chained]));
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let url = jobs.dev.ready["url"].as_str().expect("an address");
    let forged = client
        .get(url)
        .header("dyninka-job", format!("{{\"id\":\"x\",\"attempt\":1,\"tenant\":\"a\"}}.{}", "0".repeat(32)));
    assert_eq!(told(forged).expect("an answer").body, json!([false, false, "nobody"]));
    // At most one of it runs at a time, and others are not kept waiting by it.
    let gate = file.with_file_name("gate");
    let job = json!({ "service": "narrow", "inputs": { "gate": gate } });
    let narrow: Vec<String> = (0..3).map(|_| jobs.ask(&job)).collect();
    jobs.end_of(&jobs.ask(&json!({})));
    let states = || narrow.iter().map(|id| jobs.get(&format!("jobs/{id}")).body["state"].clone()).collect::<Vec<_>>();
    while states()[0] != "running" {
        std::thread::sleep(LOOK);
    }
    jobs.end_of(&jobs.ask(&json!({})));
    assert_eq!(states(), ["running", "queued", "queued"]);
    fs::write(&gate, "").expect("a gate");
    let mut times: Vec<(u64, u64)> = narrow
        .iter()
        .map(|id| {
            jobs.end_of(id);
            serde_json::from_value(result(&jobs, id)).expect("two times")
        })
        .collect();
    times.sort_unstable();
    assert!(times.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one after the other: {times:?}");
    // D9: what cannot be ended goes on for nobody and takes its place until it has: the next attempt waits.
    let stuck = end(&json!({ "service": "stuck", "inputs": { "ms": 1_500 } }));
    assert_eq!((&stuck["kind"], &stuck["still_runs"]), (&json!("deadline"), &json!(true)), "{stuck}");
    let began = |attempt: usize| {
        let text = stuck["history"][attempt]["began_at"].as_str().expect("a time");
        text.parse::<jiff::Timestamp>().expect("a time").as_millisecond()
    };
    assert!(began(1) - began(0) >= 1_400, "{stuck}");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
