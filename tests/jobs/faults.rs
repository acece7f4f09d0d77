//! Days on which things end. Effects are counted by a process outside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use support::app;

use crate::counter::Counter;
use crate::server::{Jobs, LOOK, Server, told};

/// Jobs of the fault tests.
const JOBS: u64 = 600;

/// D1: the server is killed again and again under load. Every accepted job ends once, every function runs once.
#[test]
fn a_killed_server_loses_no_job_and_repeats_no_run() {
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    let (server, is_over) = (jobs.server.clone(), AtomicBool::new(false));
    let ids: Vec<(u64, String)> = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut kills = 0;
            while !is_over.load(Ordering::Relaxed) {
                // Not a wait for anything: the rhythm of the kills.
                std::thread::sleep(Duration::from_millis(700));
                kills += u32::from(server.kill());
            }
            kills
        });
        let askers: Vec<_> = (0..4)
            .map(|asker| {
                let server = &server;
                scope.spawn(move || {
                    let mine = (0..JOBS).filter(|number| number % 4 == asker);
                    mine.map(|number| (number, accepted(server, number))).collect::<Vec<_>>()
                })
            })
            .collect();
        let ids: Vec<(u64, String)> = askers.into_iter().flat_map(|asker| asker.join().expect("it asks")).collect();
        for (_, id) in &ids {
            server.end_of(id);
        }
        is_over.store(true, Ordering::Relaxed);
        let kills = killer.join().expect("it kills");
        assert!(kills >= 2, "{kills} kills: too few to show anything");
        ids
    });
    assert_eq!(ids.len() as u64, JOBS);
    for (number, id) in &ids {
        let job = jobs.end_of(id);
        assert_eq!((job["state"].as_str(), job["attempt"].as_u64()), (Some("done"), Some(1)), "{job}");
        assert_eq!(jobs.get(&format!("jobs/{id}/result")).body, number * 2);
    }
    let expected: BTreeMap<String, u64> = (0..JOBS).map(|number| (number.to_string(), 1)).collect();
    assert_eq!(counter.counts(), expected, "each function ran once");
    // And each call is on the bill once, whatever was killed meanwhile.
    let bill = jobs.get("usage?by=service").body;
    let calls = bill["rows"].as_array().expect("rows").iter().find(|row| row["service"] == "work").expect("a row");
    assert_eq!(calls["calls"], JOBS, "{bill}");
    let slept = JOBS * 20 * 1_000_000;
    assert!(calls["function_ns"].as_u64().is_some_and(|ns| ns >= slept), "{bill}");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// Asks for a job until it is accepted: the same key makes it one job, however often it is asked for.
fn accepted(server: &Server, number: u64) -> String {
    loop {
        let asked = server.request(reqwest::Method::POST, "jobs").header("idempotency-key", format!("job-{number}"));
        match told(asked.json(&json!({ "inputs": { "id": number, "ms": 20 } }))) {
            Ok(told) if [200, 202].contains(&told.status) => {
                return told.body["id"].as_str().expect("an id").to_owned();
            }
            // Beyond the rate, or the server is being started again.
            Ok(told) => {
                assert!([429, 503].contains(&told.status), "{told:?}");
                std::thread::sleep(LOOK);
            }
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

/// D2: hosts are killed during runs. What was lost is told in the history, and repeated or not as the job says.
#[test]
fn a_killed_host_is_told_as_lost_and_the_job_says_what_follows() {
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    let long = |id: u64, lost: &str| {
        jobs.ask(&json!({ "inputs": { "id": id, "ms": 4_000 }, "lost": lost, "backoff": { "first": "1ms" } }))
    };
    let (again, once) = (long(1, "retry"), long(2, "fail"));
    while counter.counts().len() < 2 {
        std::thread::sleep(LOOK);
    }
    support::hosts::kill("process", &file, "work");
    let (again, once) = (jobs.end_of(&again), jobs.end_of(&once));
    assert_eq!(
        (again["state"].as_str(), again["history"][0]["outcome"].as_str()),
        (Some("done"), Some("lost")),
        "{again}"
    );
    assert_eq!((once["state"].as_str(), once["kind"].as_str()), (Some("failed"), Some("lost")), "{once}");
    assert_eq!(counter.counts(), BTreeMap::from([("1".to_owned(), 2), ("2".to_owned(), 1)]));
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// D3: session, server and hosts end together; what waits runs in the next session.
#[test]
fn jobs_wait_for_the_next_session() {
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    let done = jobs.ask(&json!({ "inputs": { "id": 1, "ms": 0 } }));
    jobs.end_of(&done);
    let waiting: Vec<String> =
        (2..12).map(|id| jobs.ask(&json!({ "inputs": { "id": id, "ms": 0 }, "delay": "3s" }))).collect();
    jobs.dev.signal("KILL");
    drop(jobs.dev.end());
    let jobs = Jobs::start(&file);
    for id in &waiting {
        let job = jobs.end_of(id);
        assert_eq!((job["state"].as_str(), job["attempt"].as_u64()), (Some("done"), Some(1)), "{job}");
    }
    assert_eq!(jobs.get(&format!("jobs/{done}/result")).body, 2, "a result is kept over sessions");
    assert_eq!(counter.counts(), (1..12).map(|id: u64| (id.to_string(), 1)).collect());
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
