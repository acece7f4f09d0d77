//! What keys do.

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use serde_json::json;
use session_api::Command;
use session_api::verdict::{Changed, FunctionVerdict, Judgement, Verdict};
use tui::{Action, Overlay, Pane, Scope, ViewInput};

use crate::drawn::{COLOUR, Screen};
use crate::made;

fn serving(size: (u16, u16)) -> Screen {
    Screen::new(made::serving(), COLOUR, size)
}

#[test]
fn digits_and_tab_go_through_the_panes() {
    let mut screen = serving((120, 30));
    screen.press("4");
    assert_eq!(screen.model.focus, Pane::Logs);
    screen.key(KeyCode::Tab.into());
    assert_eq!(screen.model.focus, Pane::Flow);
    screen.key(KeyCode::BackTab.into());
    assert_eq!(screen.model.focus, Pane::Logs);
    screen.press("9");
    assert_eq!(screen.model.focus, Pane::Logs, "there is no ninth pane");
}

#[test]
fn escape_goes_back_step_by_step_and_never_out() {
    let mut screen = serving((120, 30));
    screen.press("2e/map\n4/kept\nk?");
    let mut steps = 0;
    loop {
        let before = format!("{:?}", screen.model);
        assert_eq!(screen.key(KeyCode::Esc.into()), [], "esc wants nothing done");
        if before == format!("{:?}", screen.model) {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 5, "help, search, the line, the filter, the expanded pane");
    assert!(screen.model.filter.is_empty() && !screen.model.expanded && screen.model.overlay.is_none());
}

#[test]
fn the_time_window_stays_within_those_there_are() {
    let mut screen = serving((120, 30));
    assert!(screen.text().contains("last 10 seconds"));
    screen.press("+");
    assert!(screen.text().contains("last 1 minute"));
    screen.press("+++++");
    assert!(screen.text().contains("last 5 minutes"));
    screen.press("------");
    assert_eq!(screen.model.window, 0);
}

#[test]
fn the_bottom_line_says_whose_services_are_shown() {
    let mut screen = serving((120, 30));
    assert_eq!(screen.press("c"), [Action::Cluster(true)]);
    assert_eq!(screen.model.scope, Scope::Asking);
    assert!(screen.text().contains("asking the cluster"));
    screen.take(ViewInput::Shows(Scope::Cluster));
    let text = screen.text();
    let bottom = text.lines().last().unwrap_or_default().to_owned();
    assert!(bottom.starts_with(" cluster ") && bottom.contains(" c local "), "{bottom}");
    assert!(!bottom.contains("invoke"), "what is called is what runs here: {bottom}");
    screen.press("f");
    assert_eq!(screen.press("c"), [], "a picture that stands still is of one backend");
    screen.press("f");
    assert_eq!(screen.press("c"), [Action::Cluster(false)]);
    assert_eq!(screen.model.scope, Scope::Here);
    assert_eq!([screen.press("c"), screen.press("c")], [[Action::Cluster(true)], [Action::Cluster(false)]], "given up");
}

#[test]
fn a_service_is_invoked_by_the_prompt() {
    let mut screen = serving((80, 24));
    screen.press("gj");
    let asked = screen.press("i");
    assert_eq!(asked, [Action::Complete { text: "filter ".into(), cursor: 7 }]);
    let ran = screen.press("{}\n");
    assert_eq!(ran.last(), Some(&Action::Run("filter {}".into())));
    screen.take(ViewInput::Answered { title: "filter {}".into(), lines: vec!["{".into(), "}".into()] });
    assert!(matches!(screen.model.overlay, Some(Overlay::Output { .. })));
    assert_eq!(screen.press("y"), [Action::Copy("{\n}".into())]);
}

#[test]
fn an_edit_says_what_it_changed_and_recorded_inputs_run_again() {
    let mut screen = serving((200, 40));
    assert_eq!(screen.press("r"), [], "no edit was judged yet");
    let changed = Changed { at: 7, path: "/value".into(), was: Some(json!(2.5)), now: Some(json!(5.0)) };
    let findings =
        FunctionVerdict { recorded: 50, same: 47, differ: 3, changed: vec![changed], ..FunctionVerdict::default() };
    let verdict = Verdict { service: "map".into(), findings, ..Verdict::default() };
    let edit = screen.snapshot.edits.last_mut().expect("an edit");
    edit.judgement = Some(Judgement::Done { verdicts: vec![verdict] });
    assert!(screen.text().contains("changed 3 of 50, first /value: was 2.5, now 5.0"), "{}", screen.text());
    assert_eq!(screen.press("r"), [Action::Say(Command::Replay { name: None })]);
}

#[test]
fn keys_that_act_say_what_they_want_done() {
    let mut screen = serving((80, 24));
    assert_eq!(screen.press("u"), [Action::Say(Command::Undo)]);
    assert_eq!(screen.press("s"), [Action::Shell]);
    assert_eq!(screen.press("m"), [Action::Mouse(false)]);
    assert_eq!(screen.press("L"), [Action::OpenPager { service: Some("map".into()) }]);
    assert_eq!(screen.press("ff"), [Action::Freeze(true), Action::Freeze(false)]);
    assert_eq!(screen.press("q"), [Action::Quit]);
    let quit = crossterm::event::KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(screen.key(quit), [Action::Quit]);
}

#[test]
fn the_place_of_the_chosen_diagnostic_is_opened() {
    let mut screen = Screen::new(made::broken(), COLOUR, (80, 24));
    let file = std::path::PathBuf::from("examples/building.rs");
    assert_eq!(screen.press("o"), [Action::OpenEditor { file: file.clone(), line: 5, column: 10 }]);
    assert_eq!(screen.press("jo"), [Action::OpenEditor { file, line: 1, column: 5 }]);
}

#[test]
fn warnings_wait_until_they_are_asked_for() {
    let mut snapshot = made::broken();
    snapshot.diagnostics.remove(0);
    let mut screen = Screen::new(snapshot, COLOUR, (80, 24));
    assert!(!screen.text().contains("unused import"));
    screen.press("3");
    assert!(screen.text().contains("1 diagnostic, enter reads"));
    screen.press("\n");
    assert!(screen.text().contains("warning: unused import"));
    screen.key(KeyCode::Esc.into());
    assert!(!screen.text().contains("unused import"));
}

#[test]
fn the_latest_edit_chooses_the_service_until_the_user_does() {
    let mut screen = serving((80, 24));
    assert!(screen.text().contains("▸● map"));
    assert!(screen.text().contains("p50 1.20 ms -> 1.40 ms (n 400 / 380)  slower"));
    screen.press("k");
    assert!(screen.text().contains("▸● filter"));
}

#[test]
fn a_search_goes_from_match_to_match_and_around() {
    let mut screen = serving((80, 24));
    screen.press("4/kept\n");
    let last = screen.model.logs.at;
    assert_eq!(last, Some(37), "the last that matches");
    screen.press("N");
    assert_eq!(screen.model.logs.at, Some(33));
    screen.press("nn");
    assert_eq!(screen.model.logs.at, Some(1), "after the last comes the first");
    screen.press("/nothing has this\n");
    assert!(screen.text().contains("no line has \"nothing has this\""));
}

#[test]
fn logs_of_one_service_and_of_one_request() {
    let mut screen = serving((120, 30));
    screen.press("4l");
    assert_eq!(screen.model.logs.service.as_deref(), Some("get"));
    screen.press("h");
    assert_eq!(screen.model.logs.service, None);
    screen.press("2ehh");
    assert_eq!(screen.model.trace, 1);
    screen.press("l\n");
    assert_eq!(screen.model.logs.trace, Some(screen.snapshot.traces[2].id.clone()));
    let text = screen.text();
    assert!(text.contains("kept 237") && !text.contains("converted"), "{text}");
}

#[test]
fn a_click_chooses_and_the_wheel_moves() {
    let mut screen = serving((120, 30));
    let text = screen.text();
    let row = text.lines().position(|line| line.starts_with(" ● filter")).expect("filter is listed");
    let mouse = |kind| ViewInput::Mouse(MouseEvent { kind, column: 5, row: row as u16, modifiers: KeyModifiers::NONE });
    screen.take(mouse(MouseEventKind::Down(MouseButton::Left)));
    assert_eq!(screen.model.service.as_deref(), Some("filter"));
    screen.take(mouse(MouseEventKind::ScrollUp));
    assert_eq!(screen.model.service.as_deref(), Some("get"));
}

#[test]
fn a_frozen_picture_shows_no_later_line() {
    let mut screen = serving((80, 24));
    screen.press("4f");
    let before = screen.text();
    screen.log("later than the picture");
    assert_eq!(screen.text(), before);
    screen.press("f");
    assert!(screen.text().contains("later than the picture"));
}

#[test]
fn command_runs_with_and_without_a_colon_of_its_own() {
    let mut screen = serving((80, 24));
    for typed in [":undo\n", "::undo\n"] {
        let ran = screen.press(typed);
        assert_eq!(ran.last(), Some(&Action::Run(":undo".into())), "{typed}");
    }
    assert_eq!(screen.press(":map {}\n").last(), Some(&Action::Run("map {}".into())));
}

#[test]
fn completion_is_taken_by_tab() {
    let mut screen = serving((80, 24));
    assert_eq!(screen.press(":m").len(), 2);
    let found = tui::Completions { start: 0, words: vec!["map".into(), "moving_avg".into()] };
    screen.take(ViewInput::Completions { text: "m".into(), found: found.clone() });
    assert!(screen.text().contains(" map moving_avg"));
    screen.key(KeyCode::Tab.into());
    screen.key(KeyCode::Tab.into());
    assert!(screen.text().contains(":moving_avg"));
    screen.take(ViewInput::Completions { text: "late".into(), found: tui::Completions::default() });
    assert_eq!(screen.model.prompt.as_ref().map(|prompt| prompt.completions.clone()), Some(found));
}

#[test]
fn every_key_that_the_bottom_line_names_does_something() {
    let sessions = [made::starting(), made::serving(), made::broken(), made::many(1), session_api::Snapshot::default()];
    for snapshot in sessions {
        for situation in ["1", "2", "2e", "3", "4", "4/kept\n", "?", "+", "f", "/map\n", "/no such\n"] {
            let mut screen = Screen::new(snapshot.clone(), COLOUR, (240, 50));
            screen.press(situation);
            let text = screen.text();
            let bottom = text.lines().last().expect("a bottom line");
            let hints: Vec<_> = bottom.split("  ").filter(|hint| !hint.trim().is_empty()).collect();
            assert!(hints.len() >= 3, "{bottom}");
            for hint in hints {
                let code = match hint.trim().split(' ').next().expect("a key") {
                    "esc" => KeyCode::Esc,
                    "tab" => KeyCode::Tab,
                    "enter" => KeyCode::Enter,
                    key => KeyCode::Char(key.chars().next().expect("a character")),
                };
                let mut pressed = Screen::new(snapshot.clone(), COLOUR, (240, 50));
                pressed.press(situation);
                let before = format!("{:?}", pressed.model);
                let acts = pressed.key(code.into());
                assert!(!acts.is_empty() || before != format!("{:?}", pressed.model), "{hint} in {situation}");
            }
        }
    }
}
