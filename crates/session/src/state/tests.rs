mod world;

use app::Severity;
use protocol::Peer;

use super::*;
use crate::effect::Swap;
pub(crate) use world::{CHAIN, read};
pub(super) use world::{World, artifact, at};
use world::{chain, finding, opened};

#[test]
fn the_backend_opens_while_dependencies_are_built() {
    let mut state = World::new().state;
    let effects = state.update(
        at(1),
        Event::Loaded { edit: 0, app: chain(), diagnostics: Vec::new(), environments: Default::default() },
    );
    assert!(matches!(effects[..], [Effect::Watch { .. }, Effect::Open { .. }, Effect::Prepare { .. }]), "{effects:?}");
}

#[test]
fn every_host_is_told_its_route_and_its_peers_before_it_has_a_library() {
    let mut state = World::new().state;
    state.update(
        at(1),
        Event::Loaded { edit: 0, app: chain(), diagnostics: Vec::new(), environments: Default::default() },
    );
    let effects = state.update(at(2), opened());
    let configs = effects.iter().map(|effect| match effect {
        Effect::Start { config, .. } => config,
        other => panic!("{other:?}"),
    });
    let configs: Vec<_> = configs.collect();
    assert_eq!(configs.iter().map(|config| config.route.as_deref()).collect::<Vec<_>>(), [Some(""), Some("get")]);
    assert_eq!(
        configs[0].peers["map"],
        Peer {
            address: "127.0.0.1:4002".to_owned(),
            others: Vec::new(),
            host: "map".to_owned(),
            inputs: vec!["value".to_owned()]
        }
    );
    assert!(configs.iter().all(|config| config.library.is_none() && config.token == "secret"));
    assert_eq!(configs[1].front, Some(([127, 0, 0, 1], 8080).into()));
}

#[test]
fn ready_is_said_once_with_every_service() {
    let mut world = World::new();
    world.happens(Event::Loaded { edit: 0, app: chain(), diagnostics: Vec::new(), environments: Default::default() });
    let ready: Vec<_> = world.reports.iter().filter(|report| matches!(report, Report::Ready { .. })).collect();
    let [Report::Ready { url, services, .. }] = ready[..] else { panic!("{:?}", world.reports) };
    assert_eq!(url, "http://127.0.0.1:8080/");
    assert_eq!(services.iter().map(|known| known.name.as_str()).collect::<Vec<_>>(), ["get", "map"]);
}

#[test]
fn a_library_is_taken_over_with_the_one_before_to_come_back_with() {
    let mut world = World::serving(CHAIN);
    world.save(&CHAIN.replace("* 2.0", "* 3.0"));
    assert_eq!(world.steps(), ["build map", "swap map"]);
    let swap = world.asked.iter().find_map(|effect| if let Effect::Swap(swap) = effect { Some(swap) } else { None });
    let Some(Swap { config, before, version, .. }) = swap.map(|swap| &**swap) else { panic!("no swap") };
    assert_eq!(config.library.as_deref(), Some(format!("{version}.so").as_str()));
    assert!(
        before.as_ref().is_some_and(|before| before.starts_with("map@") && Some(before) != config.library.as_ref())
    );
    assert_eq!(world.live(), Some((vec![("map", "its function changed")], vec![], false)));
}

#[test]
fn a_comment_builds_nothing_and_a_flow_only_routes() {
    let mut world = World::serving(CHAIN);
    world.save(&CHAIN.replace("2.0 }", "2.0 /* twice */ }"));
    assert_eq!(world.steps(), ["tell map"], "the function's end stands elsewhere");
    assert!(matches!(world.reports[..], [Report::Unchanged { edit: 1, .. }]), "{:?}", world.reports);
    let three = CHAIN
        .replace("#[dyninka::main]", "#[service] fn last(value: f64) -> f64 { value }\n#[dyninka::main]")
        .replace("get().map()", "get().map().last()");
    let mut world = World::serving(&three);
    world.save(&three.replace("get().map().last()", "get().last()"));
    // map is fed by nobody any more, last by another.
    assert_eq!(world.steps(), ["tell map", "tell last"]);
    assert_eq!(world.live(), Some((vec![], vec![], true)));
}

#[test]
fn hosts_are_told_where_code_stands_that_an_edit_moved() {
    let moved = |world: &World| {
        let last = world.asked.iter().rev().find_map(|effect| match effect {
            Effect::Tell { config, .. } => Some((config.service.clone(), config.moved.clone())),
            _ => None,
        });
        let Some((service, Some(moved))) = last else { panic!("nobody was told: {:?}", world.asked) };
        (service, moved.place("chain.rs", (3, 40)).unwrap_or((3, 40)))
    };
    let lower = CHAIN.replace("#[service] fn map", "// twice\n\n#[service] fn map");
    let mut world = World::serving(CHAIN);
    world.save(&lower);
    assert_eq!(world.steps(), ["tell map"], "get stands where it stood");
    assert_eq!(moved(&world), ("map".to_owned(), (5, 40)));
    assert!(matches!(world.reports[..], [Report::Unchanged { .. }]), "{:?}", world.reports);
    world.save(CHAIN);
    assert_eq!(moved(&world), ("map".to_owned(), (3, 40)));
    // Of an edit that builds a service, the others are told once it is live.
    world.asked.clear();
    world.save(&CHAIN.replace("{ 1.0 }", "{\n    2.0\n}"));
    assert_eq!(world.steps(), ["build get", "swap get", "tell map"]);
    assert_eq!(moved(&world), ("map".to_owned(), (5, 40)));
    assert_eq!(world.live(), Some((vec![("get", "its function changed")], vec![], false)));
}

#[test]
fn a_service_that_comes_is_seated_and_one_that_goes_is_removed_after_the_routes_are_told() {
    let mut world = World::serving(CHAIN);
    let three = CHAIN
        .replace("#[dyninka::main]", "#[service] fn last(value: f64) -> f64 { value }\n#[dyninka::main]")
        .replace("get().map()", "get().map().last()");
    world.save(&three);
    // The new last one opens the public listener before the old one closes it.
    let steps = world.steps();
    assert_eq!(steps[..4], ["endpoint last", "build last", "start last", "swap last"], "{steps:?}");
    assert_eq!(world.live(), Some((vec![("last", "it is new")], vec![], true)));
    assert!(steps[4..].iter().all(|step| step.starts_with("tell")), "{steps:?}");
    world.asked.clear();
    world.save(CHAIN);
    let steps = world.steps();
    assert_eq!(steps.last().map(String::as_str), Some("remove last"), "{steps:?}");
    assert_eq!(world.live(), Some((vec![], vec!["last"], true)));
    assert!(!world.state.services.contains_key("last"));
}

#[test]
fn in_whichever_order_answers_come_no_host_is_told_a_route_with_a_name_that_it_does_not_know() {
    let (services, flow): (Vec<String>, Vec<String>) = (1..=8)
        .map(|at| (format!("#[service] fn s{at}(value: f64) -> f64 {{ value }}\n"), format!(".s{at}()")))
        .unzip();
    let text = format!(
        "use dyninka::prelude::*;\n#[service] fn get() -> f64 {{ 1.0 }}\n{}#[dyninka::main] fn main() {{ get(){} }}\n",
        services.concat(),
        flow.concat()
    );
    for seed in 1..=200 {
        let mut world = World::serving(&text);
        let mut random = seed;
        world.next = Box::new(move |among| {
            // George Marsaglia, Xorshift RNGs, 2003.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % among as u64) as usize
        });
        // All but two get another name, so all of these come and go with one save; one that stays has another body, too.
        let renamed = (1..=6).fold(text.clone(), |text, at| text.replace(&format!("s{at}("), &format!("t{at}(")));
        world.save(&renamed.replace("s7(value: f64) -> f64 { value }", "s7(value: f64) -> f64 { value + 1.0 }"));
        for effect in &world.asked {
            let config = match effect {
                Effect::Swap(swap) => &swap.config,
                Effect::Start { config, .. } => config,
                Effect::Tell { config, .. } => config,
                _ => continue,
            };
            let route = protocol::Route::parse(config.route.as_deref().unwrap_or_default()).expect("a route");
            let unknown: Vec<_> = route.services().filter(|name| !config.peers.contains_key(*name)).collect();
            assert!(unknown.is_empty(), "seed {seed}: {} does not know {unknown:?}", config.service);
        }
        assert_eq!(world.live().map(|(came, gone, _)| (came.len(), gone.len())), Some((7, 6)), "seed {seed}");
    }
}

#[test]
fn a_renamed_service_brings_its_state() {
    let text = CHAIN.replace(
        "#[service] fn map(value: f64) -> f64 { value * 2.0 }",
        "#[placed(map)] static SUM: Placed<f64> = Placed::new(|| 0.0);
         #[service] fn map(value: f64) -> f64 { SUM.update(|sum| { *sum += value; *sum }) }",
    );
    let mut world = World::serving(&text);
    world.check = |_| None;
    world.save(&text.replace("map", "sum"));
    assert!(!world.asked.iter().any(|effect| matches!(effect, Effect::Swap(_))), "not before it is known to fit");
    world.happens(Event::Checked { edit: world.state.edit });
    let swap = world.asked.iter().find_map(|effect| if let Effect::Swap(swap) = effect { Some(swap) } else { None });
    let bring = &swap.expect("a takeover").bring;
    assert_eq!(
        bring.iter().map(|bring| (bring.state.as_str(), bring.service.as_str())).collect::<Vec<_>>(),
        [("SUM", "map")]
    );
    assert_eq!(world.steps().last().map(String::as_str), Some("remove map"));
}

#[test]
fn a_broken_service_stays_while_a_good_one_of_the_same_save_goes_on() {
    let mut world = World::serving(CHAIN);
    world.broken = vec!["get"];
    world.save(&CHAIN.replace("1.0", "1.5").replace("* 2.0", "* 3.0"));
    assert_eq!(world.live(), Some((vec![("map", "its function changed")], vec![], false)));
    let picture = world.state.picture(at(world.now));
    let states: Vec<_> = picture.services.iter().map(|service| service.state).collect();
    assert_eq!(states, [session_api::snapshot::Condition::Stale, session_api::snapshot::Condition::Live]);
    assert_eq!((picture.phase, picture.diagnostics.len()), (session_api::snapshot::Phase::Broken, 1));
    // Mended: only what is stale is built.
    world.broken.clear();
    world.asked.clear();
    world.save(&CHAIN.replace("1.0", "1.6").replace("* 2.0", "* 3.0"));
    assert_eq!(world.steps(), ["build get", "swap get"]);
    assert!(world.state.picture(at(world.now)).diagnostics.is_empty());
}

#[test]
fn an_edit_of_more_than_bodies_is_taken_over_whole_or_not_at_all() {
    let mut world = World::serving(CHAIN);
    world.broken = vec!["map"];
    let text = CHAIN.replace("get() -> f64 { 1.0 }", "get() -> f32 { 1.0 }").replace("value: f64", "value: f32");
    world.save(&text);
    assert!(!world.steps().iter().any(|step| step.starts_with("swap")), "{:?}", world.steps());
    assert_eq!(world.live(), None);
    world.broken.clear();
    world.save(&text.replace("* 2.0", "* 3.0"));
    assert_eq!(world.live().map(|(services, ..)| services.len()), Some(2));
}

#[test]
fn a_flow_that_does_not_fit_leaves_the_running_chain_untouched() {
    let mut world = World::serving(CHAIN);
    world.check = |edit| Some(Event::Mismatched { edit, diagnostics: vec![finding("f64 is no String")] });
    world.save(
        &CHAIN
            .replace("value: f64", "value: String")
            .replace("#[dyninka", "#[service] fn more() -> u8 { 1 }\n#[dyninka"),
    );
    assert!(
        !world.steps().iter().any(|step| step.starts_with("swap map") || step.starts_with("tell")),
        "{:?}",
        world.steps()
    );
    assert!(world.reports.iter().any(|report| matches!(report, Report::Broken { edit: 1, .. })), "{:?}", world.reports);
    assert!(world.state.services.values().all(|known| known.building().is_none()));
    assert_eq!(world.steps().last().map(String::as_str), Some("remove more"));
    world.check = |edit| Some(Event::Checked { edit });
    world.save(&CHAIN.replace("* 2.0", "* 4.0"));
    assert_eq!(world.live(), Some((vec![("map", "its function changed")], vec![], false)));
}

#[test]
fn a_save_during_a_build_overtakes_it_and_an_undone_one_is_abandoned() {
    let mut state = World::serving(CHAIN).state;
    let mut now = 1000;
    let mut save = |state: &mut State, text: &str| {
        now += 10;
        state.update(at(now), Event::Saved { settled: at(5), files: BTreeSet::new() });
        let edit = state.edit;
        let mut effects = state.update(
            at(now + 1),
            Event::Loaded { edit, app: read(text), diagnostics: Vec::new(), environments: Default::default() },
        );
        effects.extend(state.update(at(now + 2), Event::Checked { edit }));
        effects
    };
    save(&mut state, &CHAIN.replace("* 2.0", "* 3.0"));
    let effects = save(&mut state, &CHAIN.replace("* 2.0", "* 4.0"));
    assert!(effects.contains(&Effect::Report(Report::Superseded { edit: 1, by: 2 })), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Build { .. })), "{effects:?}");
    // Another function: the build that runs is still wanted, and is told with the later edit.
    let effects = save(&mut state, &CHAIN.replace("* 2.0", "* 4.0").replace("1.0", "1.5"));
    let builds = effects
        .iter()
        .filter_map(|effect| if let Effect::Build { service, .. } = effect { Some(service.as_str()) } else { None });
    assert_eq!(builds.collect::<Vec<_>>(), ["get"]);
    let effects = save(&mut state, CHAIN);
    let abandoned = effects.iter().filter(|effect| matches!(effect, Effect::Abandon { .. }));
    assert_eq!(abandoned.count(), 2, "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Report(Report::Unchanged { .. }))), "{effects:?}");
}

#[test]
fn a_broken_start_reports_and_ends_and_nothing_follows_a_close() {
    let mut state = World::new().state;
    let effects = state.update(
        at(1),
        Event::Loaded { edit: 0, app: chain(), diagnostics: vec![finding("wrong")], environments: Default::default() },
    );
    assert!(
        matches!(effects[..], [Effect::Watch { .. }, Effect::Report(Report::Broken { .. }), Effect::Close]),
        "{effects:?}"
    );
    assert_eq!(state.update(at(2), Event::Prepared { edit: 0, recipe: Recipe::default() }), []);
    assert_eq!(state.update(at(3), Event::Interrupted), []);
    assert_eq!(state.update(at(4), Event::Closed), [Effect::Report(Report::Stopped)]);
}

#[test]
fn a_broken_start_under_somebodys_eyes_waits_to_be_mended() {
    let mut world = World::new();
    world.state.settings.waits = true;
    let diagnostics = vec![Diagnostic { severity: Severity::Error, ..finding("wrong") }];
    world.happens(Event::Loaded { edit: 0, app: chain(), diagnostics, environments: Default::default() });
    assert!(world.steps().is_empty());
    world.broken = vec!["map"];
    world.save(CHAIN);
    assert!(!world.state.ready);
    world.broken.clear();
    world.save(&CHAIN.replace("* 2.0", "* 3.0"));
    assert!(world.state.ready, "{:?}", world.steps());
}
