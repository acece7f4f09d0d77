//! Pushes in a session's state.

use std::time::Duration;

use kubernetes::push::PushEvent as Progress;
use session_api::Report;
use session_api::push::{PushAct, PushView, Roll, RollState, Stage};

use crate::effect::Effect;
use crate::event::{Event, News};
use crate::state::{Settings, State};

const NOW: Duration = Duration::from_millis(1500);

fn state() -> State {
    let settings = Settings {
        token: String::new(),
        limits: protocol::Limits::default(),
        names: Default::default(),
        waits: true,
        debug: false,
    };
    let mut state = State::new(settings);
    let loaded = Event::Loaded {
        edit: 0,
        app: std::sync::Arc::default(),
        diagnostics: Vec::new(),
        environments: Default::default(),
    };
    state.update(Duration::ZERO, loaded);
    state
}

fn tell(state: &mut State, push: u64, news: News) -> Vec<Report> {
    let effects = state.update(NOW, Event::Push { push, news: Box::new(news) });
    let report = |effect| match effect {
        Effect::Report(report) => Some(report),
        _ => None,
    };
    effects.into_iter().filter_map(report).collect()
}

fn prepared(names: &[&str], next: Stage) -> News {
    let services =
        names.iter().map(|name| Roll { name: (*name).to_owned(), what: "changed".to_owned(), ..Roll::default() });
    News::Prepared {
        act: PushAct::Push,
        services: services.collect(),
        layers: 1,
        bytes: 2000,
        unfinished: false,
        notes: Vec::new(),
        next,
    }
}

fn last(state: &State) -> PushView {
    state.picture(NOW).pushes.last().cloned().unwrap()
}

#[test]
fn a_push_is_prepared_asked_about_carried_out_and_told() {
    let mut state = state();
    assert_eq!(state.begin_push(NOW, PushAct::Push).unwrap().push, 1);
    assert!(state.begin_push(NOW, PushAct::Push).is_err(), "one at a time");
    let built = Progress::Built { service: "map".to_owned(), version: String::new(), bytes: 1, ms: 7.0 };
    tell(&mut state, 1, News::Progress(built));
    assert!(matches!(&tell(&mut state, 1, prepared(&["map"], Stage::Asking))[..], [Report::Plan { .. }]));
    // What was known of a service while the plan was made stays with it.
    assert_eq!(last(&state).services[0].state, RollState::Built { ms: 7.0 });
    assert!(!state.decide_push(2, true) && state.decide_push(1, true) && !state.decide_push(1, true));
    assert!(state.begin_push(NOW, PushAct::Push).is_err(), "what was said yes to goes on");
    let rolling = Progress::Rolling { service: "map".to_owned(), ready: 1, wanted: 2, old: 1, why: None };
    let told = tell(&mut state, 1, News::Progress(rolling));
    assert!(matches!(&told[..], [Report::Pushing { push: 1, state: RollState::Rolling { ready: 1, .. }, .. }]));
    let live = Stage::Live { number: 4, sent: 2000, ms: 900.0 };
    assert!(matches!(&tell(&mut state, 1, News::Ended(live))[..], [Report::Pushed { .. }]));
    assert_eq!((last(&state).number(), last(&state).ended_ms), (Some(4), Some(1500)));
    // One that is over tells nothing any more.
    assert_eq!(tell(&mut state, 1, News::Ended(Stage::Stopped)), []);
    assert_eq!(last(&state).number(), Some(4));
}

#[test]
fn one_that_nobody_answers_gives_way_and_one_that_fails_says_why() {
    let mut state = state();
    state.begin_push(NOW, PushAct::Push).unwrap();
    tell(&mut state, 1, prepared(&["get", "map"], Stage::Asking));
    state.begin_push(NOW, PushAct::Rollback { to: None }).unwrap();
    assert!(matches!(state.push(1).unwrap().stage, Stage::Declined { .. }));
    tell(&mut state, 2, prepared(&["get", "map"], Stage::Underway));
    let failed = |service: &str| Progress::Failed {
        service: service.to_owned(),
        why: "exit code 7".to_owned(),
        lines: vec!["no way".to_owned()],
    };
    tell(&mut state, 2, News::Progress(failed("map")));
    for service in ["get", "map"] {
        tell(&mut state, 2, News::Progress(Progress::RollingBack { service: service.to_owned() }));
    }
    let push = last(&state);
    assert_eq!(push.services[0].state, RollState::PutBack);
    let state = &push.services[1].state;
    assert_eq!(state.to_string(), "failed and put back: exit code 7");
    assert!(matches!(state, RollState::Failed { lines, .. } if lines == &["no way"]));
}

#[test]
fn a_broken_file_is_not_pushed_and_what_ran_before_can_be_put_back_all_the_same() {
    let mut state = state();
    let wrong = app::Diagnostic::error("no".to_owned(), app::SourcePlace::start_of(std::path::Path::new("app.rs")));
    state.update(NOW, Event::Saved { settled: Duration::ZERO, files: std::collections::BTreeSet::new() });
    state.update(
        NOW,
        Event::Loaded {
            edit: 1,
            app: std::sync::Arc::default(),
            diagnostics: vec![wrong],
            environments: Default::default(),
        },
    );
    assert!(state.begin_push(NOW, PushAct::Push).unwrap_err().contains("mend it"));
    assert_eq!(state.begin_push(NOW, PushAct::Rollback { to: None }).unwrap().push, 1);
}

#[test]
fn a_session_that_ends_tells_how_its_push_ended() {
    let mut state = state();
    state.begin_push(NOW, PushAct::Push).unwrap();
    tell(&mut state, 1, prepared(&["map"], Stage::Underway));
    state.update(NOW, Event::Interrupted);
    assert!(state.begin_push(NOW, PushAct::Push).is_err());
    let told = tell(&mut state, 1, News::Ended(Stage::Stopped));
    assert!(matches!(&told[..], [Report::Pushed { push }] if push.stage == Stage::Stopped));
}
