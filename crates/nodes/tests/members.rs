//! A membership of many nodes in virtual time.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fleet;

use std::time::Duration;

use fleet::{Fleet, TRIP, Weather};
use nodes::{MembershipPace, is_name};
use proptest::prelude::*;

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
fn three_hundred_that_join_at_once_know_each_other_within_two_minutes() {
    let mut fleet = Fleet::new(300, MembershipPace::Lan);
    (1..300).for_each(|at| fleet.announce(at, 0));
    fleet.run(seconds(120));
    let missing: usize = (0..300).map(|at| 299 - fleet.known(at).len()).sum();
    assert_eq!((missing, fleet.downs.len()), (0, 0));
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

/// Nothing comes through.
const LOST: Weather = Weather { loss: 1.0, jitter: Duration::ZERO };

#[test]
fn a_member_that_hears_that_it_was_taken_for_gone_is_taken_back_although_its_answer_was_lost() {
    let mut fleet = Fleet::whole(2);
    fleet.pause(1);
    while fleet.others_know(1) {
        fleet.run(TRIP);
    }
    // It returns just then, hears that it is gone, and what it says of it does not get through.
    fleet.weather(LOST, 0);
    fleet.start(1);
    fleet.run(seconds(1));
    assert!(!fleet.others_know(1) && !fleet.known(1).is_empty(), "one has the other for gone, who has it for there");
    fleet.weather(Weather::default(), 0);
    fleet.run(seconds(5));
    assert!(fleet.agrees());
}

#[test]
fn two_that_have_each_other_for_gone_find_each_other_without_a_seed() {
    let mut fleet = Fleet::whole(2);
    fleet.cut([0].into());
    fleet.run(seconds(30));
    assert!((0..2).all(|at| fleet.known(at).is_empty()));
    fleet.mend();
    fleet.run(seconds(5));
    assert!(fleet.agrees());
}

#[test]
fn a_node_with_another_address_is_found_there_although_it_told_of_it_in_vain() {
    let mut fleet = Fleet::whole(2);
    fleet.weather(LOST, 0);
    fleet.move_to(1, "127.0.0.1:9999".parse().unwrap());
    fleet.weather(Weather::default(), 0);
    fleet.run(seconds(5));
    assert!(fleet.agrees());
}

#[test]
fn a_node_that_left_asks_nobody_again() {
    let mut fleet = Fleet::whole(2);
    fleet.leave(1);
    fleet.start(1);
    fleet.run(seconds(30));
    assert!(!fleet.others_know(1));
}

proptest! {
    /// Whatever is lost, late or in another order while a member is away and just after, in the end all know all.
    #[test]
    fn a_member_that_was_away_is_one_again_whatever_was_lost_meanwhile(
        count in 2..4usize,
        after in 0..1000u64,
        away in 2000..9000u64,
        bad in 0..4000u64,
        loss in 0.0..=1.0f64,
        jitter in 0..300u64,
        keeps: bool,
        seed: u64,
    ) {
        let milliseconds = Duration::from_millis;
        let mut fleet = Fleet::whole(count);
        fleet.run(milliseconds(after));
        if keeps { fleet.pause(1) } else { fleet.stop(1) }
        fleet.weather(Weather { loss, jitter: milliseconds(jitter) }, seed);
        fleet.run(milliseconds(away));
        fleet.start(1);
        fleet.run(milliseconds(bad));
        fleet.weather(Weather::default(), seed);
        fleet.run(seconds(15));
        prop_assert!(fleet.agrees());
        let downs = fleet.downs.len();
        fleet.run(seconds(10));
        prop_assert!(fleet.agrees());
        prop_assert_eq!(fleet.downs.len(), downs);
    }
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
