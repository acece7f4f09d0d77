use session_api::Report;

use super::*;
use crate::event::Event;
use crate::state::tests::{CHAIN, World, at};

/// Environments in which each service finds `MODE` as given.
fn modes(get: &str, map: &str) -> Arc<Environments> {
    let one = |mode: &str| local_cluster::Environment {
        open: BTreeMap::from([("MODE".to_owned(), mode.to_owned())]),
        ..Default::default()
    };
    let services = BTreeMap::from([("get".to_owned(), one(get)), ("map".to_owned(), one(map))]);
    Arc::new(Environments { services, ..Environments::default() })
}

fn renewals(world: &mut World) -> Vec<String> {
    let steps = world.steps().into_iter().filter(|step| !step.starts_with("tell"));
    let steps = steps.collect();
    world.asked.clear();
    steps
}

#[test]
fn whose_environment_changed_is_started_anew_and_nobody_else() {
    let mut world = World::serving(CHAIN);
    world.save_with(CHAIN, modes("a", "b"));
    assert_eq!(renewals(&mut world), ["renew get", "renew map"]);
    let changed = "its environment changed (MODE)";
    assert_eq!(world.live(), Some((vec![("get", changed), ("map", changed)], vec![], false)));
    world.save_with(CHAIN, modes("a", "c"));
    assert_eq!(renewals(&mut world), ["renew map"]);
    assert_eq!(world.live(), Some((vec![("map", changed)], vec![], false)));
    world.save_with(CHAIN, modes("a", "c"));
    assert_eq!(renewals(&mut world), Vec::<String>::new());
    assert!(matches!(world.reports.last(), Some(Report::Unchanged { .. })), "{:?}", world.reports);
}

/// The edit may be refused, and then it goes on in what it was started in.
#[test]
fn a_service_that_an_edit_takes_away_keeps_its_environment_as_long_as_it_runs() {
    let mut world = World::serving(CHAIN);
    world.save_with(CHAIN, modes("a", "b"));
    let given = world.state.environments.get("map");
    assert_ne!(given, local_cluster::Environment::default());
    let mut without = Environments::clone(&modes("c", "d"));
    without.services.remove("map");
    let app = crate::state::tests::read(&CHAIN.replace("map", "plan"));
    world.state.surround(at(1_000), &app, Arc::new(without.clone()));
    assert_eq!(world.state.environments.get("map"), given);
    assert_eq!(world.state.environments.get("get"), without.get("get"), "one that stays has the new one");
    // Of what never ran, nothing is kept.
    assert!(!world.state.environments.services.contains_key("plan"));
}

#[test]
fn a_service_that_takes_another_load_is_told_and_neither_built_nor_started_anew() {
    let mut world = World::serving(CHAIN);
    let mut loaded = Environments::clone(&world.state.environments);
    let load = app::LoadTerms { rate: Some(200), stays: Some(true), ..Default::default() };
    loaded.terms.insert("map".to_owned(), crate::environment::ServiceTerms { load, ..Default::default() });
    world.save_with(CHAIN, Arc::new(loaded));
    assert_eq!(world.steps(), ["tell map"]);
    let told = world.state.services["map"].told.as_ref().map(|told| (told.load.rate, told.load.stays));
    assert_eq!(told, Some((Some(200), true)));
}

#[test]
fn code_comes_first_and_what_did_not_change_its_code_is_not_judged() {
    let mut world = World::serving(CHAIN);
    let text = CHAIN.replace("* 2.0", "* 3.0");
    world.save_with(&text, modes("a", "b"));
    assert_eq!(renewals(&mut world), ["build map", "renew get", "swap map", "renew map"]);
    let Some((services, ..)) = world.live() else { panic!("{:?}", world.reports) };
    assert_eq!(services.len(), 2, "{services:?}");
    assert!(services.iter().any(|(name, reason)| *name == "map" && reason.contains("(MODE)")), "{services:?}");
    assert!(!world.state.services["map"].renewed && world.state.services["get"].renewed);
    world.save_with(&text, modes("a", "c"));
    assert_eq!(renewals(&mut world), ["renew map"]);
    assert!(world.state.services["map"].renewed, "the code before it is no part of this edit");
}

#[test]
fn one_that_does_not_come_back_is_started_again_and_another_that_ends_meanwhile_as_well() {
    let mut world = World::serving(CHAIN);
    world.state.environments = modes("a", "b");
    let effects = world.state.update(at(10_000), Event::Notice { message: "go on".to_owned() });
    assert!(effects.iter().filter(|effect| matches!(effect, Effect::Renew(_))).count() == 2, "{effects:?}");
    let ended =
        |service: &str| Event::Down { service: service.to_owned(), why: "it ended".to_owned(), by: Doer::Others };
    let restarts = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Restart { .. }));
    assert!(!restarts(&world.state.update(at(10_001), ended("map"))), "it is asked to end");
    let came = Err("no engine".to_owned());
    let effects = world.state.update(at(10_002), Event::Renewed { service: "map".to_owned(), came, answered: at(1) });
    assert!(restarts(&effects), "{effects:?}");
    let came = Ok(("get@1".to_owned(), BTreeMap::new()));
    world.state.update(at(10_003), Event::Renewed { service: "get".to_owned(), came, answered: at(1) });
    assert!(restarts(&world.state.update(at(10_004), ended("get"))));
}

#[test]
fn what_is_to_be_said_is_said_once_until_it_was_gone() {
    let mut world = World::serving(CHAIN);
    let mut said = |words: &[&str]| {
        let notices = words.iter().map(|&words| words.to_owned()).collect();
        let before = world.state.notices.len();
        world.save_with(CHAIN, Arc::new(Environments { notices, ..Environments::default() }));
        world.state.notices.iter().skip(before).map(|notice| notice.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said(&["a", "b"]), ["a", "b"]);
    assert_eq!(said(&["b", "c"]), ["c"]);
    assert_eq!(said(&["a"]), ["a"]);
}
