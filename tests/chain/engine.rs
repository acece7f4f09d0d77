//! A Docker engine that goes away, comes back, runs out of subnets, or does what it is told behind our back.
//!
//! What would disturb other containers of this machine is done to an engine of the test's own.

use std::process::{Command, Stdio};

use crate::building::{kill, ours};
use crate::daemon::Engine;
use crate::disk::Disk;
use crate::session::{Client, Dev};
use crate::support::app;

const TINY: &str = "use dyninka::prelude::*;
#[service] fn one() -> u32 { 1 }
#[service] fn double(value: u32) -> u32 { value * 2 }
#[dyninka::main] fn main() { one().double() }
";

#[test]
fn an_engine_that_goes_and_comes_back_runs_what_it_ran_once() {
    let mut engine = Engine::start();
    // The one subnet it has is taken: the app's network gets another, and that is said.
    assert!(engine.docker(&["network", "create", "filler"]).0);
    let (_folder, file) = app(TINY);
    let mut dev = engine.dev(&file);
    let notice = |dev: &mut Dev, words: &str| {
        dev.wait_until(words, |event| {
            event["event"] == "notice" && event["message"].as_str().is_some_and(|message| message.contains(words))
        })
    };
    notice(&mut dev, "no subnet of its own left");
    dev.ready = dev.wait_for("ready");
    let (client, url) = (Client::new(), dev.url());
    assert_eq!(client.get(&url).body, "2");
    engine.down();
    notice(&mut dev, "engine is gone");
    // What is saved meanwhile is what runs afterwards.
    std::fs::write(&file, TINY.replace("value * 2", "value * 3")).expect("a save");
    dev.wait_for("built");
    engine.up();
    notice(&mut dev, "engine is back");
    // Both are needed for an answer, and either may be first.
    for (event, service) in [("up", "one"), ("live", "double")] {
        let passes = |told: &serde_json::Value| {
            told["event"] == event && (told["service"] == service || told["services"][0]["name"] == service)
        };
        if !dev.seen().iter().any(passes) {
            dev.wait_until(service, passes);
        }
    }
    assert_eq!(client.get(&url).body, "3");
    assert_eq!(engine.docker(&["ps", "-aq"]).1.lines().count(), 2);
    dev.stop();
    assert_eq!(engine.docker(&["ps", "-aq"]).1, "");
    assert!(!engine.docker(&["network", "ls"]).1.contains("dyninka"));
}

#[test]
fn an_engine_whose_disk_is_full_is_named_and_nothing_is_left() {
    let disk = Disk::new("32m");
    let engine = Engine::start_on(&disk.path().join("data"));
    let (_folder, file) = app(TINY);
    let mut dev = engine.dev(&file);
    let failed = dev.wait_for("failed");
    assert!(failed["message"].as_str().is_some_and(|message| message.contains("no space left on device")), "{failed}");
    dev.wait_for("stopped");
    let (status, _) = dev.end();
    assert_eq!(status.code(), Some(3));
    assert_eq!(engine.docker(&["ps", "-aq"]).1, "");
    assert!(!engine.docker(&["network", "ls"]).1.contains("dyninka"));
}

#[test]
fn a_paused_or_removed_container_is_seen_and_runs_again() {
    let (_folder, file) = app(TINY);
    let mut dev = Dev::start(&file, "docker");
    let (client, url) = (Client::new(), dev.url());
    for verb in [&["pause"][..], &["rm", "-f"]] {
        let container = &ours("docker", &file)[0];
        assert!(
            Command::new("docker").args(verb).arg(container).stdout(Stdio::null()).status().expect("docker").success()
        );
        dev.wait_for("down");
        dev.wait_for("up");
        assert_eq!(client.get(&url).body, "2");
    }
    kill("docker", &file, "one");
    dev.wait_for("up");
    assert_eq!(client.get(&url).body, "2");
    dev.stop();
}

#[test]
fn a_service_that_takes_more_memory_than_it_may_is_ended_and_named() {
    let (_folder, file) = app("use dyninka::prelude::*;
#[service] fn eat(mib: usize) -> u64 { let eaten: Vec<u8> = (0..mib << 20).map(|at| at as u8).collect(); eaten.iter().map(|byte| u64::from(*byte)).sum() }
#[dyninka::main] fn main() { eat(1) }
");
    let mut dev = Dev::launch(&file, &["--on", "docker", "--port", "0", "--memory", "64M", "--cpus", "0.5"]);
    dev.ready = dev.wait_for("ready");
    let (client, url) = (Client::new(), dev.url());
    assert_eq!(client.get(&url).status, 200);
    drop(reqwest::blocking::Client::new().post(&url).json(&serde_json::json!({ "mib": 512 })).send());
    let down = dev.wait_for("down");
    assert!(down["why"].as_str().is_some_and(|why| why.contains("want of memory")), "{down}");
    dev.wait_for("up");
    assert_eq!(client.get(&url).status, 200);
    dev.stop();
}
