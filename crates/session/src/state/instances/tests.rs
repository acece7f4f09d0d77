//! Services with several hosts in a world where all goes well.

use std::sync::Arc;

use local_cluster::Doer;
use protocol::near::{NearService, NearSettings};
use session_api::Report;

use super::*;
use crate::environment::{Environments, NearPlan};
use crate::event::{Event, Regroup};
use crate::placement::Regrouping;
use crate::state::tests::{World, at, read};

const APP: &str = "use dyninka::prelude::*;
#[service] fn get() -> f64 { 1.0 }
#[service] fn map(value: f64) -> f64 { value * 2.0 }
#[service] fn last(value: f64) -> f64 { value }
#[dyninka::main] fn main() { get().map().last() }
";

fn environments(count: u32) -> Arc<Environments> {
    let instances = [("map".to_owned(), count)].into();
    Arc::new(Environments { instances, ..Environments::default() })
}

/// `map` with an instance in each of these places.
fn in_places(places: &[&str]) -> Arc<Environments> {
    let places: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
    let instances = [("map".to_owned(), places.len() as u32)].into();
    let services = [("map".to_owned(), NearService { places, bucket: None })].into();
    let settings = Arc::new(NearSettings { services, ..NearSettings::default() });
    let near = Some(NearPlan { place: None, settings });
    Arc::new(Environments { instances, near, ..Environments::default() })
}

fn serving() -> World {
    let mut world = World::new();
    let environments = environments(3);
    world.happens(Event::Loaded { edit: 0, app: read(APP), diagnostics: Vec::new(), environments });
    assert!(world.state.picture(at(1)).url.is_some(), "{:#?}", world.asked);
    world
}

#[test]
fn one_library_is_built_and_every_instance_takes_it_over() {
    let mut world = serving();
    let steps = world.steps();
    let of = |verb: &str| steps.iter().filter(|step| step.starts_with(verb)).cloned().collect::<Vec<_>>();
    assert_eq!(of("start"), ["start get", "start map", "start map.2", "start map.3", "start last"]);
    assert_eq!(of("build").len(), 3);
    world.asked.clear();
    world.save(&APP.replace("* 2.0", "* 3.0"));
    assert_eq!(world.steps(), ["build map", "swap map", "swap map.2", "swap map.3"]);
    let live = world.live().map(|(services, ..)| services.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    assert_eq!(live, Some(vec!["map"]));
}

#[test]
fn callers_are_told_of_all_instances_and_each_instance_which_it_is() {
    let world = serving();
    let started = |name: &str| {
        let all = world.asked.iter();
        let mut configs = all.filter_map(|effect| match effect {
            Effect::Start { config, host, .. } if config.instance_name() == name => {
                Some((config.clone(), host.clone()))
            }
            _ => None,
        });
        configs.next().unwrap_or_else(|| panic!("{name} is not started"))
    };
    let ((caller, _), (third, host)) = (started("last"), started("map.3"));
    assert_eq!(caller.peers["map"].others.len(), 2);
    assert_eq!(caller.peers["get"].others, Vec::<String>::new());
    assert_eq!((third.instance, host.as_str()), (Some(3), "map.3"));
    let listens = third.listen.to_string();
    assert_eq!(third.own_address(), Some(listens.as_str()));
    assert_eq!((third.service.as_str(), third.route.as_deref(), third.front), ("map", Some("get"), None));
}

#[test]
fn hosts_are_told_the_places_of_instances_and_of_others_without_a_start() {
    let mut world = World::new();
    let loaded = |near| Event::Loaded { edit: 0, app: read(APP), diagnostics: Vec::new(), environments: near };
    world.happens(loaded(in_places(&["hpc", "cc1", "cc2"])));
    let place = |world: &World, name: &str| {
        let wiring = world.state.wiring.clone().expect("hosts are told");
        world.state.config(&wiring, name).expect("a host").near.and_then(|near| near.place)
    };
    let places = ["map", "map.2", "map.3", "last"].map(|name| place(&world, name));
    assert_eq!(places, [Some("hpc".to_owned()), Some("cc1".to_owned()), Some("cc2".to_owned()), None]);
    world.asked.clear();
    world.save_with(APP, in_places(&["hpc", "cc1", "cc1"]));
    assert_eq!(place(&world, "map.3"), Some("cc1".to_owned()));
    let mut steps = world.steps();
    steps.sort();
    assert_eq!(steps, ["tell get", "tell last", "tell map", "tell map.2", "tell map.3"]);
    world.asked.clear();
    world.save_with(APP, in_places(&["hpc", "cc1", "cc1"]));
    assert_eq!(world.steps(), Vec::<String>::new());
}

#[test]
fn an_edit_is_not_live_while_one_instance_serves_the_version_before() {
    let mut world = serving();
    world.asked.clear();
    world.swaps = false;
    world.save(&APP.replace("* 2.0", "* 3.0"));
    let version = world.asked.iter().find_map(|effect| match effect {
        Effect::Swap(swap) => Some(swap.version.clone()),
        _ => None,
    });
    let version = version.expect("it is taken over");
    let answers = |world: &mut World, service: &str| {
        let (service, version) = (service.to_owned(), version.clone());
        world.happens(Event::Live { service, version, states: Default::default(), answered: at(0) });
    };
    answers(&mut world, "map");
    answers(&mut world, "map.3");
    assert_eq!(world.live(), None);
    let states: Vec<_> = world.state.picture(at(1)).services[1].instances.iter().map(|one| one.state).collect();
    assert_eq!(states, [Condition::Live, Condition::Building, Condition::Live]);
    assert_eq!(world.state.picture(at(1)).services[1].state, Condition::Building);
    answers(&mut world, "map.2");
    assert!(world.live().is_some());
}

#[test]
fn an_edit_that_one_instance_refuses_is_rolled_back_in_words_and_never_told_as_live() {
    let mut world = serving();
    world.swaps = false;
    world.save(&APP.replace("* 2.0", "* 3.0"));
    let version = world.asked.iter().rev().find_map(|effect| match effect {
        Effect::Swap(swap) => Some(swap.version.clone()),
        _ => None,
    });
    let version = version.expect("it is taken over");
    let live = |service: &str| Event::Live {
        service: service.to_owned(),
        version: version.clone(),
        states: Default::default(),
        answered: at(0),
    };
    world.happens(live("map"));
    let (service, why) = ("map.2".to_owned(), "no room".to_owned());
    world.happens(Event::Refused { service, version: Some(version.clone()), why, silent: false });
    world.happens(live("map.3"));
    assert_eq!(world.live(), None);
    let told =
        world.reports.iter().any(|report| matches!(report, Report::RolledBack { service, .. } if service == "map.2"));
    assert!(told, "{:?}", world.reports);
    let view = &world.state.picture(at(1)).services[1];
    assert_eq!(view.instances[1].why.as_deref(), Some("no room"));
    assert_eq!(view.state, Condition::Stale);
}

#[test]
fn an_instance_that_ends_is_started_again_alone() {
    let mut world = serving();
    world.asked.clear();
    world.happens(Event::Down { service: "map.2".to_owned(), why: "killed".to_owned(), by: Doer::Others });
    let restarts: Vec<_> = world
        .asked
        .iter()
        .filter_map(|effect| match effect {
            Effect::Restart { config, host, .. } => Some((config.instance_name(), host.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(restarts, [("map.2".to_owned(), "map.2".to_owned())]);
    let view = &world.state.picture(at(1)).services[1];
    assert_eq!(
        view.instances.iter().map(|one| one.state).collect::<Vec<_>>(),
        [Condition::Live, Condition::Down, Condition::Live]
    );
    assert_eq!(view.state, Condition::Live);
}

#[test]
fn instances_are_started_again_by_wish_one_after_the_other() {
    let mut world = serving();
    let killed = |effects: &[Effect]| {
        let names = effects.iter().filter_map(|effect| match effect {
            Effect::Kill { service } => Some(service.clone()),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    let version = "map@00000000".to_owned();
    let back = |name: &str| Event::Back { service: name.to_owned(), version: version.clone(), anew: true };
    assert_eq!(world.state.start_again("map").map(|effects| killed(&effects)), Some(vec!["map".to_owned()]));
    // Asked twice is asked once, and what comes back by itself is not the one that is waited for.
    assert_eq!(world.state.start_again("map").map(|effects| killed(&effects)), Some(vec![]));
    assert_eq!(killed(&world.state.update(at(1), back("map.3"))), [""; 0]);
    assert_eq!(killed(&world.state.update(at(2), back("map"))), ["map.2"]);
    assert_eq!(killed(&world.state.update(at(3), back("map.2"))), ["map.3"]);
    assert_eq!(killed(&world.state.update(at(4), back("map.3"))), [""; 0]);
    // One that is gone holds up no other.
    assert!(world.state.start_again("map").is_some() && world.state.start_again("get").is_some());
    let gone = |name: &str| Event::Removed { service: name.to_owned(), trouble: None };
    assert_eq!(killed(&world.state.update(at(5), gone("map.2"))), [""; 0]);
    assert_eq!(killed(&world.state.update(at(6), gone("map"))), ["map.3"]);
    assert_eq!(killed(&world.state.update(at(7), back("map.3"))), ["get"]);
    assert!(world.state.start_again("nobody").is_none());
}

#[test]
fn a_service_with_instances_is_not_fused_and_leaves_whole() {
    let mut world = serving();
    world.asked.clear();
    let services = vec!["get".to_owned(), "map".to_owned()];
    let (wanted, why) = (Regrouping::Fuse, String::new());
    world.happens(Event::Asked(Regroup { number: 7, wanted, services, reset: false, why }));
    assert_eq!(world.steps(), ["refused 7: map has 3 instances, and each is a host of its own"]);
    world.asked.clear();
    world.save(&APP.replace("#[service] fn map(value: f64) -> f64 { value * 2.0 }\n", "").replace(".map()", ""));
    let steps = world.steps();
    let gone: Vec<_> = steps.iter().filter(|step| step.starts_with("remove")).collect();
    assert_eq!(gone, ["remove map", "remove map.2", "remove map.3"]);
    assert_eq!(world.live().map(|(_, removed, _)| removed), Some(vec!["map"]));
}

#[test]
fn another_number_of_instances_is_for_the_next_start_and_told_once() {
    let mut world = serving();
    world.reports.clear();
    world.save_with(APP, environments(2));
    world.save_with(APP, environments(2));
    let notices: Vec<_> = world
        .reports
        .iter()
        .filter_map(|report| match report {
            Report::Notice { message } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(notices, ["map keeps its number of instances, which is 3: the next start of the session gives it 2"]);
}

#[test]
fn a_group_that_names_a_service_with_instances_runs_without_it_and_says_so() {
    for (together, said) in [("get+map+last", 1), ("get+last", 0), ("all", 0)] {
        let mut world = World::new();
        let together = together.parse().expect("a wish");
        let environments = Arc::new(Environments { together, ..(*environments(3)).clone() });
        world.happens(Event::Loaded { edit: 0, app: read(APP), diagnostics: Vec::new(), environments });
        assert_eq!(world.state.members("get"), ["get", "last"]);
        let words = "map runs together with no other: each of its 3 instances has a host";
        let notices = world.reports.iter();
        let notices = notices.filter(|report| matches!(report, Report::Notice { message } if message == words));
        assert_eq!(notices.count(), said);
    }
}

#[test]
fn instances_that_find_another_environment_are_started_anew_one_at_a_time() {
    let mut world = serving();
    world.asked.clear();
    let mut other = Environments { instances: [("map".to_owned(), 3)].into(), ..Environments::default() };
    let given = local_cluster::Environment {
        open: [("MODE".to_owned(), "loud".to_owned())].into(),
        ..local_cluster::Environment::default()
    };
    other.services.insert("map".to_owned(), given);
    world.save_with(APP, Arc::new(other));
    let mut renewed: Vec<_> = world.steps().into_iter().filter(|step| step.starts_with("renew")).collect();
    renewed.sort();
    assert_eq!(renewed, ["renew map", "renew map.2", "renew map.3"]);
}
