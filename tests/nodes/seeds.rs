//! How nodes find each other when those that they asked first are gone.

use std::fs;

use crate::fleet::{APP, Fleet, address};
use crate::load::Caller;

#[test]
fn a_node_that_starts_again_finds_others_by_memory_when_its_seed_is_gone() {
    let mut fleet = Fleet::bare(3);
    fleet.gather();
    // The others came in by the first node, and it does not come back.
    fleet.kill(1);
    fleet.wait("it is known to be down", |fleet| fleet.state(2, 1) == "down" && fleet.state(3, 1) == "down");
    fleet.kill(3);
    fleet.up(3);
    fleet.wait("they know each other", |fleet| fleet.links_up(2) == 1 && fleet.links_up(3) == 1);
}

#[test]
fn a_seed_that_leads_nowhere_is_told_once_and_asked_again_while_the_node_serves() {
    let mut fleet = Fleet::bare(2);
    fleet.gather();
    let pushed = fleet.push(APP);
    assert!(pushed.status.success());
    for at in [1, 2] {
        fleet.kill(at);
        fs::remove_file(fleet.home(at).join("node/members.json")).unwrap();
    }
    let before = fleet.said(1).len();
    fleet.up_with(1, &["--join", "10.45.0.2:7940", "--join", "10.45.0.1.invalid:7940", "--join", "nowhere"]);
    let told = |fleet: &Fleet| fleet.said(1)[before..].to_owned();
    let count = |fleet: &Fleet, seed: &str| told(fleet).matches(&format!("{seed} is asked again")).count();
    fleet.wait("it tells of each", |fleet| {
        ["10.45.0.2:7940", "10.45.0.1.invalid:7940", "nowhere"].iter().all(|seed| count(fleet, seed) > 0)
    });
    fleet.wait("it serves", |_| Caller::new(&address(1)).ask("").is_ok_and(|answer| answer.status == 200));
    // It is found as soon as it is there, by the one that asks again and again: it remembers nobody itself.
    fleet.up(2);
    fleet.wait("they know each other", |fleet| fleet.links_up(1) == 1 && fleet.links_up(2) == 1);
    assert_eq!(count(&fleet, "nowhere"), 1, "{}", told(&fleet));
}
