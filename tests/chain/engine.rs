//! A Docker engine that goes away, comes back, runs out of subnets, or does what it is told behind our back.
//!
//! What would disturb other containers of this machine is done to an engine of the test's own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::disk::Disk;
use support::engine::Engine;
use support::hosts::{kill, serving};
use support::session::{Client, Dev};
use support::{app, dyn_command};

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
    let (client, url) = (Client::default(), dev.url());
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
    // Those that wait to replay are no services.
    assert_eq!(engine.docker(&["ps", "-aq", "--filter", "label=dyninka.service"]).1.lines().count(), 2);
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
fn an_engine_whose_containers_have_users_of_their_own_runs_services_that_call_each_other_by_tcp() {
    let engine = Engine::start_remapped();
    let (_folder, file) = app(TINY);
    let mut dev = engine.dev(&file);
    dev.ready = dev.wait_for("ready");
    let told = |event: &&serde_json::Value| {
        event["message"].as_str().is_some_and(|message| {
            message.contains("by TCP, not by unix sockets") && message.contains("users of their own")
        })
    };
    assert_eq!(dev.seen().iter().filter(told).count(), 1, "{:?}", dev.seen());
    let output = support::run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(status["transport"]["by"], "tcp");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "2");
    std::fs::write(&file, TINY.replace("value * 2", "value * 3")).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "3");
    let container = engine.docker(&["ps", "-q", "--filter", "label=dyninka.service=one"]).1;
    assert!(engine.docker(&["kill", container.trim()]).0);
    dev.wait_for("up");
    assert_eq!(client.get(&url).body, "3");
    dev.stop();
    assert_eq!(engine.docker(&["ps", "-aq"]).1, "");
}

#[test]
fn a_paused_or_removed_container_is_seen_and_runs_again() {
    let (_folder, file) = app(TINY);
    let mut dev = Dev::start(&file, "docker");
    let (client, url) = (Client::default(), dev.url());
    for verb in [&["pause"][..], &["rm", "-f"]] {
        let container = &serving("docker", &file)[0];
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
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).status, 200);
    drop(reqwest::blocking::Client::new().post(&url).json(&serde_json::json!({ "mib": 512 })).send());
    let down = dev.wait_for("down");
    assert!(down["why"].as_str().is_some_and(|why| why.contains("want of memory")), "{down}");
    dev.wait_for("up");
    assert_eq!(client.get(&url).status, 200);
    dev.stop();
}

/// The folder that holds everything a session writes.
fn home() -> PathBuf {
    let command = dyn_command();
    let home = command.get_envs().find(|(name, _)| *name == "DYNINKA_HOME").and_then(|(_, value)| value);
    PathBuf::from(home.expect("a home"))
}

#[test]
fn an_engine_that_sees_no_file_of_ours_is_brought_what_it_runs() {
    let home = home();
    std::fs::create_dir_all(&home).expect("a home");
    let engine = Engine::start_remote(&home);
    let (_folder, file) = app(&TINY.replace("value * 2", "{ panicking(value); value * 2 }").replace(
        "#[dyninka::main]",
        "#[placed(double)] static SEEN: Placed<u32> = Placed::new(u32::default);
fn panicking(_: u32) { SEEN.update(|seen| *seen += 1); }
#[dyninka::main]",
    ));
    let mut dev = engine.dev(&file);
    dev.wait_until("why libraries are carried", |event| {
        event["event"] == "notice"
            && event["message"].as_str().is_some_and(|message| message.contains("sees no file of this machine"))
    });
    dev.ready = dev.wait_for("ready");
    let is_by_tcp = |event: &&serde_json::Value| {
        event["message"].as_str().is_some_and(|message| message.contains("by TCP, not by unix sockets"))
    };
    assert_eq!(dev.seen().iter().filter(is_by_tcp).count(), 1, "no socket of this machine is there");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "2");
    // Edits are taken over in place, state kept.
    let text = std::fs::read_to_string(&file).expect("the app");
    for factor in 3..6 {
        std::fs::write(&file, text.replace("value * 2", &format!("value * {factor}"))).expect("a save");
        let live = dev.wait_for("live");
        assert_eq!(live["services"][0]["state"]["SEEN"]["how"], "kept", "{live}");
        assert_eq!(client.get(&url).body, factor.to_string());
    }
    // Libraries that nobody comes back with take no room on the engine.
    let containers = engine.docker(&["ps", "-q", "--filter", "label=dyninka.service=double"]).1;
    let copy = engine.path("copy");
    let copied = engine.docker(&["cp", &format!("{}:/dyninka", containers.trim()), &copy.display().to_string()]);
    assert!(copied.0);
    let sizes: Vec<u64> = std::fs::read_dir(&copy)
        .expect("what was carried")
        .map(|entry| entry.expect("a file"))
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("lib-"))
        .map(|entry| entry.metadata().expect("a size").len())
        .collect();
    assert!(sizes.len() >= 4 && sizes.iter().filter(|size| **size > 0).count() <= 2, "{sizes:?}");
    // One that is killed comes back with the latest code, and one that is removed gets all of it again.
    for verb in [&["kill"][..], &["rm", "-f"]] {
        let container = engine.docker(&["ps", "-q", "--filter", "label=dyninka.service=double"]).1;
        assert!(engine.docker(&[verb, &[container.trim()]].concat()).0);
        dev.wait_for("down");
        dev.wait_for("up");
        assert_eq!(client.get(&url).body, "5");
    }
    dev.stop();
    assert_eq!(engine.docker(&["ps", "-aq"]).1, "");
    assert_eq!(engine.docker(&["volume", "ls", "-q"]).1, "");
    assert!(!engine.docker(&["network", "ls"]).1.contains("dyninka"));
}
