//! A membership of many nodes in virtual time.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fleet;

use std::time::Duration;

use fleet::{Fleet, TRIP};
use nodes::{MembershipPace, is_name};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn members_of_a_fleet_know_each_other_whomever_they_asked_first() {
    let mut fleet = Fleet::new(30, MembershipPace::Lan);
    // Each asks the one before it.
    for at in 1..30 {
        fleet.announce(at, at - 1);
        fleet.run(seconds(1));
    }
    fleet.run(seconds(30));
    for at in 0..30 {
        assert_eq!(fleet.known(at).len(), 29, "by {at}");
    }
    assert!(fleet.downs.is_empty(), "{:?}", fleet.downs);
}

#[test]
fn a_member_that_is_gone_is_known_to_be_by_all_of_ten_within_eight_seconds() {
    let mut fleet = Fleet::whole(10);
    fleet.stop(3);
    let begun = fleet.now();
    while fleet.others_know(3) && fleet.now() < begun + seconds(60) {
        fleet.run(TRIP);
    }
    assert!(fleet.now() - begun <= seconds(8), "{:?}", fleet.now() - begun);
    // It comes back by itself, under the same id.
    fleet.start(3);
    fleet.run(seconds(15));
    assert!((0..10).all(|at| fleet.known(at).len() == 9));
}

#[test]
fn one_that_says_goodbye_is_gone_at_once() {
    let mut fleet = Fleet::whole(10);
    fleet.leave(4);
    fleet.run(seconds(3));
    assert!(!fleet.others_know(4));
}

#[test]
fn two_halves_of_a_fleet_are_one_within_ten_seconds_and_nobody_is_in_it_twice() {
    let mut fleet = Fleet::whole(10);
    fleet.cut((0..5).collect());
    fleet.run(seconds(30));
    assert!((0..10).all(|at| fleet.known(at).len() == 4), "both halves go on");
    fleet.mend();
    let begun = fleet.now();
    while !fleet.is_whole() && fleet.now() < begun + seconds(60) {
        fleet.run(TRIP);
    }
    assert!(fleet.now() - begun <= seconds(10), "{:?}", fleet.now() - begun);
    for at in 0..10 {
        let mut ids: Vec<_> = fleet.known(at).into_iter().map(|member| member.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 9);
    }
}

#[test]
fn a_node_with_another_address_is_found_there() {
    let mut fleet = Fleet::whole(6);
    let address = "127.0.0.1:9999".parse().unwrap();
    fleet.move_to(2, address);
    fleet.run(seconds(10));
    for at in [0, 1, 3, 4, 5] {
        let known = fleet.known(at);
        let moved = known.iter().find(|member| member.name == "n2").unwrap();
        assert_eq!(moved.address, address);
        assert_eq!(known.len(), 5);
    }
}

#[test]
fn what_is_no_message_changes_nothing() {
    let mut fleet = Fleet::whole(3);
    for bytes in [&b""[..], b"x", &[0xff; 4000], &[0; 40]] {
        fleet.inject(0, bytes);
    }
    fleet.run(seconds(5));
    assert!(fleet.is_whole());
}

#[test]
fn a_membership_of_a_hundred_takes_less_than_a_kilobyte_a_second_of_each() {
    let bytes = |count: usize| {
        let mut fleet = Fleet::whole(count);
        fleet.run(seconds(20));
        let before = fleet.bytes;
        fleet.run(seconds(20));
        (fleet.bytes - before) as f64 / 20.0 / count as f64
    };
    let (few, many) = (bytes(10), bytes(100));
    // What grows is the list that a member is asked for every 30 s.
    assert!(few < 500.0 && many < 1_000.0, "{few} and {many} bytes a second");
}

#[test]
fn names_of_nodes_are_dns_labels() {
    for (name, is) in
        [("edge-1", true), ("a", true), ("", false), ("-a", false), ("a-", false), ("A", false), ("a.b", false)]
    {
        assert_eq!(is_name(name), is, "{name}");
    }
    assert!(is_name(&"a".repeat(63)) && !is_name(&"a".repeat(64)));
}
