//! Buckets: a row each, their copies by place, and the one that is entered.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui::{Action, Pane};

use crate::drawn::{COLOUR, Screen};
use crate::made;

fn escape(screen: &mut Screen) {
    screen.key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
}

#[test]
fn copies_stand_in_the_columns_of_their_places_and_alarms_come_first() {
    for (width, height) in [(170, 40), (120, 30), (80, 24), (60, 16)] {
        let mut screen = Screen::new(made::replicated(), COLOUR, (width, height));
        screen.press("6");
        insta::assert_snapshot!(format!("replicated_{width}x{height}"), screen.text());
    }
}

#[test]
fn a_bucket_is_entered_with_its_copies_and_its_route() {
    let mut screen = Screen::new(made::replicated(), COLOUR, (120, 30));
    screen.press("6");
    assert_eq!(screen.model.focus, Pane::Data);
    assert_eq!(screen.press("y"), [Action::Copy("held".to_owned())], "the first needs somebody");
    screen.press("\n");
    assert!(screen.text().contains("9 of 12 keys vanished"), "{}", screen.text());
    escape(&mut screen);
    screen.press("G\n");
    let text = screen.text();
    assert!(text.contains("bucket images") && text.contains("requests from outside: first among aws, hpc"), "{text}");
    assert!(text.contains("the door leads to aws at aws, hpc at hpc"), "{text}");
    assert!(text.contains("cc2  cc2-s3  behind 3  through 1201"), "{text}");
    escape(&mut screen);
    screen.press("/thumb\n");
    assert!(screen.text().contains("refusing 7") && !screen.text().contains("backups"), "{}", screen.text());
}

#[test]
fn without_buckets_there_is_no_sixth_pane() {
    let mut screen = Screen::new(made::serving(), COLOUR, (120, 30));
    screen.press("46");
    assert_eq!(screen.model.focus, Pane::Logs);
    screen.key(KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE));
    assert_eq!(screen.model.focus, Pane::Flow);
    assert!(!screen.text().contains("6 Data"), "{}", screen.text());
    let mut silent = made::replicated();
    if let Some(data) = &mut silent.data {
        data.why = Some("connection refused".into());
    }
    let mut screen = Screen::new(silent, COLOUR, (120, 30));
    screen.press("6");
    assert!(screen.text().contains("the data server does not answer: connection refused"), "{}", screen.text());
}
