//! D1 in full: server and hosts are killed at random under load, and what functions did is counted by a process outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use support::app;

use crate::counter::Counter;
use crate::server::{Jobs, LOOK, Server, told};

/// Jobs a second, and for how long.
const RATE: u64 = 200;
const SECONDS: u64 = 30;
const ASKERS: u64 = 8;
/// The mean times from one kill to the next, in milliseconds. What is being started again is not killed: a session waits longer
/// each time.
const SERVER_MS: f64 = 300.0;
const HOST_MS: f64 = 4_000.0;

/// Chance that is the same each time (xorshift).
struct Chance(u64);

impl Chance {
    /// A time until something that happens at any instant alike, with this mean.
    fn wait(&mut self, mean_ms: f64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let uniform = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-(1.0 - uniform).ln() * mean_ms / 1e3)
    }
}

/// Kills the host of a service, where it is there.
fn kill_host(file: &Path, service: &str) -> bool {
    let is_its = |pid: &String| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.iter().any(|word| word.ends_with(format!("/services/{service}").as_bytes()))
    };
    let Some(pid) = support::hosts::ours("process", file).into_iter().find(is_its) else { return false };
    Command::new("kill").args(["-9", &pid]).status().is_ok_and(|status| status.success())
}

fn accepted(server: &Server, number: u64) -> String {
    let job = json!({
        "inputs": { "id": number, "ms": 20 }, "attempts": 25,
        "backoff": { "first": "10ms", "most": "100ms" },
    });
    loop {
        let asked = server.request(Method::POST, "jobs").header("idempotency-key", format!("job-{number}"));
        match told(asked.json(&job)) {
            Ok(told) if [200, 202].contains(&told.status) => {
                return told.body["id"].as_str().expect("an id").to_owned();
            }
            Ok(told) => assert_eq!(told.status, 503, "{told:?}"),
            // It is being started again.
            Err(_) => {}
        }
        std::thread::sleep(LOOK);
    }
}

#[test]
#[ignore = "long: 30 s at 200 jobs a second while server and hosts are killed, and the rest of the jobs"]
fn a_server_and_hosts_that_are_killed_at_random_lose_no_job_and_repeat_none_that_is_not_told_as_lost() {
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    let free = json!({ "rate": 1e6, "burst": 1e6, "running": 32 });
    let changed = told(jobs.request(Method::PATCH, "tenants/default").json(&free)).expect("an answer");
    assert_eq!(changed.status, 200, "{changed:?}");
    let (server, begun) = (&jobs.server, Instant::now());
    // Not a wait for anything: the rhythm of the kills.
    let killing = |seed: u64, mean_ms: f64, kill: &(dyn Fn() -> bool + Sync)| {
        let (mut chance, mut kills) = (Chance(seed), 0_u32);
        while begun.elapsed().as_secs() < SECONDS {
            std::thread::sleep(chance.wait(mean_ms));
            kills += u32::from(kill());
        }
        kills
    };
    let (ids, server_kills, host_kills) = std::thread::scope(|scope| {
        let of_server = scope.spawn(|| killing(1, SERVER_MS, &|| server.kill()));
        let of_hosts = scope.spawn(|| killing(2, HOST_MS, &|| kill_host(&file, "work")));
        let ask = |asker: u64| {
            let mine = (0..RATE * SECONDS).filter(move |number| number % ASKERS == asker);
            let one = |number: u64| {
                // Its time, whatever became of those before.
                let due = Duration::from_millis(number * 1_000 / RATE);
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
                (number, accepted(server, number))
            };
            mine.map(one).collect::<Vec<_>>()
        };
        let askers: Vec<_> = (0..ASKERS).map(|asker| scope.spawn(move || ask(asker))).collect();
        let ids: Vec<(u64, String)> = askers.into_iter().flat_map(|asker| asker.join().expect("it asks")).collect();
        (ids, of_server.join().expect("it kills"), of_hosts.join().expect("it kills"))
    });
    assert!(server_kills >= 5 && host_kills >= 2, "{server_kills} and {host_kills} kills: too few to show anything");
    let ends: BTreeMap<u64, Value> = ids.iter().map(|(number, id)| (*number, jobs.end_of(id))).collect();
    assert_eq!(ends.len() as u64, RATE * SECONDS);
    let counts = counter.counts();
    let mut lost = 0;
    for (number, job) in &ends {
        assert_eq!(job["state"], "done", "{job}");
        let outcomes = job["history"].as_array().expect("attempts").iter().map(|attempt| &attempt["outcome"]);
        let of_job = outcomes.filter(|outcome| *outcome == "lost").count() as u64;
        let runs = counts.get(&number.to_string()).copied().unwrap_or(0);
        assert!((1..=1 + of_job).contains(&runs), "{runs} runs of {job}");
        lost += of_job;
    }
    assert_eq!(counts.len(), ends.len(), "nothing ran that nobody asked for");
    let bill = jobs.get("usage?by=service").body;
    let calls = bill["rows"].as_array().expect("rows").iter().find(|row| row["service"] == "work").expect("a row");
    let (billed, all) = (calls["calls"].as_u64().expect("a count"), counts.values().sum::<u64>());
    // What ran since its host was last read is lost with the host, and nothing is billed twice.
    assert!(billed <= all, "{billed} calls are on the bill, and {all} were made");
    let took = begun.elapsed().as_secs();
    println!(
        "{} jobs in {took} s: {server_kills} kills of the server, {host_kills} of the host, {lost} attempts lost, {all} runs, \
         {billed} on the bill",
        ends.len()
    );
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
