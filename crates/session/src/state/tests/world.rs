//! A session in a world where all goes well, unless a test says otherwise.

use std::path::{Path, PathBuf};

use app::{SourcePlace, Sources};
use session_api::{Fate, MoveTimes};

use super::super::*;
use crate::effect::Move;
use crate::event::{Artifact, Carried};

pub(crate) const CHAIN: &str = "use dyninka::prelude::*;
#[service] fn get() -> f64 { 1.0 }
#[service] fn map(value: f64) -> f64 { value * 2.0 }
#[dyninka::main] fn main() { get().map() }
";

pub(super) fn chain() -> Arc<App> {
    read(CHAIN)
}

pub(crate) fn read(text: &str) -> Arc<App> {
    let mut sources = Sources { root: PathBuf::from("chain.rs"), ..Sources::default() };
    sources.texts.insert(PathBuf::from("chain.rs"), Arc::from(text));
    let (app, diagnostics) = app::parse(&sources);
    assert_eq!(diagnostics, []);
    Arc::new(app)
}

pub(in crate::state) fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn endpoint(port: u16) -> HostEndpoint {
    HostEndpoint {
        listen: ([127, 0, 0, 1], port).into(),
        peer: format!("127.0.0.1:{port}"),
        here: ([127, 0, 0, 1], port).into(),
    }
}

pub(super) fn opened() -> Event {
    Event::Opened(Opened {
        backend: "process",
        hosts_bind_front: true,
        leads_front: false,
        takes_in: true,
        moves: true,
        front: ([127, 0, 0, 1], 8080).into(),
        front_at: Some("map".to_owned()),
        endpoints: BTreeMap::from([("get".to_owned(), endpoint(4001)), ("map".to_owned(), endpoint(4002))]),
    })
}

/// Services with their reasons, what is gone, and whether the flow changed.
pub(in crate::state) type Live<'a> = (Vec<(&'a str, &'a str)>, Vec<&'a str>, bool);

/// Plays the world: does what effects ask for, as if all went well, until nothing is asked any more.
pub(in crate::state) struct World {
    pub(in crate::state) state: State,
    pub(in crate::state) now: u64,
    pub(in crate::state) reports: Vec<Report>,
    /// Every other effect, in order.
    pub(in crate::state) asked: Vec<Effect>,
    /// Services whose build fails.
    pub(in crate::state) broken: Vec<&'static str>,
    /// What comes of the check of an edit's flow; none: it takes longer than all else.
    pub(in crate::state) check: fn(u64) -> Option<Event>,
    /// Whether libraries are taken over.
    pub(in crate::state) swaps: bool,
    /// Whether services that are carried arrive.
    pub(in crate::state) carry: bool,
    /// Which of the answers under way comes next, of so many: the first, unless a test says otherwise.
    pub(in crate::state) next: Box<dyn FnMut(usize) -> usize>,
    ports: u16,
}

impl World {
    pub(in crate::state) fn new() -> Self {
        let settings = Settings { token: "secret".to_owned(), ..Settings::default() };
        let state = State::new(settings);
        Self {
            state,
            now: 0,
            reports: Vec::new(),
            asked: Vec::new(),
            broken: Vec::new(),
            check: |edit| Some(Event::Checked { edit }),
            swaps: true,
            carry: true,
            next: Box::new(|_| 0),
            ports: 5000,
        }
    }

    /// A session that serves.
    pub(in crate::state) fn serving(text: &str) -> Self {
        let mut world = Self::new();
        let environments = Default::default();
        world.happens(Event::Loaded { edit: 0, app: read(text), diagnostics: Vec::new(), environments });
        assert!(world.state.ready, "{:#?}", world.state);
        world.reports.clear();
        world.asked.clear();
        world
    }

    pub(in crate::state) fn save(&mut self, text: &str) {
        let environments = self.state.environments.clone();
        self.save_with(text, environments);
    }

    /// A save after which services are to find these in their environment.
    pub(in crate::state) fn save_with(&mut self, text: &str, environments: Arc<Environments>) {
        self.happens(Event::Saved { settled: at(5), files: BTreeSet::new() });
        let edit = self.state.edit;
        self.happens(Event::Loaded { edit, app: read(text), diagnostics: Vec::new(), environments });
    }

    pub(in crate::state) fn happens(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while !events.is_empty() {
            let next = (self.next)(events.len());
            let Some(event) = events.remove(next) else { return };
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
                let names = self.state.each(&app.0).into_iter().map(|one| one.name.into_owned());
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
            Effect::Start { config, .. } => Some(Event::Started { service: config.instance_name() }),
            Effect::Swap(swap) => {
                let (service, version) = (swap.config.instance_name(), swap.version.clone());
                self.swaps.then(|| Event::Live { service, version, states: BTreeMap::new(), answered: at(0) })
            }
            Effect::Tell { config, .. } => {
                Some(Event::Told { service: config.instance_name(), config: config.clone(), trouble: None })
            }
            Effect::Rehouse { moves } => {
                let services = moves.iter().map(|one| (one.place.service.clone(), endpoint(one.at.port())));
                Some(Event::Rehoused { services: services.collect(), ms: 300.0 })
            }
            Effect::Carry { carries, .. } => {
                let carried = carries.iter().map(|carry| {
                    self.ports += 1;
                    Carried {
                        service: carry.going.place.service.clone(),
                        endpoint: endpoint(self.ports),
                        to: carry.going.place.group.clone(),
                        config: protocol::Config { front: None, ..carry.going.config.clone() },
                        states: BTreeMap::new(),
                        ms: MoveTimes::default(),
                        trouble: None,
                    }
                });
                self.carry.then(|| Event::Carried { carried: carried.collect(), stayed: None })
            }
            Effect::Depart(_) => Some(Event::Departed { trouble: None }),
            Effect::Remove { service, .. } => Some(Event::Removed { service: service.clone(), trouble: None }),
            _ => None,
        }
    }

    /// What was asked for, in short.
    pub(in crate::state) fn steps(&self) -> Vec<String> {
        let steps = self.asked.iter().filter_map(|effect| match effect {
            Effect::Build { service, .. } => Some(format!("build {service}")),
            Effect::Abandon { service } => Some(format!("abandon {service}")),
            Effect::Reserve { place } => Some(format!("endpoint {}", place.service)),
            Effect::Start { config, .. } => Some(format!("start {}", config.instance_name())),
            Effect::Swap(swap) => Some(format!("swap {}", swap.config.instance_name())),
            Effect::Tell { config, .. } => Some(format!("tell {}", config.instance_name())),
            Effect::Rehouse { moves } => Some(format!("rehouse {}", names(moves))),
            Effect::Renew(moves) => Some(format!("renew {}", names(moves))),
            Effect::Carry { carries, .. } => {
                let going =
                    carries.iter().map(|carry| format!("{}>{}", carry.going.place.service, carry.going.place.group));
                Some(format!("carry {}", going.collect::<Vec<_>>().join(" ")))
            }
            Effect::Depart(departures) => {
                let left = departures.iter().map(|departure| format!("{}<{}", departure.service, departure.from));
                Some(format!("depart {}", left.collect::<Vec<_>>().join(" ")))
            }
            Effect::Settled { number, outcome: Ok(_) } => Some(format!("settled {number}")),
            Effect::Settled { number, outcome: Err(why) } => Some(format!("refused {number}: {why}")),
            Effect::Remove { service, .. } => Some(format!("remove {service}")),
            Effect::Kill { service } => Some(format!("kill {service}")),
            Effect::Close => Some("close".to_owned()),
            _ => None,
        });
        steps.collect()
    }

    pub(in crate::state) fn live(&self) -> Option<Live<'_>> {
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

pub(super) fn names(moves: &[Move]) -> String {
    moves.iter().map(|one| one.place.service.as_str()).collect::<Vec<_>>().join(" ")
}

/// A library that rests on nothing beside the app.
pub(in crate::state) fn artifact(version: &str, file: &str) -> Box<Artifact> {
    let (version, file, rests_on) = (version.to_owned(), PathBuf::from(file), BTreeSet::new());
    Box::new(Artifact { version, file, compiled: true, with: 1, ms: 50.0, rests_on, outside: String::new() })
}

pub(super) fn finding(message: &str) -> Diagnostic {
    let place = SourcePlace { file: Path::new("chain.rs").to_owned(), line: 1, column: 1, end_line: 1, end_column: 2 };
    Diagnostic::error(message, place)
}
