//! `dyn dev` on a pseudo-terminal, as a person uses it: the view, the shell in it, and the terminal afterwards.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use support::app;
use support::screen::{Screen, dev};
use support::session::example;

const CHAIN: &str = "use dyninka::prelude::*;

#[service]
fn source() -> f64 { 10.0 }

#[service]
fn scale(value: f64) -> f64 { value * 2.0 }

#[dyninka::main]
fn main() { source().scale() }
";

#[test]
fn a_session_is_seen_edited_called_resized_and_left() {
    let (_folder, file) = app(CHAIN);
    let mut screen = Screen::open(dev(&file), 40, 130);
    screen.wait_for("the chain serves", |text| text.contains("serving 2/2"));
    let url = screen.url();

    // Figures move under load.
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let call = || client.get(&url).send().and_then(|answer| answer.text()).expect("an answer");
    assert_eq!(call(), "20.0");
    for _ in 0..200 {
        call();
    }
    screen.wait_for("figures", |text| {
        text.lines().any(|line| line.contains("scale") && line.contains("µs") && line.contains("201"))
    });

    // An edit is told with its reason; a broken one takes the screen, and undoing it gives it back.
    fs::write(&file, CHAIN.replace("* 2.0", "* 3.0")).expect("a save");
    screen.wait_for("the edit is live", |text| text.contains("● live"));
    assert_eq!(call(), "30.0");
    fs::write(&file, CHAIN.replace("* 2.0", "* \"x\"")).expect("a save");
    screen.wait_for("rustc's words", |text| text.contains("cannot multiply") && text.contains("app.rs:7:"));
    assert_eq!(call(), "30.0");
    screen.keys("u");
    screen.wait_for("the edit is undone", |text| text.contains("serving 2/2") && !text.contains("cannot multiply"));
    assert!(fs::read_to_string(&file).expect("the file").contains("* 3.0"));

    // The prompt and the shell speak one grammar.
    screen.keys(":scale 4.0\r");
    screen.wait_for("the answer", |text| text.contains("12.0"));
    screen.keys("\x1b");
    // A key that follows at once would be taken for one with Alt.
    screen.wait_for("the view", |text| text.contains("Hops"));
    screen.keys("s");
    screen.wait_for("a prompt", |text| text.trim_end().ends_with('>'));
    screen.keys("source | scale\r");
    screen.wait_for("an answer in the shell", |text| {
        text.contains("30.0") && text.contains("scale@") && text.trim_end().ends_with('>')
    });
    screen.keys("\x04");
    screen.wait_for("the view again", |text| text.contains("Hops"));

    // Small, tiny, large again: what fits is shown.
    for (rows, columns) in [(24, 80), (10, 60), (3, 20), (40, 130)] {
        screen.resize(rows, columns);
        screen.wait_for("a screen of this size", |text| text.contains("serving") || text.contains('●'));
    }
    screen.keys("q");
    let (status, after) = screen.end();
    assert!(status.success(), "{after}");
    assert!(after.contains("stopped"), "{after}");
}

#[test]
fn services_are_fused_and_split_under_load_with_figures_before_and_after() {
    let (_folder, file) = example("building");
    let mut command = dev(&file);
    command.args(["--together", "none"]);
    let mut screen = Screen::open(command, 44, 150);
    screen.wait_for("the chain serves", |text| text.contains("serving 4/4"));
    let (url, ends) = (screen.url(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        // Ends with the test, however that ends.
        let _ends = Ends(&ends);
        scope.spawn(|| {
            let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
            while !ends.load(Ordering::Relaxed) {
                assert!(client.get(&url).send().is_ok_and(|answer| answer.status().is_success()));
            }
        });
        screen.wait_for("load", |text| text.lines().any(|line| line.contains("moving_avg") && line.contains("µs")));
        // The last service is chosen; z begins the command, and the rest is typed.
        screen.keys("1jjjjz");
        screen.wait_for("the command", |text| text.contains(":fuse moving_avg "));
        screen.keys("map\r");
        screen.wait_for("what became of it", |text| text.contains("runs in the host"));
        screen.keys("\x1b");
        // A key that follows at once would be taken for one with Alt.
        screen.wait_for("a hop within a host", |text| !text.contains("runs in the host") && text.contains('≡'));
        screen.keys("2e");
        screen.wait_for("figures before and after", |text| {
            text.lines().any(|line| line.contains("move       p50") && line.contains(" (n ") && !line.contains(" - "))
        });
        screen.keys("e1Z");
        screen.wait_for("the command", |text| text.contains(":split moving_avg"));
        screen.keys("\r");
        screen.wait_for("what became of it", |text| text.contains("runs in the host"));
        screen.keys("\x1b");
        screen.wait_for("services apart", |text| !text.contains("runs in the host") && !text.contains('≡'));
    });
    screen.keys("q");
    let (status, after) = screen.end();
    assert!(status.success() && after.contains("stopped"), "{after}");
}

/// Says so where it is dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_start_that_is_broken_waits_to_be_mended() {
    let (_folder, file) = app(&CHAIN.replace("fn scale(value: f64)", "fn scale(value: f46)"));
    let mut screen = Screen::open(dev(&file), 30, 120);
    screen.wait_for("rustc's words", |text| text.contains("f46"));
    fs::write(&file, CHAIN).expect("a save");
    screen.wait_for("the chain serves", |text| text.contains("serving 2/2"));
    screen.keys("\x03");
    let (_, after) = screen.end();
    assert!(after.contains("stopped"), "{after}");
}

#[test]
fn a_second_terminal_attaches_and_leaves_without_ending_the_session() {
    let (_folder, file) = app(CHAIN);
    let mut first = Screen::open(dev(&file), 30, 120);
    first.wait_for("the chain serves", |text| text.contains("serving 2/2"));
    let mut command = dev(&file);
    command.arg("--attach");
    let mut second = Screen::open(command, 30, 120);
    second.wait_for("the same chain", |text| text.contains("serving 2/2"));
    second.keys(":source\r");
    second.wait_for("an answer", |text| text.contains("10.0"));
    second.keys("q");
    assert!(second.end().0.success());
    // Without it, who has the app is named.
    let mut third = Screen::open(dev(&file), 30, 120);
    third.wait_for("a refusal", |text| text.contains("pid") && text.contains("--attach"));
    assert_eq!(third.end().0.exit_code(), 4);
    fs::write(&file, CHAIN.replace("* 2.0", "* 3.0")).expect("a save");
    first.wait_for("the edit is live", |text| text.contains("● live"));
    first.keys("q");
    assert!(first.end().1.contains("stopped"));
}

#[test]
fn a_terminal_that_shows_no_pictures_gets_lines() {
    let (_folder, file) = app(CHAIN);
    let mut command = dev(&file);
    command.env("TERM", "dumb");
    let mut screen = Screen::open(command, 24, 80);
    screen.wait_for("lines", |text| text.contains("ready in"));
    assert!(!screen.has_taken_the_terminal());
    screen.keys("\x03");
    let (status, after) = screen.end();
    assert!(status.success() && after.contains("stopped"), "{after}");
}
