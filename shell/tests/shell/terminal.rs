//! The real loop in a pseudo-terminal.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Nothing here takes as long, on a machine that does much else as well.
const PATIENCE: Duration = Duration::from_secs(20);

/// A screen that holds a whole test.
const ROWS: u16 = 60;
const COLUMNS: u16 = 100;

/// The example, built as it stands. With the whole workspace's features, as `cargo test --workspace` has built what it needs.
pub(crate) fn played() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--example", "played"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(built.success());
    let test = std::env::current_exe().expect("this test is a file");
    let profile = test.parent().and_then(Path::parent).expect("deps lies in the profile's folder");
    profile.join("examples/played")
}

struct Terminal {
    screen: vt100::Parser,
    output: Receiver<Vec<u8>>,
    /// Every byte, for what the screen does not show.
    raw: Vec<u8>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    /// How the terminal was before anything ran in it.
    before: String,
}

fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().expect("settings").local_flags)
}

impl Terminal {
    fn start(history: &Path, color: bool) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(played());
        command.arg(history);
        command.env("TERM", "xterm-256color");
        command.env_remove("CLICOLOR_FORCE");
        if color {
            command.env_remove("NO_COLOR");
        } else {
            command.env("NO_COLOR", "1");
        }
        let before = settings(&*pair.master);
        let child = pair.slave.spawn_command(command).expect("it starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let input = pair.master.take_writer().expect("a writer");
        let cells = |n| NonZero::new(n).expect("no zero");
        let screen = vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0);
        Self { screen, output, raw: Vec::new(), input, child, master: pair.master, before }
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen is as wanted.
    fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(&self.text()) {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("{what} did not come:\n{}", self.text());
            };
            self.screen.process(&bytes);
            self.raw.extend(bytes);
        }
    }

    fn shows(&mut self, text: &str) {
        self.wait(text, |screen| screen.contains(text));
    }

    /// The prompt is the last line, with this typed at it.
    fn typed(&mut self, text: &str) {
        let line = format!("> {text}");
        self.wait(&line, |screen| {
            screen.trim_end().lines().last().is_some_and(|last| last.trim_end() == line.trim_end())
        });
    }

    fn send(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.input.flush().expect("the terminal takes keys");
    }

    /// How it ended, once everything it wrote was read.
    fn end(&mut self) -> u32 {
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(bytes) => {
                    self.screen.process(&bytes);
                    self.raw.extend(bytes);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.text()),
            }
        }
        self.child.wait().expect("it ends").exit_code()
    }
}

/// A failed test leaves nothing running.
impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn history() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("history");
    (folder, path)
}

#[test]
fn a_session_at_the_keyboard() {
    let (_folder, history) = history();
    let mut terminal = Terminal::start(&history, false);
    terminal.shows("building: 7 services on process, serving");
    terminal.typed("");

    // Tab completes what has one end, and lists what has several.
    terminal.send("mov\t");
    terminal.typed("moving_avg");
    terminal.send("\r");
    terminal.shows("\"average\": 10.0");
    terminal.shows("$1  moving_avg@");
    terminal.typed("");
    terminal.send(":s\t");
    terminal.shows("the placed values of a service");
    terminal.typed(":s");

    // Ctrl-C at the prompt clears the line.
    terminal.send("\x03");
    terminal.wait("a new prompt", |screen| screen.contains("> :s") && screen.trim_end().ends_with("\n>"));

    // An open bracket takes more lines.
    terminal.send("map {\"sensor\": \"EWR\",\r");
    terminal.send("\"variable\": \"Temperature\", \"value\": 212}\r");
    terminal.shows("\n100.0\n");
    terminal.shows("$2  map@");
    terminal.typed("");

    // Ctrl-C cancels the call and not the shell.
    terminal.send("slow\r");
    terminal.shows("slow runs");
    terminal.send("\x03");
    terminal.shows("cancelled");
    terminal.typed("");
    terminal.send("$2\r");
    terminal.wait("the answer again", |screen| screen.matches("\n100.0\n").count() == 2);

    // A mistake is marked.
    terminal.send("get | mapp\r");
    terminal.shows("  get | mapp\n        ^^^^\nhint: did you mean map?");
    terminal.typed("");

    terminal.send("\x04");
    assert_eq!(terminal.end(), 0);
    let kept = std::fs::read_to_string(&history).expect("lines");
    let kept: Vec<String> = kept.lines().map(|line| serde_json::from_str(line).expect("a string")).collect();
    let whole = "map {\"sensor\": \"EWR\",\n\"variable\": \"Temperature\", \"value\": 212}";
    assert_eq!(kept, ["moving_avg", whole, "slow", "$2", "get | mapp"]);
    // Without colour: no style in any byte.
    let raw = String::from_utf8_lossy(&terminal.raw).into_owned();
    let mut sequences = raw.split("\x1b[").skip(1).filter_map(|rest| rest.chars().find(char::is_ascii_alphabetic));
    assert!(!sequences.any(|end| end == 'm'), "{raw:?}");
}

#[test]
fn colours_and_the_lines_of_before() {
    let (_folder, history) = history();
    std::fs::write(&history, "\"map $1\"\n\"get\"\n").expect("a history");
    let mut terminal = Terminal::start(&history, true);
    terminal.typed("");
    // Up: the line before.
    terminal.send("\x1b[A");
    terminal.typed("get");
    terminal.send("\r");
    terminal.shows("\"sensor\": \"EWR\"");
    terminal.typed("");
    // The inputs, as a hint; it is no part of the line.
    terminal.send("filter ");
    terminal.shows("> filter reading: Reading");
    terminal.send("3");
    terminal.shows("? an object (Reading) is expected");
    terminal.send("\x03");
    terminal.typed("");
    // What is typed ahead of a prompt is not lost.
    terminal.send("get | map\r$2\r:quit\r");
    assert_eq!(terminal.end(), 0);
    assert_eq!(terminal.text().matches("\n10.0\n").count(), 2, "{}", terminal.text());
    let raw = String::from_utf8_lossy(&terminal.raw).into_owned();
    assert!(raw.contains("\x1b[32m\"EWR\"\x1b[0m"), "{raw:?}");
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let (_folder, history) = history();
    let mut terminal = Terminal::start(&history, true);
    terminal.typed("");
    terminal.wait("the raw terminal", |_| true);
    let id = terminal.child.process_id().and_then(|id| i32::try_from(id).ok()).expect("it runs");
    let id = rustix::process::Pid::from_raw(id).expect("no zero");
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
    assert_eq!(terminal.end(), 143);
    assert_eq!(settings(&*terminal.master), terminal.before);
}
