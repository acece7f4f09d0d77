//! Durable jobs: a flood beside a quiet tenant, and what keys do to the chosen job.

use session_api::Command;
use tui::{Action, Pane};

use crate::drawn::{COLOUR, Screen};
use crate::made;

#[test]
fn a_flood_stands_beside_a_quiet_tenant() {
    for (width, height) in [(170, 40), (120, 30), (80, 24), (60, 16)] {
        let mut screen = Screen::new(made::flooded(), COLOUR, (width, height));
        screen.press("5");
        insta::assert_snapshot!(format!("flooded_{width}x{height}"), screen.text());
    }
}

#[test]
fn the_chosen_job_is_shown_cancelled_and_run_again() {
    let mut screen = Screen::new(made::flooded(), COLOUR, (120, 30));
    let id = |at: u64| format!("019370c4-0000-7000-8000-{at:012}");
    screen.press("5");
    assert_eq!(screen.model.focus, Pane::Jobs);
    assert_eq!(screen.press("\n"), [Action::Say(Command::Job { id: id(9) })]);
    // It cannot be taken back: the second one means it.
    assert_eq!(screen.press("x"), []);
    assert!(screen.text().contains("once more cancels the job"), "{}", screen.text());
    assert_eq!(screen.press("x"), [Action::Say(Command::CancelJob { id: id(9) })]);
    assert_eq!(screen.press("R"), [], "only a job that failed is run again");
    assert_eq!(screen.press("jjjR"), [Action::Say(Command::RetryJob { id: id(4) })]);
    assert_eq!(screen.press("xx"), [], "one that has ended is not cancelled");
    assert_eq!(screen.press("y"), [Action::Copy(id(4))]);
}

#[test]
fn the_hops_of_a_job_are_those_of_its_request() {
    let mut screen = Screen::new(made::flooded(), COLOUR, (120, 30));
    screen.press("5jjt");
    assert_eq!((screen.model.focus, screen.model.trace, screen.model.expanded), (Pane::Hops, 1, true));
    screen.press("e5gt");
    assert_eq!(screen.model.focus, Pane::Jobs);
    assert!(screen.text().contains("its hops are kept no longer"), "{}", screen.text());
}

#[test]
fn without_jobs_there_is_no_fifth_pane() {
    let mut screen = Screen::new(made::serving(), COLOUR, (120, 30));
    screen.press("45");
    assert_eq!(screen.model.focus, Pane::Logs);
    screen.press("\t");
    assert!(!screen.text().contains("5 Jobs"), "{}", screen.text());
    let mut flooded = made::flooded();
    if let Some(jobs) = &mut flooded.jobs {
        jobs.why = Some("connection refused".into());
    }
    let mut screen = Screen::new(flooded, COLOUR, (120, 30));
    screen.press("5");
    assert!(screen.text().contains("the job server does not answer: connection refused"), "{}", screen.text());
}
