use std::path::{Path, PathBuf};

use app::{Place, Sources};

use super::*;

const CHAIN: &str = "use dyninka::prelude::*;
#[service] fn get() -> f64 { 1.0 }
#[service] fn map(value: f64) -> f64 { value * 2.0 }
#[dyninka::main] fn main() { get().map() }
";

fn chain() -> Arc<App> {
    let mut sources = Sources { root: PathBuf::from("chain.rs"), ..Sources::default() };
    sources.texts.insert(PathBuf::from("chain.rs"), Arc::from(CHAIN));
    let (app, diagnostics) = app::parse(&sources);
    assert_eq!(diagnostics, []);
    Arc::new(app)
}

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn seats() -> BTreeMap<String, Seat> {
    let seat = |port: u16, front| Seat {
        listen: ([127, 0, 0, 1], port).into(),
        peer: format!("127.0.0.1:{port}"),
        front,
        here: ([127, 0, 0, 1], port).into(),
    };
    BTreeMap::from([
        ("get".to_owned(), seat(4001, None)),
        ("map".to_owned(), seat(4002, Some(([127, 0, 0, 1], 8080).into()))),
    ])
}

fn artifact(service: &str) -> Artifact {
    let file = PathBuf::from(format!("/artifacts/lib-{service}.so"));
    Artifact { version: format!("{service}@00000001"), file, compiled: true, ms: 50.0 }
}

fn state() -> State {
    State::new("secret".to_owned(), Limits::default())
}

/// Drives a new session to the point where every service serves.
fn serving() -> State {
    let mut state = state();
    state.update(at(1), Event::Loaded { edit: 0, app: chain(), diagnostics: Vec::new() });
    state.update(at(2), Event::Opened { ground: "process", front: ([127, 0, 0, 1], 8080).into(), seats: seats() });
    state.update(at(3), Event::Prepared { edit: 0 });
    for service in ["get", "map"] {
        state.update(at(4), Event::Started { service: service.to_owned() });
        state.update(at(5), Event::Built { edit: 0, service: service.to_owned(), artifact: artifact(service) });
    }
    for service in ["get", "map"] {
        state.update(
            at(6),
            Event::Live {
                edit: 0,
                service: service.to_owned(),
                version: format!("{service}@00000001"),
                states: BTreeMap::new(),
            },
        );
    }
    assert!(state.ready);
    state
}

#[test]
fn the_ground_opens_while_dependencies_are_built() {
    let effects = state().update(at(1), Event::Loaded { edit: 0, app: chain(), diagnostics: Vec::new() });
    assert!(matches!(effects[..], [Effect::Open { .. }, Effect::Prepare { .. }, Effect::Watch { .. }]), "{effects:?}");
}

#[test]
fn every_host_is_told_its_route_and_its_peers() {
    let mut state = state();
    state.update(at(1), Event::Loaded { edit: 0, app: chain(), diagnostics: Vec::new() });
    let effects =
        state.update(at(2), Event::Opened { ground: "process", front: ([127, 0, 0, 1], 8080).into(), seats: seats() });
    let configs = effects.iter().map(|effect| match effect {
        Effect::Start { config, .. } => config,
        other => panic!("{other:?}"),
    });
    let configs: Vec<_> = configs.collect();
    assert_eq!(configs.iter().map(|config| config.route.as_deref()).collect::<Vec<_>>(), [Some(""), Some("get")]);
    assert_eq!(
        configs[0].peers["map"],
        Peer { address: "127.0.0.1:4002".to_owned(), host: "map".to_owned(), inputs: vec!["value".to_owned()] }
    );
    assert!(configs.iter().all(|config| config.library.is_none() && config.token == "secret"));
    assert_eq!(configs[1].front, Some(([127, 0, 0, 1], 8080).into()));
}

#[test]
fn a_library_is_taken_over_whichever_comes_first_host_or_library() {
    for host_first in [true, false] {
        let mut state = state();
        state.update(at(1), Event::Loaded { edit: 0, app: chain(), diagnostics: Vec::new() });
        state.update(at(2), Event::Opened { ground: "process", front: ([127, 0, 0, 1], 8080).into(), seats: seats() });
        let started = Event::Started { service: "map".to_owned() };
        let built = Event::Built { edit: 0, service: "map".to_owned(), artifact: artifact("map") };
        let (first, second) = if host_first { (started, built) } else { (built, started) };
        let swaps = |effects: &[Effect]| effects.iter().filter(|effect| matches!(effect, Effect::Swap { .. })).count();
        assert_eq!(swaps(&state.update(at(3), first)), 0);
        let effects = state.update(at(4), second);
        assert_eq!(swaps(&effects), 1);
        let told = effects.iter().find_map(|effect| match effect {
            Effect::Swap { config, .. } => config.library.clone(),
            _ => None,
        });
        assert_eq!(told.as_deref(), Some("lib-map.so"));
    }
}

#[test]
fn ready_is_said_once_with_every_service() {
    let mut state = serving();
    let again = state.update(
        at(9),
        Event::Live { edit: 0, service: "map".to_owned(), version: "map@00000001".to_owned(), states: BTreeMap::new() },
    );
    assert_eq!(again, []);
    let Some(Report::Ready { url, ground, services, .. }) = state.ready_report(at(7)) else { panic!("not ready") };
    assert_eq!((url.as_str(), ground.as_str()), ("http://127.0.0.1:8080/", "process"));
    assert_eq!(
        services.iter().map(|known| known.url.as_str()).collect::<Vec<_>>(),
        ["http://127.0.0.1:4001/", "http://127.0.0.1:4002/"]
    );
}

#[test]
fn what_dies_is_started_again_after_a_pause_that_grows_while_it_keeps_dying() {
    let mut state = serving();
    let mut pauses = Vec::new();
    for crash in 0..8_u64 {
        let effects =
            state.update(at(100 + crash), Event::Down { service: "map".to_owned(), why: "killed".to_owned() });
        let Some(Effect::Restart { after, .. }) = effects.last() else { panic!("{effects:?}") };
        pauses.push(after.as_millis());
    }
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    let effects = state.update(at(60_000), Event::Down { service: "map".to_owned(), why: "killed".to_owned() });
    assert!(matches!(effects.last(), Some(Effect::Restart { after, .. }) if *after == FIRST_PAUSE), "{effects:?}");
}

#[test]
fn a_broken_start_reports_and_ends_and_nothing_follows_a_close() {
    let mut state = state();
    let place = Place { file: Path::new("chain.rs").to_owned(), line: 1, column: 1, end_line: 1, end_column: 2 };
    let diagnostic =
        Diagnostic { severity: Severity::Error, message: "wrong".to_owned(), place, help: None, service: None, related: Vec::new() };
    let effects = state.update(at(1), Event::Loaded { edit: 0, app: chain(), diagnostics: vec![diagnostic] });
    assert!(
        matches!(effects[..], [Effect::Report(Report::Broken { .. }), Effect::Close, Effect::Watch { .. }]),
        "{effects:?}"
    );
    assert_eq!(state.update(at(2), Event::Prepared { edit: 0 }), []);
    assert_eq!(state.update(at(3), Event::Interrupted), []);
    assert_eq!(state.update(at(4), Event::Closed), [Effect::Report(Report::Stopped)]);
}
