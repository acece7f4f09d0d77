//! What a user does: ask, look, fetch; with the command and with HTTP.

use std::io::{BufRead, BufReader};

use serde_json::json;
use support::session::example;
use support::{app, dyn_command};

use crate::counter::Counter;
use crate::server::{Jobs, LOOK, told};

#[test]
fn a_job_outlives_a_kill_of_the_server_and_its_result_is_fetched_afterwards() {
    let (_folder, file) = example("building");
    let jobs = Jobs::start(&file);
    let first = jobs.ask(&json!({ "service": "map", "inputs": { "reading": reading() } }));
    let later = jobs.ask(&json!({ "service": "map", "inputs": { "reading": reading() }, "delay": "2s" }));
    assert!(jobs.kill(), "there is a server");
    let ends = [&first, &later].map(|id| jobs.end_of(id));
    assert_eq!(ends.each_ref().map(|job| job["state"].as_str()), [Some("done"); 2], "{ends:?}");
    let results = [first, later].map(|id| jobs.get(&format!("jobs/{id}/result")));
    assert_eq!(results.each_ref().map(|result| result.status), [200; 2], "{results:?}");
    assert_eq!(results[0].body, results[1].body);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// The events of a job with their ids, up to one of a kind.
fn events(jobs: &Jobs, id: &str, after: Option<&str>, until: &str) -> Vec<(String, String)> {
    let request = jobs.request(reqwest::Method::GET, &format!("jobs/{id}/events"));
    let request = after.into_iter().fold(request, |request, after| request.header("last-event-id", after));
    let stream = BufReader::new(request.send().expect("events"));
    let (mut events, mut number) = (Vec::new(), String::new());
    for line in stream.lines() {
        let line = line.expect("a line");
        if let Some(id) = line.strip_prefix("id: ") {
            number = id.to_owned();
        }
        if let Some(kind) = line.strip_prefix("event: ") {
            events.push((number.clone(), kind.to_owned()));
        }
        // The id may stand behind the kind: an empty line ends an event.
        if line.is_empty() && events.last().is_some_and(|event| event.1 == until) {
            break;
        }
    }
    events
}

/// A reading as the example's second service takes it.
fn reading() -> serde_json::Value {
    json!({ "sensor": "s", "variable": "Temperature", "units": "F", "timestamp": "t", "value": 68.0 })
}

#[test]
fn a_job_goes_its_way_from_asked_to_fetched() {
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    // Asked for, ended within the wait, fetched.
    let asked = jobs.request(reqwest::Method::POST, "jobs").header("prefer", "wait=30");
    let done = told(asked.json(&json!({ "inputs": { "id": 21, "ms": 0 }, "tags": ["t"] }))).expect("an answer");
    assert_eq!((done.status, done.body["state"].as_str()), (200, Some("done")), "{done:?}");
    assert_eq!(done.body["history"][0]["outcome"], "value");
    // What it took, by service; what may still be asked for.
    let usage = done.body["usage_ns"].as_object().expect("usage");
    let work = usage.get("work").and_then(serde_json::Value::as_u64).expect("its own time");
    assert_eq!((usage.len(), done.body["function_us"].as_u64()), (1, Some(work / 1_000)), "{done:?}");
    let said = |name: &str| done.headers.get(name).map(String::as_str).unwrap_or_default();
    assert_eq!(said("ratelimit-policy"), "\"rate\";q=400;w=2, \"queued\";q=100000");
    assert_eq!(said("ratelimit"), "\"rate\";r=399;t=1, \"queued\";r=99999");
    let id = done.body["id"].as_str().expect("an id");
    assert_eq!(jobs.get(&format!("jobs/{id}/result")).body, 42);
    // The same key and body: the same job; another body: refused.
    let keyed = |body: &serde_json::Value| {
        told(jobs.request(reqwest::Method::POST, "jobs").header("idempotency-key", "k").json(body)).expect("an answer")
    };
    let (one, same) =
        (keyed(&json!({ "inputs": { "id": 1, "ms": 0 } })), keyed(&json!({ "inputs": { "id": 1, "ms": 0 } })));
    assert_eq!((one.status, same.status, &one.body["id"]), (202, 200, &same.body["id"]));
    assert_eq!(same.headers.get("idempotency-replayed").map(String::as_str), Some("true"));
    assert_eq!(keyed(&json!({ "inputs": { "id": 2, "ms": 0 } })).status, 422);
    // Inputs that are left out are fetched along the flow.
    let chained = jobs.ask(&json!({}));
    let ended = jobs.end_of(&chained);
    assert_eq!(ended["state"], "done");
    let usage = ended["usage_ns"].as_object().expect("usage");
    assert_eq!(usage.keys().collect::<Vec<_>>(), ["seed", "work"], "{ended}");
    assert_eq!(jobs.get(&format!("jobs/{chained}/result")).body, 14);
    // What fails is retried, ends as a dead letter, and can be queued again.
    let fails = jobs.ask(&json!({
        "service": "fails", "inputs": { "id": 3 }, "attempts": 2, "backoff": { "first": "1ms", "most": "1ms" }
    }));
    let failed = jobs.end_of(&fails);
    assert_eq!(
        (failed["state"].as_str(), failed["kind"].as_str(), failed["used"].as_u64()),
        (Some("failed"), Some("failed"), Some(2))
    );
    assert_eq!(failed["history"].as_array().map(Vec::len), Some(2), "{failed}");
    let refused = jobs.get(&format!("jobs/{fails}/result"));
    assert_eq!((refused.status, refused.body["type"].as_str()), (409, Some("urn:dyninka:problem:job-failed")));
    assert_eq!(jobs.get("dead").body[0]["jobs"], 1);
    assert_eq!(jobs.post("dead/retry", &json!({ "kind": "failed" })).body["retried"], 1);
    assert_eq!(jobs.end_of(&fails)["state"], "failed");
    // D11: one that does not fit its type is refused where it is asked for, with its place.
    let wrong = jobs.post("jobs", &json!({ "inputs": { "id": "seven", "ms": 0 } }));
    assert_eq!((wrong.status, wrong.body["at"].as_str()), (422, Some("inputs.id")), "{wrong:?}");
    // Longer than its time.
    let long = jobs.ask(&json!({ "inputs": { "id": 9, "ms": 2_000 }, "timeout": "200ms", "attempts": 1 }));
    let long = jobs.end_of(&long);
    assert_eq!((long["state"].as_str(), long["kind"].as_str()), (Some("failed"), Some("deadline")), "{long}");
    // Its events, and from one of them on.
    let kinds = |after: Option<&str>, until: &str| events(&jobs, id, after, until);
    assert_eq!(kinds(None, "done").iter().map(|event| &*event.1).collect::<Vec<_>>(), ["accepted", "running", "done"]);
    let first = kinds(None, "done").remove(0).0;
    assert_eq!(kinds(Some(&first), "done").iter().map(|event| &*event.1).collect::<Vec<_>>(), ["running", "done"]);
    // Cancelled while it waits, and while it runs: a synchronous function goes on for nobody.
    let waits = jobs.ask(&json!({ "inputs": { "id": 5, "ms": 0 }, "delay": "1h" }));
    assert_eq!(jobs.post(&format!("jobs/{waits}/cancel"), &json!({})).body["state"], "cancelled");
    assert_eq!(jobs.post(&format!("jobs/{waits}/cancel"), &json!({})).status, 409);
    let runs = jobs.ask(&json!({ "inputs": { "id": 6, "ms": 3_000 } }));
    while jobs.get(&format!("jobs/{runs}")).body["state"] != "running" || !counter.counts().contains_key("6") {
        std::thread::sleep(LOOK);
    }
    let cancelled = jobs.post(&format!("jobs/{runs}/cancel"), &json!({}));
    assert_eq!(
        (cancelled.body["state"].as_str(), cancelled.body["still_runs"].as_bool()),
        (Some("cancelled"), Some(true))
    );
    // Too late to begin.
    let late = jobs.ask(&json!({ "inputs": { "id": 8, "ms": 0 }, "ttl": "1ms", "serial": "s", "delay": "1s" }));
    assert!(["expired", "done"].contains(&jobs.end_of(&late)["state"].as_str().expect("a state")));
    // D10: asked for wrongly.
    for (text, status) in [
        (format!("{{\"inputs\":{{\"id\":{}1{}}}}}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(), 400),
        (br#"{"inputs":{"id":1,"id":2}}"#.to_vec(), 400),
        (b"{\"tags\":[\"\xff\"]}".to_vec(), 400),
        (format!("{{\"tags\":[\"{}\"]}}", "x".repeat(8 << 20)).into_bytes(), 413),
    ] {
        let refused = told(jobs.request(reqwest::Method::POST, "jobs").body(text)).expect("an answer");
        assert_eq!(refused.status, status, "{refused:?}");
    }
    for (body, status, at) in [
        (json!({ "service": "nobody" }), 422, "service"),
        (json!({ "inputs": { "di": 1 } }), 422, "inputs.di"),
        (json!({ "attempts": 1_000 }), 422, "attempts"),
        (json!([1]), 400, "body"),
    ] {
        let refused = jobs.post("jobs", &body);
        assert_eq!((refused.status, refused.body["at"].as_str()), (status, Some(at)), "{body}");
    }
    // The commands say the same.
    let says = |arguments: &[&str]| {
        let mut command = dyn_command();
        let output = command.arg("jobs").args(arguments).output().expect("dyn runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let path = file.to_str().expect("a path");
    assert_eq!(says(&["run", path, "work", "id=50", "ms=0", "--wait"]), "100\n");
    let id = says(&["run", path, "work", "51", "0"]);
    assert_eq!(says(&["result", path, id.trim(), "--wait"]), "102\n");
    assert!(says(&["list", path]).lines().count() >= 8);
    assert!(says(&["status", path]).contains("workers"));
    let bill = says(&["usage", path, "--csv"]);
    assert!(bill.starts_with("tenant,service,version,day,calls,function_ns\r\n"), "{bill}");
    assert!(bill.contains("default,work,") && bill.contains("default,seed,"), "{bill}");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
