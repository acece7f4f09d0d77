//! Nothing that is pressed, pasted, clicked, resized or sent makes the view panic.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use session_api::Snapshot;
use tui::{Completions, Theme, ViewInput};

use crate::drawn::Screen;
use crate::made;

fn snapshot() -> impl Strategy<Value = Snapshot> {
    (0_usize..9, any::<bool>()).prop_map(|(which, late)| {
        let mut snapshot = match which {
            0 => made::starting(),
            1 => made::broken(),
            2 => made::down(),
            3 => made::joined(),
            4 => made::many(200),
            5 => made::many(1),
            6 => Snapshot::default(),
            7 => odd(),
            _ => made::serving(),
        };
        if late {
            snapshot.now_ms = 0;
        }
        snapshot
    })
}

/// Figures no session should ever send.
fn odd() -> Snapshot {
    let mut snapshot = made::broken();
    for place in snapshot.diagnostics.iter_mut().map(|finding| &mut finding.place) {
        (place.line, place.column, place.end_line, place.end_column) = (0, usize::MAX, 0, 0);
    }
    snapshot.services[0].name = "温度\u{1b}[31m\u{301}\n".into();
    snapshot.services[1].name.clear();
    snapshot.edges.reverse();
    let back = (snapshot.edges[0].to.clone(), snapshot.edges[0].from.clone());
    (snapshot.edges[1].from, snapshot.edges[1].to) = back;
    for hop in snapshot.hops.values_mut() {
        hop.per_second = vec![u32::MAX; 300];
        for window in &mut hop.windows {
            window.rate = f64::NAN;
            (window.function.p50, window.overhead.p50) = (u64::MAX, u64::MAX);
            window.histogram = vec![(u64::MAX, u64::MAX); 40];
        }
    }
    for span in snapshot.traces.iter_mut().flat_map(|trace| &mut trace.spans) {
        (span.start, span.total, span.function, span.depth) = (u64::MAX, u64::MAX, u64::MAX, u32::MAX);
    }
    for ms in snapshot.edits.iter_mut().filter_map(|edit| edit.ms.as_mut()) {
        (ms.parse, ms.build, ms.takeover, ms.total) = (f64::NAN, -1.0, f64::INFINITY, f64::MIN_POSITIVE);
    }
    snapshot
}

fn input() -> impl Strategy<Value = ViewInput> {
    let named = prop::sample::select(vec![
        KeyCode::Esc,
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::F(1),
    ]);
    let letter = prop::sample::select("?:/nN123456789hjklgGefisrpuoLymq+- aé温".chars().collect::<Vec<_>>());
    let code = prop_oneof![named, letter.prop_map(KeyCode::Char)];
    let modifiers = prop_oneof![9 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL)];
    let kind = prop::sample::select(vec![
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Moved,
    ]);
    let mouse = (kind, 0_u16..200, 0_u16..80);
    let words = prop::collection::vec("[a-zé温]{0,6}", 0..4);
    prop_oneof![
        12 => (code, modifiers).prop_map(|(code, modifiers)| ViewInput::Key(KeyEvent::new(code, modifiers))),
        2 => mouse.prop_map(|(kind, column, row)| {
            ViewInput::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
        }),
        3 => size().prop_map(|(width, height)| ViewInput::Resize(width, height)),
        1 => "\\PC{0,12}".prop_map(ViewInput::Paste),
        1 => Just(ViewInput::Tick),
        1 => (words.clone(), 0_usize..9).prop_map(|(words, start)| ViewInput::Completions {
            text: String::new(),
            found: Completions { start, words },
        }),
        1 => words.prop_map(|lines| ViewInput::Answered { title: "map".into(), lines }),
    ]
}

fn size() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        2 => (0_u16..4, 0_u16..4),
        2 => (30_u16..50, 5_u16..15),
        2 => (70_u16..90, 20_u16..28),
        2 => (110_u16..220, 26_u16..70),
        1 => (0_u16..300, 0_u16..120),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn no_storm_makes_it_panic(
        snapshots in prop::collection::vec(snapshot(), 1..4),
        inputs in prop::collection::vec(input(), 0..40),
        colour: bool,
        ascii: bool,
        begin in size(),
    ) {
        let mut screen = Screen::new(snapshots[0].clone(), Theme { colour, ascii }, begin);
        for (at, input) in inputs.into_iter().enumerate() {
            screen.snapshot = snapshots[at * snapshots.len() / 40].clone();
            screen.take(input);
            screen.text();
        }
    }
}

/// The picture of a size that is not the terminal's, as between a resize and what is told of it.
#[test]
fn a_picture_of_another_size_than_the_terminal() {
    for size in [(0, 0), (1, 1), (40, 10), (80, 24), (300, 100)] {
        let mut screen = Screen::new(made::serving(), crate::drawn::COLOUR, (80, 24));
        screen.model.size = size;
        screen.press(":map");
        assert_eq!(screen.text().lines().count(), 24);
    }
}
