use std::path::{Path, PathBuf};

use app::{Severity, SourcePlace, Sources};
use protocol::Peer;
use session_api::Fate;

use super::*;
use crate::effect::{Move, Swap};
use crate::event::Artifact;

pub(super) const CHAIN: &str = "use dyninka::prelude::*;
#[service] fn get() -> f64 { 1.0 }
#[service] fn map(value: f64) -> f64 { value * 2.0 }
#[dyninka::main] fn main() { get().map() }
";

fn chain() -> Arc<App> {
    read(CHAIN)
}

pub(super) fn read(text: &str) -> Arc<App> {
    let mut sources = Sources { root: PathBuf::from("chain.rs"), ..Sources::default() };
    sources.texts.insert(PathBuf::from("chain.rs"), Arc::from(text));
    let (app, diagnostics) = app::parse(&sources);
    assert_eq!(diagnostics, []);
    Arc::new(app)
}

pub(super) fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn endpoint(port: u16) -> HostEndpoint {
    HostEndpoint {
        listen: ([127, 0, 0, 1], port).into(),
        peer: format!("127.0.0.1:{port}"),
        here: ([127, 0, 0, 1], port).into(),
    }
}

fn opened() -> Event {
    Event::Opened(Opened {
        backend: "process",
        hosts_bind_front: true,
        leads_front: false,
        takes_in: true,
        front: ([127, 0, 0, 1], 8080).into(),
        front_at: Some("map".to_owned()),
        endpoints: BTreeMap::from([("get".to_owned(), endpoint(4001)), ("map".to_owned(), endpoint(4002))]),
    })
}

/// Services with their reasons, what is gone, and whether the flow changed.
pub(super) type Live<'a> = (Vec<(&'a str, &'a str)>, Vec<&'a str>, bool);

/// Plays the world: does what effects ask for, as if all went well, until nothing is asked any more.
pub(super) struct World {
    pub(super) state: State,
    pub(super) now: u64,
    pub(super) reports: Vec<Report>,
    /// Every other effect, in order.
    pub(super) asked: Vec<Effect>,
    /// Services whose build fails.
    broken: Vec<&'static str>,
    /// What comes of the check of an edit's flow; none: it takes longer than all else.
    check: fn(u64) -> Option<Event>,
    ports: u16,
}

impl World {
    pub(super) fn new() -> Self {
        let settings = Settings { token: "secret".to_owned(), ..Settings::default() };
        let state = State::new(settings);
        Self {
            state,
            now: 0,
            reports: Vec::new(),
            asked: Vec::new(),
            broken: Vec::new(),
            check: |edit| Some(Event::Checked { edit }),
            ports: 5000,
        }
    }

    /// A session that serves.
    pub(super) fn serving(text: &str) -> Self {
        let mut world = Self::new();
        let environments = Default::default();
        world.happens(Event::Loaded { edit: 0, app: read(text), diagnostics: Vec::new(), environments });
        assert!(world.state.ready, "{:#?}", world.state);
        world.reports.clear();
        world.asked.clear();
        world
    }

    pub(super) fn save(&mut self, text: &str) {
        let environments = self.state.environments.clone();
        self.save_with(text, environments);
    }

    /// A save after which services are to find these in their environment.
    pub(super) fn save_with(&mut self, text: &str, environments: Arc<Environments>) {
        self.happens(Event::Saved { settled: at(5), files: BTreeSet::new() });
        let edit = self.state.edit;
        self.happens(Event::Loaded { edit, app: read(text), diagnostics: Vec::new(), environments });
    }

    pub(super) fn happens(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.now += 1;
            for effect in self.state.update(at(self.now), event) {
                let answer = self.answers(&effect);
                match effect {
                    Effect::Report(report) => self.reports.push(report),
                    effect => self.asked.push(effect),
                }
                events.extend(answer);
            }
        }
    }

    fn answers(&mut self, effect: &Effect) -> Vec<Event> {
        let Effect::Renew(moves) = effect else { return self.answer(effect).into_iter().collect() };
        let renewed = moves.iter().map(|one| {
            let service = one.place.service.clone();
            let version = one.config.library.clone().unwrap_or_default();
            let states = one.states.iter().map(|state| (state.clone(), Fate::Carried { why: String::new() })).collect();
            Event::Renewed { service, came: Ok((version, states)), answered: at(100) }
        });
        renewed.collect()
    }

    fn answer(&mut self, effect: &Effect) -> Option<Event> {
        match effect {
            Effect::Open { app, .. } => {
                let names = app.0.services.iter().map(|service| service.name.clone());
                let endpoints = names
                    .map(|name| {
                        self.ports += 1;
                        (name, endpoint(self.ports))
                    })
                    .collect();
                let Event::Opened(opened) = opened() else { return None };
                Some(Event::Opened(Opened { endpoints, front_at: app.0.last().map(str::to_owned), ..opened }))
            }
            Effect::Prepare { edit, .. } => Some(Event::Prepared { edit: *edit, recipe: Recipe::default() }),
            Effect::Check { edit, .. } => (self.check)(*edit),
            Effect::Build { ticket, service, .. } if self.broken.contains(&service.as_str()) => {
                let (ticket, service, diagnostics) = (*ticket, Some(service.clone()), vec![finding("wrong")]);
                Some(Event::Broken { ticket, service, diagnostics })
            }
            Effect::Build { ticket, app, service } => {
                let meaning = &app.0.service(service)?.meaning[..8];
                let version = format!("{service}@{meaning}");
                let artifact = artifact(&version, &format!("/artifacts/{version}.so"));
                Some(Event::Built { ticket: *ticket, service: service.clone(), artifact })
            }
            Effect::Reserve { place } => {
                self.ports += 1;
                Some(Event::Reserved { service: place.service.clone(), endpoint: endpoint(self.ports) })
            }
            Effect::Start { config, .. } => Some(Event::Started { service: config.service.clone() }),
            Effect::Swap(swap) => {
                let (service, version) = (swap.config.service.clone(), swap.version.clone());
                Some(Event::Live { service, version, states: BTreeMap::new(), answered: at(0) })
            }
            Effect::Tell { config, .. } => {
                Some(Event::Told { service: config.service.clone(), config: config.clone(), trouble: None })
            }
            Effect::Rehouse { moves } => {
                let services = moves.iter().map(|one| (one.place.service.clone(), endpoint(one.at.port())));
                Some(Event::Rehoused { services: services.collect(), ms: 300.0 })
            }
            Effect::Remove { service, .. } => Some(Event::Removed { service: service.clone(), trouble: None }),
            _ => None,
        }
    }

    /// What was asked for, in short.
    pub(super) fn steps(&self) -> Vec<String> {
        let steps = self.asked.iter().filter_map(|effect| match effect {
            Effect::Build { service, .. } => Some(format!("build {service}")),
            Effect::Abandon { service } => Some(format!("abandon {service}")),
            Effect::Reserve { place } => Some(format!("endpoint {}", place.service)),
            Effect::Start { config, .. } => Some(format!("start {}", config.service)),
            Effect::Swap(swap) => Some(format!("swap {}", swap.config.service)),
            Effect::Tell { config, .. } => Some(format!("tell {}", config.service)),
            Effect::Rehouse { moves } => Some(format!("rehouse {}", names(moves))),
            Effect::Renew(moves) => Some(format!("renew {}", names(moves))),
            Effect::Remove { service, .. } => Some(format!("remove {service}")),
            Effect::Kill { service } => Some(format!("kill {service}")),
            Effect::Close => Some("close".to_owned()),
            _ => None,
        });
        steps.collect()
    }

    pub(super) fn live(&self) -> Option<Live<'_>> {
        self.reports.iter().rev().find_map(|report| match report {
            Report::Live { services, removed, flow, .. } => Some((
                services.iter().map(|taken| (taken.name.as_str(), taken.reason.as_str())).collect(),
                removed.iter().map(String::as_str).collect(),
                *flow,
            )),
            _ => None,
        })
    }
}

fn names(moves: &[Move]) -> String {
    moves.iter().map(|one| one.place.service.as_str()).collect::<Vec<_>>().join(" ")
}

/// A library that rests on nothing beside the app.
pub(super) fn artifact(version: &str, file: &str) -> Box<Artifact> {
    let (version, file, rests_on) = (version.to_owned(), PathBuf::from(file), BTreeSet::new());
    Box::new(Artifact { version, file, compiled: true, with: 1, ms: 50.0, rests_on, outside: String::new() })
}

fn finding(message: &str) -> Diagnostic {
    let place = SourcePlace { file: Path::new("chain.rs").to_owned(), line: 1, column: 1, end_line: 1, end_column: 2 };
    Diagnostic::error(message, place)
}

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
        Peer { address: "127.0.0.1:4002".to_owned(), host: "map".to_owned(), inputs: vec!["value".to_owned()] }
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
