use balance::StrategyName;

use super::*;
use crate::bundle::BundledService;

pub(crate) const ONE: MemberId = MemberId([1; 16]);
pub(crate) const TWO: MemberId = MemberId([2; 16]);

pub(crate) fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn bundle(change: impl FnOnce(&mut BundledService)) -> Arc<NodeBundle> {
    let mut service = BundledService {
        host: "banner".to_owned(),
        version: "banner@1".to_owned(),
        library: "a".repeat(64),
        schema: "one".to_owned(),
        inputs: Vec::new(),
        route: None,
        needs: Vec::new(),
        env: BTreeMap::new(),
        rate: Some(100.0),
        at_once: None,
        latency_us: None,
        idempotent: false,
        stays: false,
    };
    change(&mut service);
    let services = BTreeMap::from([("banner".to_owned(), service)]);
    Arc::new(NodeBundle { services, ..NodeBundle::new("app", 1) })
}

/// The mind of a node with one neighbour, whose link is up.
pub(crate) fn mind(me: MemberId, other: MemberId, bundle: Arc<NodeBundle>, settings: StrategySettings) -> NodeMind {
    let mut mind = NodeMind::new(me, settings, 85.0);
    let away = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let app = ServedApp { bundle, token: "key".into(), hosts: BTreeMap::new(), away };
    mind.serve(&BTreeMap::from([("app".to_owned(), app)])).expect("a strategy");
    mind.link(vec![link(other, true)]);
    mind
}

fn link(id: MemberId, is_up: bool) -> NeighbourLink {
    NeighbourLink { id, name: format!("n{}", id.0[0]), is_up, rtt: Some(at(1)) }
}

fn offer() -> StrategySettings {
    StrategySettings::new(StrategyName::Offer)
}

/// Users of a second.
pub(crate) fn observe(mind: &mut NodeMind, users: u64) {
    mind.observe("app", "banner", "h", HostLoad::default(), at(1000));
    mind.observe("app", "banner", "h", HostLoad { users, ..HostLoad::default() }, at(2000));
}

/// Hands the reports of one to the other.
pub(crate) fn tell(from: &mut NodeMind, id: MemberId, to: &mut NodeMind, now: Duration) -> usize {
    let reports = from.reports(now);
    for (_, report) in &reports {
        to.hear(id, report.clone(), now);
    }
    reports.len()
}

#[test]
fn two_nodes_offer_each_other_what_their_users_leave_and_a_request_goes_there() {
    let mut one = mind(ONE, TWO, bundle(|_| {}), offer());
    let mut two = mind(TWO, ONE, bundle(|_| {}), offer());
    observe(&mut one, 150);
    assert!(one.away("app", "banner", &[], at(2000)).is_none(), "nothing is known of the other");
    for round in 0..3 {
        let now = at(2000 + 1000 * round);
        tell(&mut one, ONE, &mut two, now);
        tell(&mut two, TWO, &mut one, now);
        one.decide(now, now);
        two.decide(now, now);
    }
    let (told, notices) = one.decide(at(5000), at(5000));
    let (app, service, sharing) = &told[0];
    assert_eq!((app.as_str(), service.as_str(), sharing.limit), ("app", "banner", Some(100.0)));
    assert!(sharing.away.as_deref() == Some("127.0.0.1:1") && notices.is_empty());
    let choice = one.away("app", "banner", &[], at(5000)).expect("the other has room");
    assert_eq!((choice.id, &*choice.name, choice.said), (TWO, "n2", at(1)));
    assert!(one.away("app", "banner", &[TWO], at(5000)).is_none(), "nobody is asked twice");
    assert_eq!(two.takes("app", "banner", ONE, at(5000)), Some(true));
    assert_eq!(two.takes("app", "nothing", ONE, at(5000)), None);
    // One that refuses again and again is left alone.
    for _ in 0..10 {
        one.note("app", "banner", choice.node, AwayOutcomeSeen::Refused, at(5000));
    }
    assert!(one.away("app", "banner", &[], at(5001)).is_none());
    assert!(one.away("app", "banner", &[], at(6001)).is_some());
    // Its link is down: what it said over it counts for nothing any more.
    one.link(vec![link(TWO, false)]);
    one.decide(at(6100), at(6100));
    assert!(one.said(TWO).is_none() && one.away("app", "banner", &[], at(6100)).is_none());
}

#[test]
fn a_report_goes_out_when_something_changed_and_each_second() {
    let mut one = mind(ONE, TWO, bundle(|_| {}), offer());
    one.decide(at(0), at(0));
    let count = |one: &mut NodeMind, now| one.reports(at(now)).len();
    assert_eq!((count(&mut one, 0), count(&mut one, 50), count(&mut one, 950), count(&mut one, 1000)), (1, 0, 0, 1));
    observe(&mut one, 50);
    assert_eq!((count(&mut one, 1050), count(&mut one, 1100)), (1, 0));
    one.link(Vec::new());
    assert_eq!(count(&mut one, 9000), 0);
}

#[test]
fn a_service_that_stays_is_served_for_nobody_else_and_another_version_is_named_as_the_reason() {
    let mut one = mind(ONE, TWO, bundle(|_| {}), offer());
    let mut two = mind(TWO, ONE, bundle(|service| service.schema = "other".to_owned()), offer());
    let stays = mind(ONE, TWO, bundle(|service| service.stays = true), offer()).takes("app", "banner", TWO, at(0));
    assert_eq!(stays, None);
    two.decide(at(0), at(0));
    tell(&mut two, TWO, &mut one, at(0));
    one.decide(at(0), at(0));
    assert!(one.away("app", "banner", &[], at(0)).is_none());
    let shown = one.shown(at(0));
    assert_eq!(shown[0].2.unfit.len(), 1);
    assert!(shown[0].2.unfit[0].1.contains("another version"));
}

#[test]
fn a_strategy_that_goes_by_the_clock_decides_at_its_turns_and_measures_over_them() {
    let settings = StrategySettings { period: at(10_000), ..StrategySettings::new(StrategyName::Static) };
    let mut one = mind(ONE, TWO, bundle(|_| {}), settings);
    one.observe("app", "banner", "h", HostLoad::default(), at(0));
    one.observe("app", "banner", "h", HostLoad { users: 900, ..HostLoad::default() }, at(1000));
    assert_eq!(one.shown(at(1000))[0].2.users, 0.0, "the window is not over");
    one.observe("app", "banner", "h", HostLoad { users: 1000, ..HostLoad::default() }, at(10_000));
    assert_eq!(one.shown(at(10_000))[0].2.users, 100.0);
    one.decide(at(0), at(5000));
    assert_eq!(one.apps["app"].decided, Some(at(5000)));
    one.decide(at(4000), at(9999));
    assert_eq!(one.apps["app"].decided, Some(at(5000)));
    one.decide(at(5000), at(10_000));
    assert_eq!(one.apps["app"].decided, Some(at(10_000)));
}
