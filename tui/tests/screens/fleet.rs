//! The fleet of this machine, over the panes.

use std::sync::Arc;

use crossterm::event::KeyCode;
use tui::{Action, Overlay, ViewInput};

use crate::drawn::{COLOUR, Screen};
use crate::made;

#[test]
fn the_fleet_lies_over_the_panes_as_long_as_it_is_looked_at() {
    let mut screen = Screen::new(made::serving(), COLOUR, (120, 30));
    assert_eq!(screen.press("F"), [Action::Fleet]);
    assert!(screen.text().contains("asking the agent of this machine"), "{}", screen.text());
    let tell = |screen: &mut Screen, lines: &[&str]| {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(screen.take(ViewInput::Fleet(Arc::new(lines))), []);
    };
    tell(&mut screen, &["fleet plant, seen from edge-1", "  banner/banner  away 150/s (150/s to edge-2)"]);
    assert!(screen.text().contains("150/s to edge-2"), "{}", screen.text());
    tell(&mut screen, &["fleet plant, seen from edge-1", "  banner/banner  away 0/s"]);
    assert!(!screen.text().contains("edge-2"), "the latest is shown");
    // The key that opened it closes it, and so does the one that goes back.
    assert_eq!(screen.press("F"), []);
    assert!(screen.model.overlay.is_none() && screen.text().contains("1 Flow"), "{}", screen.text());
    assert_eq!(screen.press("F"), [Action::Fleet]);
    assert!(screen.text().contains("asking the agent"), "what was told before is old");
    screen.key(KeyCode::Esc.into());
    assert!(screen.model.overlay.is_none());
    // What comes late changes nothing that is seen.
    tell(&mut screen, &["late"]);
    assert!(!screen.text().contains("late"));
    assert_eq!(screen.press("?F"), [], "help has the screen");
    assert!(matches!(screen.model.overlay, Some(Overlay::Help { .. })));
}

#[test]
fn a_fleet_that_is_longer_than_the_screen_is_scrolled() {
    let mut screen = Screen::new(made::serving(), COLOUR, (80, 24));
    screen.press("F");
    let lines = (0..100).map(|at| format!("node-{at}-")).collect();
    screen.take(ViewInput::Fleet(Arc::new(lines)));
    assert!(screen.text().contains("node-0-") && !screen.text().contains("node-99-"));
    screen.press("G");
    assert!(screen.text().contains("node-99-") && !screen.text().contains("node-0-"), "{}", screen.text());
    screen.press("g");
    assert!(screen.text().contains("node-0-"));
}
