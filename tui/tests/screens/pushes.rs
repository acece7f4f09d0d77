//! Pushes and rollbacks: how they look, and what keys do to them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use session_api::command::{Goal, Then};
use session_api::push::{PushAct as Deed, PushTarget, PushView, Roll, RollState, Stage};
use session_api::{Command, Snapshot};
use tui::{Action, Overlay, ViewInput};

use crate::drawn::{COLOUR, Screen};
use crate::made;

const SIZES: [(u16, u16); 3] = [(120, 30), (80, 24), (60, 16)];

fn roll(name: &str, what: &str, reasons: &[&str], state: RollState) -> Roll {
    let changed = what != "unchanged";
    Roll {
        name: name.into(),
        what: what.into(),
        reasons: reasons.iter().map(|reason| (*reason).into()).collect(),
        before: Some(format!("{name}@1f2e3d")),
        version: Some(format!("{name}@{}", if changed { "77c0de" } else { "1f2e3d" })),
        image: changed.then(|| format!("localhost:5000/building:{name}-place-9a8b7c6d5e4f3a2b")),
        replicas: 2,
        bytes: if changed { 242_000 } else { 0 },
        state,
        ..Roll::default()
    }
}

/// A push of two services of the chain.
fn push(stage: Stage, map: RollState, average: RollState) -> PushView {
    PushView {
        push: 1,
        edit: 12,
        at_ms: 750_000,
        stage,
        target: Some(PushTarget {
            context: "k3s".into(),
            namespace: "building".into(),
            server: "https://10.0.0.1:6443".into(),
            cluster: "3f2a99c1".into(),
        }),
        services: vec![
            roll("get", "unchanged", &[], RollState::Waiting),
            roll("filter", "unchanged", &[], RollState::Waiting),
            roll("map", "changed", &["const FACTOR changed"], map),
            roll("moving_avg", "changed", &["helper scale() changed"], average),
        ],
        layers: 2,
        bytes: 484_000,
        ..PushView::default()
    }
}

fn asking() -> PushView {
    push(Stage::Asking, RollState::Built { ms: 512.0 }, RollState::Built { ms: 498.0 })
}

fn rolling() -> PushView {
    let why = Some("image cannot be pulled: connection refused".to_owned());
    push(Stage::Underway, RollState::Live { ms: 2_140.0 }, RollState::Rolling { ready: 1, wanted: 2, old: 1, why })
}

fn failed() -> PushView {
    let lines = vec!["thread 'main' panicked".to_owned(), "no way".to_owned()];
    let why = "a container ended with exit code 7".to_owned();
    let stage = Stage::Failed {
        why: format!("cannot roll moving_avg out: {why}"),
        hint: Some("what ran before runs again; mend it and push again".into()),
        put_back: true,
    };
    push(stage, RollState::PutBack, RollState::Failed { why, lines, put_back: true })
}

fn live(number: u32) -> PushView {
    let stage = Stage::Live { number, sent: 484_000, ms: 5_230.0 };
    push(stage, RollState::Live { ms: 2_140.0 }, RollState::Live { ms: 1_960.0 })
}

fn with(pushes: Vec<PushView>) -> Snapshot {
    Snapshot { pushes, cluster: Some("k3s".into()), ..made::serving() }
}

#[test]
fn the_plan_the_progress_and_the_end() {
    for (name, shown) in [("asks", asking()), ("rolling", rolling()), ("failed", failed()), ("live", live(4))] {
        for (width, height) in SIZES {
            let mut screen = Screen::new(with(vec![shown.clone()]), COLOUR, (width, height));
            screen.model.overlay = Some(Overlay::Push { scroll: 0 });
            insta::assert_snapshot!(format!("push_{name}_{width}x{height}"), screen.text());
        }
    }
}

#[test]
fn pushes_stand_among_the_edits() {
    let mut screen =
        Screen::new(with(vec![live(4), PushView { push: 2, at_ms: 752_000, ..rolling() }]), COLOUR, (120, 30));
    insta::assert_snapshot!("push_timeline_120x30", screen.text());
    screen.press("3e");
    insta::assert_snapshot!("push_detail_120x30", screen.text());
}

#[test]
fn a_key_asks_for_a_push_and_answers_it() {
    let mut screen = Screen::new(with(Vec::new()), COLOUR, (120, 30));
    let wanted = Command::Push { goal: Goal::default(), services: Vec::new(), with_dependents: false, then: Then::Ask };
    assert_eq!(screen.press("p"), [Action::Say(wanted)]);
    assert!(screen.text().contains("the cluster is asked"));
    screen.snapshot.pushes = vec![asking()];
    // What the session answers is what is shown already.
    screen.take(ViewInput::Answered { title: "push".into(), lines: Vec::new() });
    assert!(screen.text().contains("push?  y yes, n no"), "{}", screen.text());
    assert_eq!(screen.press("y"), [Action::Say(Command::Decide { push: 1, yes: true })]);
    assert_eq!(screen.press("n"), [Action::Say(Command::Decide { push: 1, yes: false })]);
    assert_eq!(screen.model.overlay, None);
}

#[test]
fn a_push_that_is_refused_is_said_and_shows_nothing() {
    let mut screen = Screen::new(with(vec![live(4)]), COLOUR, (120, 30));
    screen.press("p");
    screen.take(ViewInput::Answered { title: "push".into(), lines: vec!["the file does not build".into()] });
    assert_eq!(screen.model.overlay, None);
    assert!(screen.text().contains("the file does not build"));
    screen.press("::push map\n");
    assert!(matches!(screen.model.overlay, Some(Overlay::Push { .. })));
}

#[test]
fn only_the_second_key_stops_a_push() {
    let mut screen = Screen::new(with(vec![rolling()]), COLOUR, (120, 30));
    screen.press("p");
    assert_eq!(screen.key(KeyCode::Esc.into()), []);
    assert!(screen.text().contains("once more has the push stop where it is"), "{}", screen.text());
    // Another key in between, and it is the first again.
    screen.press("j");
    assert_eq!(screen.key(KeyCode::Esc.into()), []);
    assert_eq!(screen.key(KeyCode::Esc.into()), [Action::Say(Command::StopPush)]);
    let control_c = || KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen.key(control_c()), []);
    assert_eq!(screen.key(control_c()), [Action::Quit]);
    // Put aside it goes on, and its place is the header.
    screen.press("p");
    assert_eq!(screen.model.overlay, None);
    assert!(screen.text().lines().next().is_some_and(|header| header.contains("push rolling 1/2")));
    assert_eq!(screen.press("q"), []);
    assert_eq!(screen.press("q"), [Action::Quit]);
}

#[test]
fn undo_takes_back_what_was_done_last() {
    let mut screen = Screen::new(with(vec![live(4)]), COLOUR, (120, 30));
    let goal = Goal { context: Some("k3s".into()), namespace: Some("building".into()) };
    let back = Command::Rollback { goal, service: None, to: None, undoes: Some(4), then: Then::Ask };
    assert_eq!(screen.press("u"), [Action::Say(back)]);
    // What was rolled back is not undone once more: the edit before it is.
    let rollback = PushView { push: 2, act: Deed::Rollback { to: Some(3) }, at_ms: 752_000, ..live(5) };
    let mut screen = Screen::new(with(vec![live(4), rollback]), COLOUR, (120, 30));
    assert_eq!(screen.press("u"), [Action::Say(Command::Undo)]);
    // A push that did not get there changed nothing.
    let mut screen = Screen::new(with(vec![failed()]), COLOUR, (120, 30));
    assert_eq!(screen.press("u"), [Action::Say(Command::Undo)]);
}

#[test]
fn the_bottom_line_names_the_key_only_where_it_works() {
    let names = |snapshot: Snapshot| {
        let text = Screen::new(snapshot, COLOUR, (240, 50)).text();
        text.lines().last().expect("a bottom line").contains(" p push ")
    };
    assert!(names(with(Vec::new())));
    assert!(!names(made::serving()), "no cluster is known");
    assert!(!names(Snapshot { cluster: Some("k3s".into()), ..made::broken() }), "the file is broken");
}
