//! What an agent measures, tells and decides, and where it sends requests.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use balance::{
    Decision, LimitIn, NodeId, NodeWatts, Recipient, ServiceId, Sharing, SharingMode, StrategyName, StrategySettings,
};
use nodes::{AwayWays, GuestLimits, LoadReport, NodeBook, OwnService, SentPace, ServiceMeter};
use proptest::prelude::*;
use protocol::{AdmissionMode, HostLoad};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

const F: ServiceId = ServiceId(0);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn counted(users: u64, guests: u64, away: u64, cpu_ns: u64) -> HostLoad {
    HostLoad { users, guests, away, cpu_ns, p50_ns: 140_000, ..HostLoad::default() }
}

#[test]
fn rates_are_means_over_the_whole_time_between_two_answers() {
    let mut meter = ServiceMeter::default();
    meter.observe("a", seconds(10.0), counted(1000, 0, 0, 0));
    assert_eq!(meter.load().users, 0.0);
    // 3,000 in a minute, though none of them in its last second.
    meter.observe("a", seconds(70.0), counted(4000, 600, 300, 33_000_000_000));
    let load = meter.load();
    assert_eq!((load.users, load.guests, load.away, load.served), (50.0, 10.0, 5.0, 55.0));
    assert_eq!(load.p50, Duration::from_micros(140));
    // 33 s of CPU for 3,300 requests: a hundredth of a second each.
    assert!((meter.cost().unwrap().cpu - 1.0).abs() < 1e-9);
    meter.observe("b", seconds(70.0), counted(0, 0, 0, 0));
    meter.observe("b", seconds(71.0), counted(7, 0, 0, 0));
    assert_eq!((meter.load().users, meter.hosts()), (57.0, 2));
    meter.remove("b");
    assert_eq!((meter.load().users, meter.hosts()), (50.0, 1));
}

#[test]
fn a_host_that_was_started_anew_brings_no_rate_that_never_was() {
    let mut meter = ServiceMeter::default();
    meter.observe("a", seconds(1.0), counted(1000, 0, 0, 9));
    meter.observe("a", seconds(2.0), counted(10, 0, 0, 1));
    assert_eq!(meter.load().users, 0.0);
    meter.observe("a", seconds(3.0), counted(30, 0, 0, 2));
    assert_eq!(meter.load().users, 20.0);
    // Two answers at one time are one.
    meter.observe("a", seconds(3.0), counted(40, 0, 0, 2));
    assert_eq!(meter.load().users, 20.0);
    // Too few requests to say what one costs.
    assert_eq!(meter.cost(), None);
}

#[test]
fn what_went_to_a_node_is_counted_by_whole_seconds() {
    let mut pace = SentPace::default();
    assert_eq!(pace.rate(seconds(0.0)), 0.0);
    (0..30).for_each(|at| pace.add(seconds(7.0 + f64::from(at) / 40.0)));
    assert_eq!(pace.rate(seconds(7.9)), 0.0, "the second is not over");
    assert_eq!(pace.rate(seconds(8.0)), 30.0);
    (0..10).for_each(|_| pace.add(seconds(8.5)));
    assert_eq!((pace.rate(seconds(8.9)), pace.rate(seconds(9.5))), (30.0, 10.0));
    assert_eq!(pace.rate(seconds(10.0)), 0.0, "a second without any");
    pace.add(seconds(12.0));
    assert_eq!((pace.rate(seconds(12.1)), pace.rate(seconds(13.0))), (0.0, 1.0));
}

fn book(me: u32, limit: f64, needs: &[&str]) -> NodeBook {
    let own = OwnService {
        schema: "one".to_owned(),
        limit: Some(limit),
        needs: needs.iter().map(|name| (*name).to_owned()).collect(),
        ..OwnService::default()
    };
    let get = OwnService { schema: "get".to_owned(), ..OwnService::default() };
    NodeBook::new(NodeId(me), "app", BTreeMap::from([("f".to_owned(), own), ("get".to_owned(), get)]), 170.0)
}

/// Users of a second at the service `f`.
fn measure(book: &mut NodeBook, users: u64) {
    let meter = &mut book.service("f").unwrap().meter;
    meter.observe("a", seconds(1.0), counted(0, 0, 0, 0));
    meter.observe("a", seconds(2.0), counted(users, 0, 0, 0));
}

#[test]
fn what_a_node_reports_is_what_its_neighbour_sees() {
    let (mut one, mut two) = (book(1, 200.0, &["get"]), book(2, 450.0, &["get"]));
    measure(&mut one, 350);
    one.link(NodeId(2), "two", true, None);
    two.link(NodeId(1), "one", true, Some(Duration::from_millis(4)));
    let offer = LimitIn { service: F, node: NodeId(2), rate: 12.5, is_hard: false };
    let report = one.report(NodeId(2), &[offer], 20.0);
    let bytes = serde_json::to_vec(&report).unwrap();
    assert!(two.hear(NodeId(1), LoadReport::read(&bytes).unwrap(), seconds(5.0)));
    assert!(!two.hear(NodeId(1), report.clone(), seconds(6.0)), "the same report again");
    assert!(!two.hear(NodeId(9), report, seconds(6.0)), "of nobody known");
    let view = two.view(seconds(7.0));
    let (neighbour, load) = view.servers(F).next().unwrap();
    assert_eq!((neighbour.age, neighbour.rtt, neighbour.margin), (seconds(2.0), Some(Duration::from_millis(4)), 20.0));
    assert_eq!((load.limit, load.users, load.need, load.offer), (Some(200.0), 350.0, 150.0, 12.5));
    two.link(NodeId(1), "one", false, None);
    assert_eq!(two.view(seconds(7.0)).servers(F).count(), 0, "its link is down");
    two.forget(NodeId(1));
    assert!(two.view(seconds(7.0)).neighbours.is_empty());
}

#[test]
fn nobody_is_asked_that_has_another_schema_or_lacks_what_a_request_needs() {
    let serves = |change: &dyn Fn(&mut LoadReport)| {
        let (mut one, mut two) = (book(1, 200.0, &["get"]), book(2, 450.0, &["get"]));
        two.link(NodeId(1), "one", true, None);
        let mut report = one.report(NodeId(2), &[], 0.0);
        change(&mut report);
        two.hear(NodeId(1), report, seconds(5.0));
        two.view(seconds(5.0)).servers(F).count()
    };
    assert_eq!(serves(&|_| {}), 1);
    let services = |report: &mut LoadReport| report.apps.get_mut("app").unwrap().clone();
    assert_eq!(serves(&|report| report.apps.get_mut("app").unwrap().get_mut("f").unwrap().schema.push('x')), 0);
    assert_eq!(serves(&|report| drop(report.apps.get_mut("app").unwrap().remove("get"))), 0);
    assert_eq!(serves(&|report| report.apps = BTreeMap::from([("other".to_owned(), services(report))])), 0);
}

#[test]
fn hosts_are_told_their_part_of_what_was_decided() {
    let mut one = book(1, 200.0, &[]);
    measure(&mut one, 350);
    one.service("f").unwrap().meter.observe("b", seconds(2.0), counted(0, 0, 0, 0));
    let told = |decision: &Decision| one.host_sharing(F, decision, "127.0.0.1:7941").unwrap();
    let share = |mode, to| Decision {
        shares: Some(vec![Sharing { service: F, mode, to, tries: 3, beyond: Vec::new() }]),
        ..Decision::default()
    };
    let to = vec![Recipient { node: NodeId(2), weight: 30.0, pace: None }];
    let spill = told(&share(SharingMode::Spill, to.clone()));
    assert_eq!(
        (spill.limit, spill.mode, spill.away.as_deref()),
        (Some(100.0), AdmissionMode::Spill, Some("127.0.0.1:7941"))
    );
    assert_eq!(told(&share(SharingMode::Spill, Vec::new())).away, None);
    let split = told(&share(SharingMode::Split { local: 60.0, reject: 30.0 }, to));
    assert_eq!(split.mode, AdmissionMode::Split { local: 50.0, reject: 25.0 });
    assert_eq!(split.check(), Ok(()));
    assert_eq!(one.host_sharing(ServiceId(9), &Decision::default(), ""), None);
    assert_eq!((one.id("get"), one.id("nobody")), (Some(ServiceId(1)), None));
}

#[test]
fn offers_of_one_node_are_the_pace_of_another() {
    let (mut one, mut two) = (book(1, 200.0, &[]), book(2, 450.0, &[]));
    measure(&mut one, 350);
    measure(&mut two, 100);
    one.link(NodeId(2), "two", true, None);
    two.link(NodeId(1), "one", true, None);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut decide = |book: &NodeBook| {
        let mut offer = StrategySettings::new(StrategyName::Offer).build(None).unwrap();
        offer.decide(&book.view(seconds(2.0)), seconds(2.0), &mut random)
    };
    two.hear(NodeId(1), one.report(NodeId(2), &[], 0.0), seconds(2.0));
    let of_two = decide(&two).limits_in.unwrap();
    one.hear(NodeId(2), two.report(NodeId(1), &of_two, 0.0), seconds(2.0));
    let of_one = decide(&one).shares.unwrap();
    // 450 - 1.1 * 100, all of it for the only neighbour.
    assert!((of_one[0].to[0].pace.unwrap() - 340.0).abs() < 1e-9);
    assert_eq!(of_one[0].beyond, [NodeId(2)]);
}

/// Users of a second at the service `f`, each of whom takes 10 ms of CPU.
fn work(book: &mut NodeBook, users: u64) {
    let meter = &mut book.service("f").unwrap().meter;
    meter.observe("a", seconds(1.0), counted(0, 0, 0, 0));
    meter.observe("a", seconds(2.0), counted(users, 0, 0, users * 10_000_000));
}

/// What two nodes decide that told each other of their loads: the margin of the second, and what the first keeps, in percent.
fn margins(name: StrategyName, [one, two]: [NodeBook; 2]) -> (f64, Option<f64>) {
    let (mut one, mut two) = (one, two);
    one.link(NodeId(2), "two", true, None);
    two.link(NodeId(1), "one", true, None);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut decide = |book: &NodeBook| {
        let mut strategy = StrategySettings::new(name).build(None).unwrap();
        strategy.decide(&book.view(seconds(2.0)), seconds(2.0), &mut random)
    };
    two.hear(NodeId(1), one.report(NodeId(2), &[], 0.0), seconds(2.0));
    let margin = decide(&two).margin;
    let report = serde_json::to_vec(&two.report(NodeId(1), &[], margin)).unwrap();
    one.hear(NodeId(2), LoadReport::read(&report).unwrap(), seconds(2.0));
    let shares = decide(&one).shares.unwrap();
    let kept = shares.iter().find(|sharing| sharing.service == F).map(|sharing| sharing.mode);
    let SharingMode::Split { local, .. } = kept.unwrap() else { return (margin, None) };
    (margin, Some(local))
}

#[test]
fn power_is_saved_where_the_machine_takes_more_than_its_part() {
    let watts = NodeWatts::new(20.0, 100.0);
    let busy = |watts: Option<NodeWatts>| {
        let (mut one, mut two) = (book(1, 1e6, &[]).with_watts(watts), book(2, 1e6, &[]).with_watts(watts));
        // 140 % of a core of 170: 85.9 W, above 70. The other one: 20 W.
        work(&mut one, 140);
        measure(&mut two, 1);
        [one, two]
    };
    let (margin, kept) = margins(StrategyName::PowerSaving, busy(watts));
    assert!((margin - (100.0 - 100.0 * 20.0 / 70.0)).abs() < 0.01, "{margin}");
    // 70 W are 106.25 % of a core: 76 of 140.
    assert!(kept.is_some_and(|kept| (74.0..=76.0).contains(&kept)), "{kept:?}");
    // The CPU alone fits.
    assert_eq!(margins(StrategyName::NodeMargin, busy(None)).1, Some(100.0));
}

#[test]
fn no_more_goes_to_a_neighbour_than_the_cpu_that_it_said_covers() {
    let (mut one, mut two) = (book(1, 1e6, &[]), book(2, 1e6, &[]));
    // 300 % of a core where 170 are allowed, beside a neighbour that uses 136 of its 170.
    work(&mut one, 300);
    work(&mut two, 136);
    let (margin, kept) = margins(StrategyName::NodeMargin, [one, two]);
    assert!((margin - 20.0).abs() < 0.01, "{margin}");
    // The margin covers 34 % of a core: 34 of 300 go, and what is left does not fit.
    assert!(kept.is_some_and(|kept| (88.0..=90.0).contains(&kept)), "{kept:?}");
}

fn ways(to: &[(u32, f64, Option<f64>)], beyond: &[u32], tries: u8) -> AwayWays {
    let to = to.iter().map(|(node, weight, pace)| Recipient { node: NodeId(*node), weight: *weight, pace: *pace });
    let beyond = beyond.iter().map(|node| NodeId(*node)).collect();
    AwayWays::new(Sharing { service: F, mode: SharingMode::Spill, to: to.collect(), tries, beyond }, Duration::ZERO)
}

#[test]
fn requests_go_by_weight_and_at_the_pace_of_offers_and_then_beyond_them() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut by_weight = ways(&[(1, 0.75, None), (2, 0.25, None)], &[], 3);
    let first = (0..4000).filter(|_| by_weight.next(&[], 0, Duration::ZERO, &mut random) == Some(NodeId(1))).count();
    assert!(first.abs_diff(3000) < 150, "{first}");
    // A tenth of a second's tokens are there at once: 10 and 2.
    let mut paced = ways(&[(1, 0.5, Some(100.0)), (2, 0.5, Some(20.0))], &[2], 3);
    let mut count = |paced: &mut AwayWays, now| {
        let asked: Vec<_> = (0..20).map(|_| paced.next(&[], 0, now, &mut random).unwrap().0).collect();
        (asked.iter().filter(|node| **node == 1).count(), asked.iter().filter(|node| **node == 2).count())
    };
    assert_eq!(count(&mut paced, Duration::ZERO), (10, 10), "8 of them beyond the second's offer");
    assert_eq!(count(&mut paced, Duration::from_millis(50)), (5, 15));
    let none =
        ways(&[(1, 0.5, Some(0.0))], &[], 3).next(&[], 0, Duration::ZERO, &mut Xoshiro256PlusPlus::seed_from_u64(1));
    assert_eq!(none, None);
}

#[test]
fn guests_are_taken_up_to_a_hard_limit_and_by_their_hosts_otherwise() {
    let (now, mut guests) = (Duration::ZERO, GuestLimits::default());
    assert!(guests.takes(F, NodeId(1), now), "nothing was decided yet");
    let limit = |node, rate, is_hard| LimitIn { service: F, node: NodeId(node), rate, is_hard };
    guests.tell(&[limit(1, 30.0, true), limit(2, 0.0, false)], now);
    let taken = |guests: &mut GuestLimits, node, now| (0..10).filter(|_| guests.takes(F, NodeId(node), now)).count();
    assert_eq!((taken(&mut guests, 1, now), taken(&mut guests, 2, now), taken(&mut guests, 3, now)), (3, 10, 0));
    // Limits that are told again give nothing anew, and those that are cut hold at once.
    guests.tell(&[limit(1, 30.0, true)], now);
    assert_eq!((taken(&mut guests, 1, now), taken(&mut guests, 2, now)), (0, 0));
    assert_eq!(taken(&mut guests, 1, Duration::from_millis(50)), 1);
    guests.tell(&[limit(1, 0.0, true)], Duration::from_secs(9));
    assert_eq!(taken(&mut guests, 1, Duration::from_secs(10)), 0);
}

proptest! {
    #[test]
    fn a_request_is_asked_of_nobody_twice_and_of_no_more_than_it_may(
        to in prop::collection::btree_map(0..8u32, (0.0..1.0f64, prop::option::of(0.0..50.0f64)), 0..8),
        beyond in prop::collection::vec(0..8u32, 0..4), tries in 0..5u8, seed in any::<u64>()
    ) {
        let to: Vec<_> = to.into_iter().map(|(node, (weight, pace))| (node, weight, pace)).collect();
        let mut ways = ways(&to, &beyond, tries);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut tried = Vec::new();
        while let Some(node) = ways.next(&tried, tried.len(), Duration::ZERO, &mut random) {
            prop_assert!(!tried.contains(&node));
            prop_assert!(to.iter().any(|(known, ..)| *known == node.0) || beyond.contains(&node.0));
            tried.push(node);
        }
        prop_assert!(tried.len() <= tries.into());
    }

    #[test]
    fn no_pace_is_exceeded_while_nobody_is_asked_beyond_it(pace in 1.0..500.0f64, seed in any::<u64>()) {
        let mut ways = ways(&[(1, 1.0, Some(pace))], &[], 3);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let asked = (0..4000u64).filter(|ms| ways.next(&[], 0, Duration::from_millis(*ms / 2), &mut random).is_some()).count();
        prop_assert!(asked as f64 <= pace.mul_add(2.0, (pace * 0.1).max(1.0)) + 1.0, "{asked} at {pace}");
        prop_assert!(asked as f64 >= (pace * 2.0).min(1900.0) * 0.9 - 2.0, "{asked} at {pace}");
    }
}
