use std::collections::BTreeMap;
use std::sync::Arc;

use local_cluster::Doer;
use session_api::Report;

use crate::effect::Effect;
use crate::environment::Environments;
use crate::event::{Event, Regroup};
use crate::placement::{Figures, Regrouping, Together};
use crate::state::tests::{CHAIN, World, at, read};

fn asked(number: u64, wanted: Regrouping, services: &[&str]) -> Event {
    let services = services.iter().map(|&service| service.to_owned()).collect();
    Event::Asked(Regroup { number, wanted, services, reset: false, why: "it was asked for".to_owned() })
}

fn fuse(number: u64) -> Event {
    asked(number, Regrouping::Fuse, &["get", "map"])
}

fn split(number: u64) -> Event {
    asked(number, Regrouping::Split, &["map"])
}

fn serving_together() -> World {
    let mut world = World::new();
    let environments = Arc::new(Environments { together: Together::All, ..Environments::default() });
    world.happens(Event::Loaded { edit: 0, app: read(CHAIN), diagnostics: Vec::new(), environments });
    assert!(world.state.ready);
    world.asked.clear();
    world
}

fn hosts(world: &World) -> Vec<(String, usize)> {
    let picture = world.state.picture(at(world.now));
    picture.hosts.iter().map(|host| (host.name.clone(), host.services.len())).collect()
}

fn moved(world: &World) -> Vec<(&str, &str, &str)> {
    let moved = world.reports.iter().filter_map(|report| match report {
        Report::Moved { service, from, to, .. } => Some((service.as_str(), from.as_str(), to.as_str())),
        _ => None,
    });
    moved.collect()
}

#[test]
fn a_service_is_carried_then_told_of_and_then_leaves_and_who_asked_is_answered_last() {
    let mut world = World::serving(CHAIN);
    world.happens(fuse(1));
    // The one that moved opens the public listener before others are told anything.
    assert_eq!(world.steps(), ["carry map>get", "tell map", "tell get", "depart map<map", "settled 1"]);
    assert_eq!((hosts(&world), moved(&world)), (vec![("get".to_owned(), 2)], vec![("map", "map", "get")]));
    let picture = world.state.picture(at(world.now));
    assert!(picture.edges.iter().all(|edge| edge.within), "{:?}", picture.edges);
    world.asked.clear();
    world.happens(split(2));
    assert_eq!(world.steps(), ["carry map>map", "tell map", "tell get", "depart map<get", "settled 2"]);
    assert_eq!(hosts(&world), [("get".to_owned(), 1), ("map".to_owned(), 1)]);
}

#[test]
fn where_it_listens_now_is_what_everybody_is_told() {
    let mut world = World::serving(CHAIN);
    world.happens(fuse(1));
    let told = world.asked.iter().rev().find_map(|effect| match effect {
        Effect::Tell { config, .. } if config.service == "get" => Some(config.peers["map"].address.clone()),
        _ => None,
    });
    let here = world.state.address("map").map(|at| at.to_string());
    assert!(here.is_some() && told == here, "{told:?} {here:?}");
}

#[test]
fn moves_are_made_in_turn_and_one_that_is_made_already_says_so() {
    let mut world = World::serving(CHAIN);
    world.carry = false;
    world.happens(fuse(1));
    world.happens(fuse(2));
    world.happens(split(3));
    assert_eq!(world.steps(), ["carry map>get", "refused 3: map has a host to itself already"]);
    let answer = carried(&world);
    world.carry = true;
    world.happens(answer);
    let steps = world.steps();
    assert_eq!(steps[steps.len() - 2..], ["settled 1", "refused 2: get, map run in one host already"], "{steps:?}");
}

/// What the world says of the last services that were to be carried.
fn carried(world: &World) -> Event {
    let last = world.asked.iter().rev().find_map(|effect| match effect {
        Effect::Carry { carries, .. } => Some(carries.clone()),
        _ => None,
    });
    let carried = last.expect("services are carried").into_iter().map(|carry| crate::event::Carried {
        service: carry.going.place.service.clone(),
        endpoint: carry.before.clone(),
        to: carry.going.place.group.clone(),
        config: carry.going.config.clone(),
        states: Default::default(),
        ms: Default::default(),
        trouble: None,
    });
    Event::Carried { carried: carried.collect(), stayed: None }
}

#[test]
fn who_cannot_move_is_told_why_at_once_and_nothing_is_done() {
    let mut world = World::serving(CHAIN);
    let refused = [
        (asked(1, Regrouping::Fuse, &["get"]), "a group has two services at least"),
        (asked(2, Regrouping::Fuse, &["get", "get"]), "get is named twice: a service has one host"),
        (asked(3, Regrouping::Fuse, &["get", "no"]), "no service is called no; there are get, map"),
        (asked(4, Regrouping::Split, &["map"]), "map has a host to itself already"),
    ];
    for (number, (event, why)) in (1..).zip(refused) {
        world.asked.clear();
        world.happens(event);
        assert_eq!(world.steps(), [format!("refused {number}: {why}")]);
    }
    world.asked.clear();
    let down = Event::Down { service: "map".to_owned(), why: "it was killed".to_owned(), by: Doer::Others };
    world.happens(down);
    world.happens(fuse(5));
    assert_eq!(world.steps(), ["refused 5: map does not answer at the moment"]);
}

#[test]
fn a_service_that_stays_is_told_with_its_reason_and_serves_where_it_was() {
    let mut world = World::serving(CHAIN);
    world.carry = false;
    world.happens(fuse(1));
    let stayed = Some(("map".to_owned(), "AVERAGE does not serialise".to_owned()));
    world.happens(Event::Carried { carried: Vec::new(), stayed });
    assert_eq!(
        world.steps(),
        ["carry map>get", "depart ", "refused 1: map stays where it is: AVERAGE does not serialise"]
    );
    assert_eq!(hosts(&world).len(), 2);
    let told =
        world.reports.iter().any(|report| matches!(report, Report::Stayed { services, .. } if services == &["map"]));
    assert!(told, "{:?}", world.reports);
}

#[test]
fn code_that_is_built_meanwhile_is_taken_over_once_its_service_is_there() {
    let mut world = World::serving(CHAIN);
    world.carry = false;
    world.happens(fuse(1));
    world.save(&CHAIN.replace("* 2.0", "* 3.0"));
    assert_eq!(world.steps(), ["carry map>get", "build map"]);
    let answer = carried(&world);
    world.happens(answer);
    let steps = world.steps();
    assert!(
        steps.contains(&"swap map".to_owned()) && steps.last().is_some_and(|last| last == "settled 1"),
        "{steps:?}"
    );
    assert_eq!(world.live(), Some((vec![("map", "its function changed")], vec![], false)));
}

#[test]
fn a_move_waits_for_an_edit_that_is_under_way() {
    let mut world = World::serving(CHAIN);
    world.check = |_| None;
    world.save(&CHAIN.replace("* 2.0", "* 3.0"));
    world.happens(fuse(1));
    assert_eq!(world.steps(), ["build map"]);
    world.happens(Event::Checked { edit: world.state.edit });
    let steps = world.steps();
    assert_eq!(steps[1..3], ["swap map", "carry map>get"], "{steps:?}");
}

#[test]
fn a_host_that_ends_meanwhile_is_started_again_once_it_is_known_which_one_counts() {
    for arrives in [true, false] {
        let mut world = World::serving(CHAIN);
        world.carry = false;
        world.happens(fuse(1));
        let down = Event::Down { service: "map".to_owned(), why: "it was killed".to_owned(), by: Doer::Others };
        let effects = world.state.update(at(world.now), down);
        assert_eq!(effects, [], "nothing yet");
        let answer = if arrives {
            carried(&world)
        } else {
            let stayed = Some(("map".to_owned(), "its host is gone".to_owned()));
            Event::Carried { carried: Vec::new(), stayed }
        };
        let effects = world.state.update(at(world.now), answer);
        let restarts = effects.iter().filter(|effect| matches!(effect, Effect::Restart { .. })).count();
        assert_eq!(restarts, 1, "{effects:?}");
        let is_down =
            |effect: &Effect| matches!(effect, Effect::Report(Report::Down { service, .. }) if service == "map");
        assert!(effects.iter().any(is_down), "{effects:?}");
    }
}

#[test]
fn those_who_began_together_part_and_the_one_whose_name_the_host_has_gets_another() {
    let mut world = serving_together();
    world.happens(asked(1, Regrouping::Split, &["get"]));
    assert_eq!(hosts(&world), [("get-alone".to_owned(), 1), ("get".to_owned(), 1)]);
    world.happens(asked(2, Regrouping::Split, &["get"]));
    assert_eq!(world.steps().last().map(String::as_str), Some("refused 2: get has a host to itself already"));
}

#[test]
fn containers_move_where_the_session_leads_callers_and_the_one_that_they_call_is_led_to() {
    let mut world = World::serving(CHAIN);
    if let Some(backend) = &mut world.state.backend {
        (backend.hosts_bind_front, backend.leads_front, backend.takes_in) = (false, true, false);
    }
    world.happens(Event::Notice { message: "the public listener is the session's".to_owned() });
    world.asked.clear();
    world.happens(fuse(1));
    // A container takes nobody in: all go to a new one.
    let steps = world.steps();
    assert_eq!(
        (steps[0].as_str(), steps.last().map(String::as_str)),
        ("carry get>get-alone map>get-alone", Some("settled 1"))
    );
    let led = world.asked.iter().find_map(|effect| match effect {
        Effect::Carry { carries, .. } => Some(carries.iter().map(|carry| carry.front).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(led, Some(vec![None, Some(8080)]));
    assert_eq!(hosts(&world), [("get-alone".to_owned(), 2)]);
    if let Some(backend) = &mut world.state.backend {
        backend.moves = false;
    }
    world.happens(split(2));
    let refused = world.steps().pop().unwrap_or_default();
    assert!(refused.starts_with("refused 2: services in containers that call each other by TCP"), "{refused}");
}

/// Three services, of which the one in the middle may have instances.
const THREE: &str = "use dyninka::prelude::*;
#[service] fn get() -> f64 { 1.0 }
#[service] fn map(value: f64) -> f64 { value * 2.0 }
#[service] fn last(value: f64) -> f64 { value }
#[dyninka::main] fn main() { get().map().last() }
";

fn serving_with(text: &str, environments: Environments) -> World {
    let mut world = World::new();
    let environments = Arc::new(environments);
    world.happens(Event::Loaded { edit: 0, app: read(text), diagnostics: Vec::new(), environments });
    assert!(world.state.ready);
    world.asked.clear();
    world
}

fn by_itself(text: &str) -> World {
    serving_with(text, Environments { together: Together::Auto, ..Environments::default() })
}

/// A minute in which each of these spent most of its time on the way to the one before it.
fn on_the_way(services: &[&str]) -> Event {
    let figures = Figures { n: 6_000, per_second: 100.0, total: 110.0, function: 10.0, network: 80.0 };
    Event::Measured(services.iter().map(|&service| (service.to_owned(), figures)).collect())
}

#[test]
fn auto_moves_one_service_at_a_time_and_says_why() {
    let mut world = by_itself(THREE);
    world.happens(on_the_way(&["get", "map", "last"]));
    let steps = world.steps();
    assert_eq!((steps[0].as_str(), steps.last().map(String::as_str)), ("carry last>map", Some("settled 0")));
    assert_eq!(hosts(&world), [("get".to_owned(), 1), ("map".to_owned(), 2)]);
    let why = world.reports.iter().find_map(|report| match report {
        Report::Moved { why, .. } => Some(why.as_str()),
        _ => None,
    });
    assert_eq!(why, Some("last waits for 75 of 110 µs (68 %) for the way to map, 0.007 of a processor in all"));
    world.happens(on_the_way(&["get", "map", "last"]));
    assert_eq!(hosts(&world), [("get".to_owned(), 3)]);
    world.asked.clear();
    world.happens(on_the_way(&["get", "map", "last"]));
    assert_eq!(world.steps(), Vec::<String>::new());
}

#[test]
fn auto_waits_for_an_edit_and_for_a_move_and_does_nothing_unless_it_is_wished_for() {
    let mut world = by_itself(CHAIN);
    world.check = |_| None;
    world.save(&CHAIN.replace("* 2.0", "* 3.0"));
    world.happens(on_the_way(&["get", "map"]));
    assert_eq!(world.steps(), ["build map"], "an edit is under way");
    let mut world = by_itself(CHAIN);
    world.carry = false;
    world.happens(on_the_way(&["get", "map"]));
    world.happens(on_the_way(&["get", "map"]));
    assert_eq!(world.steps(), ["carry map>get"], "a move is under way");
    let mut world = World::serving(CHAIN);
    world.happens(on_the_way(&["get", "map"]));
    assert_eq!(world.steps(), Vec::<String>::new());
}

#[test]
fn auto_leaves_out_services_with_instances_and_those_that_ended_their_host() {
    let instances = BTreeMap::from([("map".to_owned(), 3)]);
    let several = Environments { together: Together::Auto, instances, ..Environments::default() };
    let mut world = serving_with(THREE, several);
    world.happens(on_the_way(&["get", "map", "last"]));
    assert_eq!(world.steps(), Vec::<String>::new());
    let mut world = by_itself(THREE);
    world.state.alone.insert("map".to_owned());
    world.happens(on_the_way(&["get", "map", "last"]));
    assert_eq!(world.steps(), Vec::<String>::new());
    world.state.alone.clear();
    world.happens(on_the_way(&["get", "map", "last"]));
    assert_eq!(world.steps()[0], "carry last>map");
}
