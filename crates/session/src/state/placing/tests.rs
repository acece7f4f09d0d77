use std::collections::BTreeMap;
use std::sync::Arc;

use local_cluster::{Doer, Environment};
use session_api::Report;

use crate::effect::Effect;
use crate::environment::Environments;
use crate::event::Event;
use crate::placement::Together;
use crate::state::tests::{CHAIN, World, at, read};

/// `get` and `map` in one host, with these variables.
fn environments(get: &str, map: &str) -> Arc<Environments> {
    let one = |mode: &str| {
        let open = BTreeMap::from([("MODE".to_owned(), mode.to_owned())]);
        Environment { open, ..Environment::default() }
    };
    let services = BTreeMap::from([("get".to_owned(), one(get)), ("map".to_owned(), one(map))]);
    Arc::new(Environments { services, together: Together::All, ..Environments::default() })
}

fn serving() -> World {
    let mut world = World::new();
    let environments = environments("a", "a");
    world.happens(Event::Loaded { edit: 0, app: read(CHAIN), diagnostics: Vec::new(), environments });
    assert!(world.state.ready);
    world
}

fn together(world: &World) -> Vec<usize> {
    let picture = world.state.picture(at(world.now));
    picture.services.iter().map(|service| service.together.len()).collect()
}

#[test]
fn a_session_opens_with_the_hosts_that_are_wished_for_and_shows_them() {
    let world = serving();
    let opened = world.asked.iter().find_map(|effect| match effect {
        Effect::Open { hosts, .. } => Some(hosts.clone()),
        _ => None,
    });
    let get = "get".to_owned();
    assert_eq!(opened, Some(BTreeMap::from([(get.clone(), get.clone()), ("map".to_owned(), get)])));
    assert_eq!(together(&world), [2, 2]);
}

#[test]
fn a_service_that_comes_with_an_edit_joins() {
    let mut world = serving();
    world.asked.clear();
    let more = CHAIN.replace(
        "fn main() { get().map() }",
        "#[service] fn last(v: f64) -> f64 { v } fn main() { get().map().last() }",
    );
    assert_ne!(more, CHAIN, "{CHAIN}");
    world.save_with(&more, environments("a", "a"));
    let place = world.asked.iter().find_map(|effect| match effect {
        Effect::Reserve { place } => Some(place.group.clone()),
        _ => None,
    });
    // Its environment has no MODE.
    assert_eq!(place.as_deref(), Some("last"));
}

#[test]
fn an_environment_that_changes_for_one_parts_them_and_both_are_started_anew() {
    let mut world = serving();
    world.asked.clear();
    world.save_with(CHAIN, environments("a", "b"));
    assert_eq!(world.steps(), ["renew get map"]);
    assert_eq!(together(&world), [0, 0]);
    world.asked.clear();
    world.save_with(CHAIN, environments("b", "b"));
    assert_eq!(world.steps(), ["renew get"]);
    assert_eq!(together(&world), [2, 2]);
}

#[test]
fn who_ends_the_host_three_times_gets_one_of_its_own_and_the_others_stay() {
    let mut world = serving();
    world.now += 100_000;
    let mut parted = Vec::new();
    for _ in 0..4 {
        world.now += 100;
        for (service, by) in [("map", Doer::Service), ("get", Doer::Others)] {
            let down = Event::Down { service: service.to_owned(), why: "it ended".to_owned(), by };
            let effects = world.state.update(at(world.now), down);
            parted.extend(effects.iter().filter_map(|effect| match effect {
                Effect::Regroup { service, group } => Some((service.clone(), group.clone())),
                _ => None,
            }));
            let words = effects.iter().filter(|effect| matches!(effect, Effect::Report(Report::Notice { .. }))).count();
            assert!(words <= 1);
            let version = format!("{service}@00000000");
            world.state.update(at(world.now), Event::Back { service: service.to_owned(), version, anew: true });
        }
    }
    assert_eq!(parted, [("map".to_owned(), "map".to_owned())]);
    assert_eq!(together(&world), [0, 0]);
}

#[test]
fn who_ends_the_host_three_times_within_a_minute_is_parted_and_who_does_so_seldom_is_not() {
    for (seconds, parts) in [(25, true), (40, false)] {
        let mut world = serving();
        world.now += 100_000;
        let mut parted = false;
        for _ in 0..4 {
            world.now += seconds * 1_000;
            let down = Event::Down { service: "map".to_owned(), why: "it ended".to_owned(), by: Doer::Service };
            let effects = world.state.update(at(world.now), down);
            parted |= effects.iter().any(|effect| matches!(effect, Effect::Regroup { .. }));
            let version = "map@00000000".to_owned();
            world.state.update(at(world.now), Event::Back { service: "map".to_owned(), version, anew: true });
        }
        assert_eq!(parted, parts, "every {seconds} s");
    }
}

#[test]
fn a_wish_for_nobody_ends_the_start() {
    let mut world = World::new();
    let environments = Environments {
        together: Together::Groups(vec![vec!["get".to_owned(), "no".to_owned()]]),
        ..Environments::default()
    };
    world.happens(Event::Loaded {
        edit: 0,
        app: read(CHAIN),
        diagnostics: Vec::new(),
        environments: Arc::new(environments),
    });
    let told = world.reports.iter().find_map(|report| match report {
        Report::Failed { message, .. } => Some(message.clone()),
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("cannot run services together: no service is called no; there are get, map"));
}

#[test]
fn a_group_across_two_flows_runs_together_and_is_told_to_gain_nothing() {
    let text = CHAIN.replace("#[dyninka::main]", "#[service] fn tick() -> f64 { 3.0 }\n#[dyninka::main]");
    for (wishes, first) in [("map+tick", Some("map")), ("get+map+tick", Some("get")), ("get+map", None), ("all", None)]
    {
        let mut world = World::new();
        let together: Together = wishes.parse().expect("wishes");
        let environments = Arc::new(Environments { together, ..Environments::default() });
        world.happens(Event::Loaded { edit: 0, app: read(&text), diagnostics: Vec::new(), environments });
        let notices: Vec<&str> = world
            .reports
            .iter()
            .filter_map(|report| match report {
                Report::Notice { message } => Some(message.as_str()),
                _ => None,
            })
            .collect();
        let words = |first| {
            format!(
                "{first} and tick are of two flows: no request goes from one to the other, so a host gains them nothing"
            )
        };
        assert_eq!(notices, first.map(words).into_iter().collect::<Vec<_>>(), "{wishes}");
    }
}

#[test]
fn the_front_door_of_a_backend_that_leads_to_it_moves_with_its_service() {
    let mut world = World::serving(CHAIN);
    if let Some(backend) = &mut world.state.backend {
        backend.hosts_bind_front = false;
    }
    for known in world.state.services.values_mut() {
        if let Some(told) = &mut known.told {
            told.front = None;
        }
    }
    let three = CHAIN
        .replace("#[dyninka::main]", "#[service] fn last(value: f64) -> f64 { value }\n#[dyninka::main]")
        .replace("get().map()", "get().map().last()");
    world.save(&three);
    assert_eq!(world.steps().last().map(String::as_str), Some("rehouse map last"), "{:?}", world.steps());
    world.asked.clear();
    world.save(CHAIN);
    let steps = world.steps();
    // The container that has the port goes before the one that gets it comes.
    assert_eq!(steps[steps.len() - 2..], ["remove last", "rehouse map"], "{steps:?}");
    if let Some(backend) = &mut world.state.backend {
        backend.leads_front = true;
    }
    world.asked.clear();
    world.save(&three);
    assert_eq!(world.steps().last().map(String::as_str), Some("rehouse last"), "{:?}", world.steps());
    world.asked.clear();
    world.save(CHAIN);
    let steps = world.steps();
    // Callers are led away before it goes.
    assert_eq!(steps[steps.len() - 2..], ["rehouse map", "remove last"], "{steps:?}");
}
