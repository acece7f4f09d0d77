//! Services that are killed or go wrong by themselves.

use std::path::Path;
use std::time::Duration;

use super::chain::Chain;
use super::load::{Fate, Load};
use support::disk::Disk;
use support::hosts::{docker, kill, signal, stop};
use support::session::Client;

support::on_both_backends!(
    the_first_is_killed,
    the_middle_is_killed,
    the_last_is_killed,
    the_middle_ends_itself,
    the_middle_is_stopped,
    the_middle_is_slow,
    the_middle_takes_all_memory,
    the_middle_fills_its_disk,
    an_edit_is_not_blamed_for_what_somebody_kills,
);

/// Longer than any answer takes on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(20);
/// What a caller is told of a service that is not there, and of one that was cut off.
const AWAY: &[(u16, &str)] = &[(502, "unreachable"), (503, "not-ready")];

fn the_first_is_killed(on: &str) {
    killed(on, "enter");
}

fn the_middle_is_killed(on: &str) {
    killed(on, "middle");
}

fn the_last_is_killed(on: &str) {
    killed(on, "leave");
}

fn killed(on: &str, service: &str) {
    let mut chain = Chain::start(on);
    let load = Load::start(&chain.dev.url(), DEADLINE);
    for _ in 0..2 {
        kill(on, &chain.file, service);
        chain.dev.wait_until("down", |event| event["event"] == "down" && event["service"] == service);
        chain.dev.wait_until("up", |event| event["event"] == "up" && event["service"] == service);
        load.until_steady();
    }
    chain.account(&load.end(), service, AWAY);
}

fn the_middle_ends_itself(on: &str) {
    let mut chain = Chain::start(on);
    let load = Load::start(&chain.dev.url(), DEADLINE);
    chain.set_mode("abort");
    chain.dev.wait_for("down");
    chain.dev.wait_for("up");
    load.until_steady();
    assert!(chain.account(&load.end(), "middle", AWAY) > 0);
}

fn the_middle_is_stopped(on: &str) {
    goes_on(on, "stopped", |file| stop(on, file, "middle"));
}

#[test]
fn the_middle_is_paused() {
    goes_on("docker", "paused", |file| docker(file, "middle", &["pause"]));
}

/// What was begun goes on where it was stopped: nothing is lost, and nothing starts anew.
fn goes_on(on: &str, word: &str, stop: impl FnOnce(&Path)) {
    let mut chain = Chain::start(on);
    let load = Load::start(&chain.dev.url(), DEADLINE);
    stop(&chain.file);
    let down = chain.dev.wait_for("down");
    assert!(down["why"].as_str().is_some_and(|why| why.contains(word)), "{down}");
    assert_eq!(chain.dev.wait_for("up")["anew"], false);
    load.until_steady();
    assert_eq!(chain.account(&load.end(), "middle", &[]), 0);
}

/// Three ends within a minute of an edit would be its own fault.
fn an_edit_is_not_blamed_for_what_somebody_kills(on: &str) {
    let mut chain = Chain::start(on);
    let edited = std::fs::read_to_string(&chain.file).expect("the app").replace("value + 1", "value + 2");
    std::fs::write(&chain.file, edited).expect("an edit");
    chain.dev.wait_for("live");
    for kill_by in ["KILL", "TERM", "KILL", "TERM"] {
        match on {
            "docker" => docker(&chain.file, "leave", &["kill", "--signal", kill_by]),
            _ => signal(&chain.file, "leave", kill_by),
        }
        chain.dev.wait_for("down");
        chain.dev.wait_for("up");
    }
    assert!(!chain.dev.has_told("rolled_back"), "{:#?}", chain.dev.seen());
    let answer = Client::default().get_with(&chain.dev.url_of("leave"), &[("dyninka-route", "middle(enter(20))")]);
    assert_eq!(answer.body, "42");
    chain.dev.stop();
}

fn the_middle_is_slow(on: &str) {
    let chain = Chain::start(on);
    let load = Load::start(&chain.dev.url(), Duration::from_secs(2));
    chain.set_mode("slow 4000");
    load.until_told("deadline that passed", |fate| matches!(fate, Fate::Problem { status: 504, .. }));
    chain.set_mode("");
    load.until_steady();
    assert!(chain.account(&load.end(), "middle", &[(504, "deadline")]) > 0);
}

fn the_middle_takes_all_memory(on: &str) {
    let mut chain = Chain::start(on);
    let load = Load::start(&chain.dev.url(), DEADLINE);
    chain.set_mode("eat");
    chain.dev.wait_for("down");
    chain.dev.wait_for("up");
    load.until_steady();
    assert!(chain.account(&load.end(), "middle", AWAY) > 0);
}

fn the_middle_fills_its_disk(on: &str) {
    let chain = Chain::start(on);
    let load = Load::start(&chain.dev.url(), DEADLINE);
    // A container has a disk of its own for this; a process is given one.
    let disk = (on == "process").then(|| Disk::new("2m"));
    let path =
        disk.as_ref().map_or_else(|| "/tmp/filled".to_owned(), |disk| disk.path().join("filled").display().to_string());
    chain.set_mode(&format!("fill {path}"));
    let is_full =
        |fate: &Fate| matches!(fate, Fate::Problem { detail, .. } if detail.contains("No space left on device"));
    load.until_told("full disk", is_full);
    chain.set_mode("");
    load.until_steady();
    assert!(chain.account(&load.end(), "middle", &[(500, "failed")]) > 0);
}
