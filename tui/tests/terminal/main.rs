//! The view on a pseudo-terminal: taken, drawn on, given back.

mod child;
mod terminal;

use std::time::Duration;

use terminal::Terminal;

/// Every frame without a prompt hides the cursor.
const HIDE_CURSOR: &str = "\u{1b}[?25l";
const ENTER_ALTERNATE: &str = "\u{1b}[?1049h";

#[test]
fn a_terminal_is_as_before_when_the_user_quits() {
    let mut terminal = Terminal::start("still", (120, 30));
    let before = terminal.before.clone();
    terminal.wait("the view", |screen| screen.contains("serving 4/4") && screen.contains("? help"));
    assert!(terminal.is_alternate());
    assert_ne!(terminal.modes(), before, "keys come one by one");
    terminal.press("2j?");
    terminal.wait("help", |screen| screen.contains("a shorter, a longer time window"));
    terminal.press("q");
    terminal.wait("the end", |screen| screen.contains("exit Quit"));
    assert!(!terminal.is_alternate() && !terminal.hides_cursor());
    assert_eq!(terminal.modes(), before);
}

#[test]
fn a_terminal_is_as_before_after_a_panic_and_its_words_are_read() {
    let mut terminal = Terminal::start("still", (80, 24));
    let before = terminal.before.clone();
    terminal.wait("the view", |screen| screen.contains("? help"));
    terminal.press(":panic\r");
    terminal.wait("the words of the panic", |screen| screen.contains("somebody typed panic"));
    assert_eq!(terminal.wait_for_end(), 101);
    assert!(!terminal.is_alternate() && !terminal.hides_cursor());
    assert_eq!(terminal.modes(), before);
}

#[test]
fn a_panic_elsewhere_ends_the_view_and_is_read() {
    let mut terminal = Terminal::start("still", (80, 24));
    terminal.wait("the view", |screen| screen.contains("? help"));
    terminal.press(":panic elsewhere\r");
    terminal.wait("the words of the panic", |screen| screen.contains("somebody typed panic elsewhere"));
    terminal.wait("the end", |screen| screen.contains("a part of the program panicked"));
    assert!(!terminal.is_alternate());
}

#[test]
fn what_runs_on_the_cluster_is_shown_while_it_is_wanted() {
    let mut terminal = Terminal::start("still", (120, 30));
    terminal.wait("the view", |screen| screen.contains("serving 4/4") && screen.contains("c cluster"));
    terminal.press("c");
    terminal.wait("the cluster", |screen| screen.contains("serving 2/2") && screen.contains("c local"));
    terminal.press("c");
    terminal.wait("what runs here", |screen| screen.contains("serving 4/4") && screen.contains("c cluster"));
    terminal.press("c");
    terminal.wait("why not", |screen| screen.contains("the cluster is away") && screen.contains("serving 4/4"));
    terminal.press("q");
    terminal.wait("the end", |screen| screen.contains("exit Quit"));
}

#[test]
fn the_view_ends_with_the_session() {
    let mut terminal = Terminal::start("ending", (80, 24));
    terminal.wait("the view", |screen| screen.contains("? help"));
    terminal.press(":end\r");
    terminal.wait("the end", |screen| screen.contains("exit Ended"));
}

#[test]
fn the_view_ends_with_its_terminal() {
    let mut terminal = Terminal::start("still", (80, 24));
    terminal.wait("the view", |screen| screen.contains("? help"));
    terminal.signal("HUP");
    terminal.wait("the end", |screen| screen.contains("exit TerminalGone"));
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let mut terminal = Terminal::start("still", (120, 30));
    terminal.wait("the view", |screen| screen.contains("? help"));
    // What a frame has left to say comes at once.
    terminal.settle();
    assert_eq!(terminal.bytes_within(Duration::from_millis(400)), 0);
}

#[test]
fn no_more_than_twenty_frames_a_second_are_drawn_in_a_storm() {
    let mut terminal = Terminal::start("storm", (120, 30));
    terminal.wait("a line of the storm", |screen| screen.contains("storm line"));
    let (before, begin) = (terminal.count(HIDE_CURSOR), std::time::Instant::now());
    terminal.wait_written(HIDE_CURSOR, before + 30);
    // They take 1.5 s, less what was on its way when the count began; without a limit they take a tenth of that.
    assert!(begin.elapsed() >= Duration::from_millis(750), "30 frames within {:?}", begin.elapsed());
}

#[test]
fn keys_are_taken_while_pictures_and_lines_come_as_fast_as_they_can() {
    let mut terminal = Terminal::start("storm", (120, 30));
    terminal.wait("a line of the storm", |screen| screen.contains("storm line"));
    for (width, height) in [(80, 24), (39, 9), (0, 0), (1, 1), (200, 60), (60, 16), (2, 50), (120, 30)] {
        terminal.resize(width, height);
    }
    terminal.press("?");
    terminal.wait("help", |screen| screen.contains("a shorter, a longer time window"));
    terminal.press("q");
    terminal.wait("the end", |screen| screen.contains("exit Quit"));
}

#[test]
fn a_stopped_view_leaves_the_terminal_and_comes_back() {
    let mut terminal = Terminal::start("still", (80, 24));
    let before = terminal.before.clone();
    // Ctrl-Z as a key, and the signal itself; then a stop that nobody is told of.
    for stop in ["key", "TSTP"] {
        terminal.wait("the view", |screen| screen.contains("? help"));
        if stop == "key" {
            terminal.press("\u{1a}")
        } else {
            terminal.signal(stop)
        }
        terminal.wait_for_stop();
        terminal.settle();
        assert!(!terminal.is_alternate() && !terminal.hides_cursor());
        assert_eq!(terminal.modes(), before);
        terminal.signal("CONT");
    }
    terminal.wait("the view", |screen| screen.contains("? help"));
    let taken = terminal.count(ENTER_ALTERNATE);
    terminal.signal("STOP");
    terminal.wait_for_stop();
    terminal.signal("CONT");
    terminal.wait_written(ENTER_ALTERNATE, taken + 1);
    assert_ne!(terminal.modes(), before);
    terminal.press("q");
    terminal.wait("the end", |screen| screen.contains("exit Quit"));
    assert_eq!(terminal.modes(), before);
}

#[test]
fn another_program_has_the_terminal_and_gives_it_back() {
    let mut terminal = Terminal::start("still", (80, 24));
    let before = terminal.before.clone();
    terminal.wait("the view", |screen| screen.contains("? help"));
    terminal.press("s");
    terminal.wait("the other program", |screen| screen.contains("away true, say something"));
    assert_eq!(terminal.modes(), before, "it has the terminal as it was");
    terminal.press("hello\r");
    terminal.wait("the view again", |screen| screen.contains("you said hello") && screen.contains("? help"));
    assert!(terminal.is_alternate());
    assert_eq!(terminal.count(ENTER_ALTERNATE), 2);
    terminal.press("q");
    terminal.wait("the end", |screen| screen.contains("exit Quit"));
}

#[test]
fn a_view_in_the_background_hears_signals_and_comes_back_to_the_foreground() {
    let (mut shell, view) = Terminal::start_shell("still", (80, 24));
    shell.press(&view);
    shell.wait("the view", |screen| screen.contains("? help"));
    for round in 1..=2 {
        shell.press("\u{1a}");
        shell.wait_written("Stopped", round);
        assert!(!shell.is_alternate());
        shell.press("bg\n");
        // It goes on without the terminal, which is the shell's.
        shell.press(&format!("echo round $((4{round} + 1))\n"));
        shell.wait_written(&format!("round 4{}\r", round + 1), 1);
        assert!(!shell.is_alternate());
        if round == 1 {
            shell.press("fg\n");
            shell.wait("the view", |screen| screen.contains("? help"));
        }
    }
    shell.press("kill -HUP %1\n");
    shell.wait("the end", |screen| screen.contains("exit TerminalGone"));
    shell.press("exit\n");
}
