//! The ends of a session: asked for in every state, forced, by a terminal that is closed, by a kill.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::saves::numbered;
use crate::toolchain::Toolchain;
use support::hosts::{ours, serving};
use support::session::{Client, Dev, PATIENCE};
use support::{app, dyn_command};

/// rustc making the library of a service.
const LIBRARY: &str = "*--crate-type=cdylib*";

/// All that was started is gone within this after the session is asked to end. It takes less than two seconds where
/// nothing else runs; the grace for a request and the engine's own time grow with what else does.
const GONE: Duration = Duration::from_secs(15);

/// A number that no earlier run of these tests has left a library of.
pub(crate) fn fresh() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time after 1970");
    u64::try_from(now.as_nanos()).expect("a time before 2554")
}

/// Asks a session to end, and answers its exit code once it and all it started are gone, in time.
fn end(dev: Dev, signal: &str, toolchain: &Toolchain) -> Option<i32> {
    let asked = Instant::now();
    dev.signal(signal);
    let (status, stderr) = dev.end();
    let took = asked.elapsed();
    assert_eq!(toolchain.left(), [""; 0], "after {signal}");
    assert!(took < GONE, "{took:?} after {signal}: {stderr}");
    status.code()
}

#[test]
fn a_signal_while_dependencies_are_compiled_ends_cargo_and_rustc() {
    let (toolchain, home) = (Toolchain::new(), tempfile::tempdir().expect("a folder"));
    let (_folder, file) = app(&numbered(1));
    toolchain.hold("*' --crate-name '*");
    let mut command = toolchain.dyn_command();
    command.env("DYNINKA_HOME", home.path());
    let dev = Dev::spawn(command, &file, &["--on", "process", "--port", "0"]);
    let _held = toolchain.held();
    assert!(toolchain.running().iter().any(|process| process.contains("cargo")), "{:?}", toolchain.running());
    assert_eq!(end(dev, "INT", &toolchain), Some(130));
}

#[test]
fn a_signal_before_the_first_answer_and_during_an_edit_ends_rustc_and_the_services() {
    let toolchain = Toolchain::new();
    for (on, signal) in [("process", "TERM"), ("docker", "HUP")] {
        let (_folder, file) = app(&numbered(fresh()));
        let arguments = ["--on", on, "--port", "0"];
        toolchain.hold(LIBRARY);
        let dev = Dev::spawn(toolchain.dyn_command(), &file, &arguments);
        let held = toolchain.held();
        assert_eq!(end(dev, signal, &toolchain), Some(130), "{on}: before the first answer");
        assert_eq!(ours(on, &file), [""; 0]);
        drop(held);

        let mut dev = Dev::spawn(toolchain.dyn_command(), &file, &arguments);
        dev.wait_for("ready");
        toolchain.hold(LIBRARY);
        fs::write(&file, numbered(fresh())).expect("a save");
        let held = toolchain.held();
        assert_eq!(end(dev, signal, &toolchain), Some(0), "{on}: during an edit");
        assert_eq!(ours(on, &file), [""; 0]);
        drop(held);
    }
}

/// State that is never done being written, so that a takeover that carries it stands still.
fn slow_to_write(field: &str) -> String {
    format!(
        "use dyninka::prelude::*;

#[derive(Default, Deserialize)]
struct Slow {{ {field}: u64 }}

impl Serialize for Slow {{
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {{
        eprintln!(\"writing\");
        loop {{ std::thread::park() }}
    }}
}}

#[placed(count)]
static COUNT: Placed<Slow> = Placed::new(Slow::default);

#[service]
fn count() -> u64 {{ COUNT.update(|slow| {{ slow.{field} += 1; slow.{field} }}) }}

#[dyninka::main]
fn main() {{ count() }}
"
    )
}

#[test]
fn a_signal_while_a_version_is_taken_over_ends_the_services() {
    let toolchain = Toolchain::new();
    for (on, signal) in [("process", "INT"), ("docker", "TERM")] {
        let (_folder, file) = app(&slow_to_write("calls"));
        let mut dev = Dev::spawn(toolchain.dyn_command(), &file, &["--on", on, "--port", "0"]);
        dev.wait_for("ready");
        fs::write(&file, slow_to_write("visits")).expect("a save");
        dev.wait_until("the takeover", |event| event["event"] == "log" && event["line"] == "writing");
        assert_eq!(end(dev, signal, &toolchain), Some(0), "{on}");
        assert_eq!(ours(on, &file), [""; 0]);
    }
}

#[test]
fn a_second_signal_forces_the_end() {
    let toolchain = Toolchain::new();
    let text = "use dyninka::prelude::*;
#[service] fn wait() -> u64 { eprintln!(\"waiting\"); loop { std::thread::park() } }
#[dyninka::main] fn main() { wait() }
";
    let (_folder, file) = app(text);
    let mut dev = Dev::spawn(toolchain.dyn_command(), &file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    // A request that is being answered is waited for, so there is an end to be forced.
    let address = dev.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut request = TcpStream::connect(&address).expect("the app");
    request.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("a request");
    dev.wait_until("the call", |event| event["line"] == "waiting");
    dev.signal("INT");
    let begun = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it goes on serving");
    }
    dev.signal("INT");
    let (status, stderr) = dev.end();
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("forced to end") && stderr.contains("dyn stop"), "{stderr}");
    let begun = Instant::now();
    while !toolchain.running().is_empty() {
        assert!(begun.elapsed() < GONE, "{:?}", toolchain.running());
    }
}

#[test]
fn a_pipe_that_nobody_reads_any_more_ends_the_session() {
    let toolchain = Toolchain::new();
    let (_folder, file) = app(&numbered(1));
    for face in ["--json", "--plain"] {
        let mut command = toolchain.dyn_command();
        command.args(["dev".as_ref(), file.as_os_str()]).args([face, "--on", "process", "--port", "0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("dyn");
        let (stdout, stderr) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
        let mut lines: Box<dyn BufRead> =
            if face == "--json" { Box::new(BufReader::new(stdout)) } else { Box::new(BufReader::new(stderr)) };
        let mut line = String::new();
        while !line.contains("ready") {
            line.clear();
            assert!(lines.read_line(&mut line).expect("a line") > 0, "{face}: no word of being ready");
        }
        drop(lines);
        // The next word is for nobody.
        fs::write(&file, numbered(fresh())).expect("a save");
        let status = child.wait().expect("its end");
        assert_eq!(status.code(), Some(0), "{face}");
        assert_eq!(toolchain.left(), [""; 0], "{face}");
    }
}

/// `dyn` on a terminal of 20 columns, with all that it shows.
fn on_terminal(toolchain: &Toolchain, file: &Path, term: &str) -> std::process::Child {
    let words = format!(
        "stty cols 20 rows 6; exec env --default-signal=HUP {} dev {} --on process --port 0",
        support::program().display(),
        file.display()
    );
    let own = toolchain.dyn_command();
    let mut command = Command::new("script");
    // No shell's job control, no file of what was typed; the terminal ends with `script`.
    command.args(["--quiet", "--return", "--command", &words, "/dev/null"]);
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", term).env_remove("CI");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn().expect("script, of util-linux")
}

#[test]
fn a_terminal_that_is_narrow_dumb_and_then_closed_leaves_nothing() {
    let toolchain = Toolchain::new();
    for term in ["dumb", "xterm-256color"] {
        let (_folder, file) = app(&numbered(1));
        let mut script = on_terminal(&toolchain, &file, term);
        let mut shown = script.stdout.take().expect("stdout");
        let (sender, screen) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = shown.read(&mut bytes) {
                if sender.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                    return;
                }
            }
        });
        // The session's file says that it serves, whatever the screen has room for.
        let client = Client::default();
        let url = url_of(&file);
        assert_eq!(client.get(&url).body, "1", "{term}");
        // A line far longer than the screen is wide, and an error.
        fs::write(&file, numbered(1).replace("{ 1 }", "{ \"a long word that is no number at all\" }")).expect("a save");
        let mut text = String::new();
        let begun = Instant::now();
        while !plain(&text).contains("mismatched") && !plain(&text).contains("broken") {
            text.push_str(&screen.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{term}: no error in\n{text}")));
            assert!(begun.elapsed() < PATIENCE, "{term}: {text}");
        }
        if term == "dumb" {
            assert!(!text.contains('\u{1b}'), "escape codes on a dumb terminal: {text:?}");
        }
        assert_eq!(client.get(&url).body, "1", "{term}");
        // The window is closed.
        assert!(Command::new("kill").args(["-KILL", &script.id().to_string()]).status().expect("kill").success());
        script.wait().expect("its end");
        let asked = Instant::now();
        while !toolchain.running().is_empty() {
            assert!(asked.elapsed() < GONE, "{term}: {:?}", toolchain.running());
        }
    }
}

/// What a terminal shows, without its escape codes.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            shown.push(c);
        } else if rest.next() == Some('[') {
            rest.by_ref().find(|c| c.is_ascii_alphabetic());
        }
    }
    shown
}

/// The public listener of the session that serves a file, once there is one.
fn url_of(file: &Path) -> String {
    let begun = Instant::now();
    loop {
        let status =
            dyn_command().args(["status".as_ref(), file.as_os_str(), "--json".as_ref()]).output().expect("dyn");
        let told = serde_json::from_slice::<Value>(&status.stdout).unwrap_or_default();
        match told["url"].as_str() {
            Some(url) if told["phase"] == "serving" => return url.to_owned(),
            _ => assert!(begun.elapsed() < PATIENCE, "{status:?}"),
        }
    }
}

#[test]
fn after_a_kill_the_next_start_removes_what_is_left_and_nothing_of_others() {
    for on in ["process", "docker"] {
        let (toolchain, others) = (Toolchain::new(), Toolchain::new());
        // Two apps of one name, in folders of their own.
        let ((_folder, file), (_other_folder, other)) = (app(&numbered(fresh())), app(&numbered(2)));
        let arguments = ["--on", on, "--port", "0"];
        let mut neighbour = Dev::spawn(others.dyn_command(), &other, &arguments);
        neighbour.ready = neighbour.wait_for("ready");
        let mut dev = Dev::spawn(toolchain.dyn_command(), &file, &arguments);
        dev.wait_for("ready");
        let (before, neighbours) = (serving(on, &file), serving(on, &other));
        // In the middle of an edit.
        toolchain.hold(LIBRARY);
        fs::write(&file, numbered(fresh())).expect("a save");
        let held = toolchain.held();
        dev.signal("KILL");
        dev.end();
        let number = fresh();
        fs::write(&file, numbered(number)).expect("a save");
        let mut dev = Dev::spawn(toolchain.dyn_command(), &file, &arguments);
        dev.ready = dev.wait_for("ready");
        let begun = Instant::now();
        while Path::new("/proc").join(&held.pid).exists() {
            assert!(begun.elapsed() < PATIENCE, "{on}: the rustc of a session that was killed still runs");
        }
        drop(held);
        let client = Client::default();
        assert_eq!(client.get(&dev.url()).body, number.to_string());
        let after = serving(on, &file);
        assert!(
            after.len() == before.len() && before.iter().all(|id| !after.contains(id)),
            "{on}: {before:?} {after:?}"
        );
        assert_eq!(serving(on, &other), neighbours, "{on}");
        assert_eq!(client.get(&neighbour.url()).body, "2");
        dev.stop();
        assert_eq!(serving(on, &other), neighbours, "{on}");
        assert_eq!(client.get(&neighbour.url()).body, "2");
        neighbour.stop();
        assert_eq!((toolchain.left(), others.left()), (Vec::new(), Vec::new()), "{on}");
    }
}

#[test]
fn a_session_that_was_started_to_outlive_its_terminal_does() {
    let (_folder, file) = app(&numbered(1));
    // As `nohup` does it, whose own way with files is of no interest here.
    let mut command = Command::new("sh");
    for (name, value) in dyn_command().get_envs() {
        command.env(name, value.expect("a value"));
    }
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(dyn_command().get_program());
    let mut dev = Dev::spawn(command, &file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    dev.signal("HUP");
    // A session that ends does so before it takes an edit.
    fs::write(&file, numbered(2)).expect("a save");
    dev.wait_for("live");
    let (status, _) = dev.stop();
    assert_eq!(status.code(), Some(0));
}
