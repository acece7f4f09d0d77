//! Screens of hand-made sessions, in three sizes, with and without colour.

mod bytes;
mod data;
mod drawn;
mod fleet;
mod jobs;
mod keys;
mod made;
mod pushes;
mod storms;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use session_api::Snapshot;
use tui::Theme;

use drawn::{COLOUR, PLAIN, Screen};

/// All panes; list and detail; a line.
const SIZES: [(u16, u16); 3] = [(120, 30), (80, 24), (38, 9)];

/// Every size of a screen after some keys.
fn sizes(name: &str, snapshot: &Snapshot, keys: &str) {
    for (width, height) in SIZES {
        let mut screen = Screen::new(snapshot.clone(), COLOUR, (width, height));
        screen.press(keys);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), screen.text());
    }
}

#[test]
fn starting() {
    sizes("starting", &made::starting(), "");
}

#[test]
fn serving_under_load() {
    sizes("serving", &made::serving(), "");
}

#[test]
fn broken() {
    sizes("broken", &made::broken(), "");
}

#[test]
fn a_service_is_down() {
    sizes("down", &made::down(), "");
}

#[test]
fn an_open_circuit_and_retries_stand_beside_their_service() {
    let mut snapshot = made::serving();
    let [first, .., last] = &snapshot.services[..] else { panic!("a chain") };
    let (first, last) = (first.name.clone(), last.name.clone());
    snapshot.hops.entry(last).or_default().open = vec![first.clone()];
    snapshot.hops.entry(first.clone()).or_default().retries = 3;
    let text = Screen::new(snapshot, COLOUR, (160, 50)).text();
    assert!(text.contains(&format!("circuit to {first} open")) && text.contains("3x retried"), "{text}");
}

#[test]
fn two_chains_that_join() {
    sizes("joined", &made::joined(), "1");
}

#[test]
fn services_of_one_host_stand_under_a_bracket_and_hops_within_it_have_a_sign() {
    sizes("fused", &made::fused(), "");
    let mut screen = Screen::new(made::fused(), COLOUR, (120, 30));
    screen.press("2jjje");
    let text = screen.text();
    assert!(text.contains("move       p50 126 µs -> 5 µs (n 4000 / 1234)  faster"), "{text}");
}

#[test]
fn instances_of_a_service_are_counted_in_its_row_and_listed_beside_it() {
    sizes("several", &made::several(), "1jjjk");
    let mut screen = Screen::new(made::several(), COLOUR, (120, 30));
    screen.press("1jjjke");
    let text = screen.text();
    assert!(
        text.contains("1 of 3, map@") && text.contains("2 of 3, map@") && text.contains("restarted once"),
        "{text}"
    );
}

#[test]
fn two_hundred_services() {
    sizes("many", &made::many(200), "jjjjjjjjjjjjjjjjjjjjj");
}

#[test]
fn one_service() {
    sizes("one", &made::many(1), "");
}

#[test]
fn no_services() {
    sizes(
        "none",
        &Snapshot { app: "empty".into(), phase: session_api::snapshot::Phase::Serving, ..Snapshot::default() },
        "",
    );
}

#[test]
fn every_pane_in_detail() {
    for (name, keys) in [("flow", "1jjj"), ("hops", "2jj"), ("edits", "3"), ("logs", "4/kept\n")] {
        for (width, height) in [(120, 30), (80, 24), (60, 16)] {
            let mut screen = Screen::new(made::serving(), COLOUR, (width, height));
            screen.press(keys);
            if width != 80 {
                screen.press("e");
            }
            insta::assert_snapshot!(format!("{name}_detail_{width}x{height}"), screen.text());
        }
    }
}

#[test]
fn help() {
    for (width, height) in [(120, 40), (60, 16)] {
        let mut screen = Screen::new(made::serving(), COLOUR, (width, height));
        screen.press("?");
        insta::assert_snapshot!(format!("help_{width}x{height}"), screen.text());
    }
}

#[test]
fn only_ascii_where_it_is_asked_for() {
    for keys in ["", "1e", "2e", "3e", "4e", "?", ":map "] {
        for snapshot in [made::starting(), made::serving(), made::broken(), made::down(), made::joined(), made::fused()]
        {
            let mut screen = Screen::new(snapshot, Theme { colour: true, ascii: true }, (120, 30));
            screen.press(keys);
            let text = screen.text();
            assert!(text.is_ascii(), "{text}");
        }
    }
    let mut screen = Screen::new(made::joined(), Theme { colour: true, ascii: true }, (120, 30));
    screen.press("1");
    insta::assert_snapshot!("ascii_120x30", screen.text());
}

#[test]
fn looks() {
    for (name, theme) in [("colour", COLOUR), ("plain", PLAIN)] {
        for (about, snapshot) in [("serving", made::serving()), ("broken", made::broken()), ("down", made::down())] {
            let mut screen = Screen::new(snapshot, theme, (80, 24));
            insta::assert_snapshot!(format!("looks_{about}_{name}"), screen.looks());
        }
    }
}

#[test]
fn a_broken_edit_takes_the_screen_until_it_is_mended_or_put_aside() {
    let mut screen = Screen::new(made::broken(), COLOUR, (80, 24));
    assert!(screen.text().contains("error: no field `vlaue`"));
    screen.key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    assert!(!screen.text().contains("error: no field"));
    screen.snapshot.edit += 1;
    assert!(screen.text().contains("error: no field `vlaue`"), "the next broken edit is told again");
    screen.snapshot.diagnostics.clear();
    assert!(!screen.text().contains("error: no field"));
}
