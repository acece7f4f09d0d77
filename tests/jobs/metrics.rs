//! What the job server counts of itself, as Prometheus reads it.

use std::collections::BTreeMap;

use serde_json::json;
use support::app;

use crate::counter::Counter;
use crate::server::{Jobs, LOOK};

/// Samples by their names and labels, as the operator sees them.
fn samples(jobs: &Jobs) -> BTreeMap<String, f64> {
    samples_by(jobs, &jobs.token)
}

fn samples_by(jobs: &Jobs, token: &str) -> BTreeMap<String, f64> {
    let root = jobs.url.trim_end_matches("/v1");
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let answer = client.get(format!("{root}/metrics")).bearer_auth(token).send().expect("an answer");
    assert!(
        answer.headers()["content-type"].to_str().is_ok_and(|kind| kind.starts_with("application/openmetrics-text"))
    );
    let text = answer.text().expect("text");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
    };
    lines.map(sample).collect()
}

#[test]
fn waits_runs_attempts_and_the_store_are_counted_without_a_label_for_a_tenant() {
    let counter = Counter::start();
    let naps = "#[service]\nasync fn naps() { tokio::time::sleep(std::time::Duration::from_secs(600)).await; }\n\n";
    let (_folder, file) =
        app(&counter.app().replacen("#[service]\nfn fails(", &format!("{naps}#[service]\nfn fails("), 1));
    let jobs = Jobs::start(&file);
    // One at a time: the second waits for the end of the first.
    let narrow = jobs.post("tenants", &json!({ "name": "narrow", "limits": { "running": 1 } }));
    assert_eq!(narrow.status, 201, "{narrow:?}");
    let ask = |job: serde_json::Value| {
        let request = jobs.request(reqwest::Method::POST, "jobs").header("dyninka-tenant", "narrow");
        let told = crate::server::told(request.json(&job)).expect("an answer");
        told.body["id"].as_str().unwrap_or_else(|| panic!("{told:?}")).to_owned()
    };
    let first = ask(json!({ "service": "naps", "timeout": "11m" }));
    let second = ask(json!({ "inputs": { "id": 2, "ms": 10 } }));
    while samples(&jobs)["dyninka_job_oldest_seconds"] == 0.0 {
        std::thread::sleep(LOOK);
    }
    assert_eq!(jobs.get(&format!("jobs/{second}")).body["state"], "queued");
    assert_eq!(jobs.post(&format!("jobs/{first}/cancel"), &json!({})).status, 200);
    assert_eq!(jobs.end_of(&second)["state"], "done");
    let fails = jobs.ask(&json!({
        "service": "fails", "inputs": { "id": 3 }, "attempts": 2, "backoff": { "first": "1ms", "most": "1ms" }
    }));
    assert_eq!(jobs.end_of(&fails)["used"], 2);
    // What is told of an end is counted a moment later.
    let all = loop {
        let all = samples(&jobs);
        if all["dyninka_job_run_seconds_count"] >= 4.0 {
            break all;
        }
        std::thread::sleep(LOOK);
    };
    let of = |name: &str| *all.get(name).unwrap_or_else(|| panic!("{name} in {all:?}"));
    for name in ["dyninka_job_wait_seconds", "dyninka_job_run_seconds"] {
        assert_eq!((of(&format!("{name}_count")), of(&format!("{name}_bucket{{le=\"+Inf\"}}"))), (4.0, 4.0));
        assert!(of(&format!("{name}_bucket{{le=\"0.5\"}}")) <= of(&format!("{name}_bucket{{le=\"900.0\"}}")));
    }
    assert!(of("dyninka_job_run_seconds_sum") >= 0.01, "one of them took 10 ms: {all:?}");
    assert!(of("dyninka_job_wait_seconds_sum") > 0.0, "one of them waited for another: {all:?}");
    for (outcome, count) in [("value", 1.0), ("failed", 2.0), ("cancelled", 1.0), ("lost", 0.0)] {
        assert_eq!(of(&format!("dyninka_job_attempts_total{{outcome=\"{outcome}\"}}")), count, "{outcome}");
    }
    for (state, count) in [("done", 1.0), ("failed", 1.0), ("cancelled", 1.0), ("queued", 0.0)] {
        assert_eq!(of(&format!("dyninka_jobs{{state=\"{state}\"}}")), count, "{state}");
    }
    assert_eq!(of("dyninka_job_oldest_seconds"), 0.0, "nothing waits");
    for (op, least) in [("accept", 3.0), ("begin", 1.0), ("end", 4.0), ("read", 1.0), ("other", 1.0)] {
        assert!(of(&format!("dyninka_job_store_seconds_count{{op=\"{op}\"}}")) >= least, "{op}: {all:?}");
    }
    // Whatever is asked for and by whomever, there are as many lines.
    let names = |all: &BTreeMap<String, f64>| all.keys().cloned().collect::<Vec<_>>();
    assert!(names(&all).iter().all(|name| !name.contains("narrow") && !name.contains("\"work\"")), "{all:?}");
    assert_eq!(names(&samples(&jobs)), names(&all));
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

#[test]
fn a_tenant_has_series_where_they_are_asked_for_and_sees_its_own_alone() {
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    std::fs::write(file.with_file_name("dyn.toml"), "[jobs]\ntenant_metrics = true\n").expect("settings");
    let jobs = Jobs::start(&file);
    for tenant in ["alice", "bob"] {
        let added = jobs.post("tenants", &json!({ "name": tenant }));
        assert_eq!(added.status, 201, "{added:?}");
        let request = jobs.request(reqwest::Method::POST, "jobs").header("dyninka-tenant", tenant);
        let told = crate::server::told(request.json(&json!({ "inputs": { "id": 1, "ms": 0 } }))).expect("an answer");
        jobs.end_of(told.body["id"].as_str().unwrap_or_else(|| panic!("{told:?}")));
    }
    let made = jobs.post("tenants/alice/tokens", &json!({ "scopes": ["metrics"] }));
    let token = made.body["token"].as_str().unwrap_or_else(|| panic!("{made:?}"));
    let of = |tenant: &str| format!("dyninka_tenant_jobs{{tenant=\"{tenant}\",state=\"done\"}}");
    let all = samples(&jobs);
    assert_eq!([all.get(&of("alice")), all.get(&of("bob"))], [Some(&1.0), Some(&1.0)], "{all:?}");
    let own = samples_by(&jobs, token);
    assert_eq!(own.get(&of("alice")), Some(&1.0), "{own:?}");
    assert!(own.keys().all(|name| !name.contains("bob")), "{own:?}");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
