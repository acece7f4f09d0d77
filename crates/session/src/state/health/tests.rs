use std::collections::BTreeSet;

use super::*;
use crate::event::Event;
use crate::state::tests::{CHAIN, World, artifact, at, read};

/// `map` ended.
fn ended(by: Doer) -> Event {
    Event::Down { service: "map".to_owned(), why: "it ended".to_owned(), by }
}

fn is_rolled_back(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Report(Report::RolledBack { .. })))
}

#[test]
fn what_dies_is_started_again_after_a_pause_that_grows_while_it_keeps_dying() {
    let mut state = World::serving(CHAIN).state;
    let mut pauses = Vec::new();
    for crash in 0..8_u64 {
        let effects = state.update(at(100_000 + crash), ended(Doer::Service));
        let Some(Effect::Restart { after, .. }) = effects.last() else { panic!("{effects:?}") };
        pauses.push(after.as_millis());
    }
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    let effects = state.update(at(200_000), ended(Doer::Service));
    assert!(matches!(effects.last(), Some(Effect::Restart { after, .. }) if *after == FIRST_PAUSE), "{effects:?}");
}

#[test]
fn a_version_that_keeps_ending_its_host_gives_way_to_the_one_before() {
    let mut world = World::serving(CHAIN);
    let before = world.state.services["map"].live.as_ref().expect("it serves").library.clone();
    world.save(&CHAIN.replace("* 2.0", "* 3.0"));
    let mut rolled_back = false;
    for crash in 0..3 {
        let now = at(world.now + 100 * crash);
        let effects = world.state.update(now, ended(Doer::Service));
        rolled_back = is_rolled_back(&effects);
        let Some(Effect::Restart { config, .. }) = effects.last() else { panic!("{effects:?}") };
        assert_eq!(config.library.as_ref() == Some(&before), crash == 2);
        let version = "map@00000000".to_owned();
        world.state.update(now, Event::Back { service: "map".to_owned(), version, anew: true });
    }
    assert!(rolled_back);
    assert_eq!(world.state.picture(at(world.now)).services[1].state, session_api::snapshot::Condition::Stale);
}

#[test]
fn what_somebody_else_ends_again_and_again_says_nothing_of_the_edit() {
    let mut world = World::serving(CHAIN);
    world.save(&CHAIN.replace("* 2.0", "* 3.0"));
    let edited = world.state.services["map"].live.as_ref().expect("it serves").library.clone();
    let mut is_rolled_back_after = |by| {
        world.now += 100;
        let now = at(world.now);
        let effects = world.state.update(now, ended(by));
        let Some(Effect::Restart { config, .. }) = effects.last() else { panic!("{effects:?}") };
        assert_eq!(config.library.as_ref() == Some(&edited), !is_rolled_back(&effects));
        world
            .state
            .update(now, Event::Back { service: "map".to_owned(), version: "map@00000000".to_owned(), anew: true });
        is_rolled_back(&effects)
    };
    for _ in 0..5 {
        assert!(!is_rolled_back_after(Doer::Others));
    }
    // Nor do these make its own ends more than they are.
    assert!(!is_rolled_back_after(Doer::Service));
    assert!(!is_rolled_back_after(Doer::Others));
    assert!(!is_rolled_back_after(Doer::Service));
    assert!(is_rolled_back_after(Doer::Service), "the third of its own");
}

#[test]
fn a_host_that_dies_of_a_takeover_keeps_the_old_version() {
    let mut state = World::serving(CHAIN).state;
    state.update(at(1000), Event::Saved { settled: at(5), files: BTreeSet::new() });
    let app = read(&CHAIN.replace("* 2.0", "* 3.0"));
    state.update(at(1001), Event::Loaded { edit: 1, app, diagnostics: Vec::new(), environments: Default::default() });
    state.update(at(1002), Event::Checked { edit: 1 });
    let artifact = artifact("map@00000003", "/artifacts/three.so");
    let ticket = state.tickets;
    let effects = state.update(at(1003), Event::Built { ticket, service: "map".to_owned(), artifact });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Swap(_))), "{effects:?}");
    let mut rolled_back = 0;
    for now in [1004, 1005] {
        let down = state.update(at(now), ended(Doer::Service));
        rolled_back += u32::from(is_rolled_back(&down));
        // Tried once more after it came back: it may have been somebody else who ended it.
        let back =
            state.update(at(now), Event::Back { service: "map".to_owned(), version: "map@old".to_owned(), anew: true });
        assert_eq!(back.iter().any(|effect| matches!(effect, Effect::Swap(_))), now == 1004, "{back:?}");
    }
    assert_eq!(rolled_back, 1);
}

/// D8: a job that ends its host each time says nothing of the version that runs it.
#[test]
fn a_version_whose_host_was_ended_by_a_job_is_not_rolled_back() {
    let rolled_back = |is_of_a_job: bool| {
        let mut world = World::serving(CHAIN);
        world.save_with(&CHAIN.replace("* 2.0", "* 3.0"), Default::default());
        let mut rolled_back = false;
        for now in [11_000, 12_000, 13_000] {
            let down = world.state.update(at(now), ended(Doer::Service));
            rolled_back |= is_rolled_back(&down);
            let version =
                world.state.services["map"].live.as_ref().map(|live| live.version.clone()).unwrap_or_default();
            world.state.update(at(now), Event::Back { service: "map".to_owned(), version, anew: true });
            if is_of_a_job {
                world.state.update(at(now), Event::RunLost { service: "map".to_owned() });
            }
        }
        rolled_back
    };
    assert!(rolled_back(false), "a version that ends its host three times gives way");
    assert!(!rolled_back(true));
}

#[test]
fn what_stood_still_goes_on_with_the_state_it_had() {
    let text = CHAIN.replace(
        "#[service] fn map(value: f64) -> f64 { value * 2.0 }",
        "#[placed(map)] static SUM: Placed<f64> = Placed::new(f64::default);
         #[service] fn map(value: f64) -> f64 { SUM.update(|sum| { *sum += value; *sum }) }",
    );
    let mut world = World::serving(&text);
    let live = world.state.services.get_mut("map").and_then(|map| map.live.as_mut()).expect("it serves");
    live.states.insert("SUM".to_owned(), Fate::Kept);
    for (anew, restarts) in [(false, 0), (true, 1)] {
        world.state.update(at(1000), ended(Doer::Others));
        let effects = world
            .state
            .update(at(2000), Event::Back { service: "map".to_owned(), version: "map@00000000".to_owned(), anew });
        let told = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Report(Report::Up { anew: told, .. }) if *told == anew));
        assert!(told, "{effects:?}");
        let map = &world.state.services["map"];
        assert_eq!(map.restarts, restarts);
        let fate = &map.live.as_ref().expect("it serves").states["SUM"];
        assert_eq!(matches!(fate, Fate::Reset { .. }), anew, "{fate:?}");
    }
}

#[test]
fn a_host_that_reads_nothing_is_started_anew_once_and_told_once() {
    let mut world = World::serving(CHAIN);
    let service = || "map".to_owned();
    let app = read(&CHAIN.replace("* 2.0", "* 3.0"));
    world.state.update(at(1000), Event::Saved { settled: at(5), files: BTreeSet::new() });
    world
        .state
        .update(at(1001), Event::Loaded { edit: 1, app, diagnostics: Vec::new(), environments: Default::default() });
    world.state.update(at(1002), Event::Checked { edit: 1 });
    let artifact = artifact("map@00000003", "/artifacts/three.so");
    let ticket = world.state.tickets;
    let patient = |effects: &[Effect]| {
        effects.iter().find_map(|effect| if let Effect::Swap(swap) = effect { Some(swap.patient) } else { None })
    };
    let effects = world.state.update(at(1003), Event::Built { ticket, service: service(), artifact });
    assert_eq!(patient(&effects), Some(false), "{effects:?}");
    let version = Some("map@00000003".to_owned());
    let deaf = |version| Event::Deaf { service: service(), version, why: "read nothing".to_owned() };
    // Of a version that nobody takes over any more nothing is to be done.
    assert_eq!(world.state.update(at(6002), deaf(Some("map@00000009".to_owned()))), []);
    assert_eq!(world.state.update(at(6003), deaf(version)), [Effect::Kill { service: service() }]);
    let effects = world.state.update(at(6004), ended(Doer::Service));
    let [Effect::Report(Report::Down { why, .. }), Effect::Restart { .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(why, "its host read nothing");
    let back = Event::Back { service: service(), version: "map@old".to_owned(), anew: true };
    let effects = world.state.update(at(7000), back);
    assert_eq!(patient(&effects), Some(true), "the next one is waited for: {effects:?}");
}
