//! A debugger stays attached to a service over edits, and sees the lines of the user's file.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::Value;
use support::debugger::Gdb;
use support::dyn_command;
use support::session::{Client, Dev};

support::on_both_backends!(breakpoint_holds_over_edits_at_the_lines_of_the_file);

const APP: &str = "use dyninka::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading { value: f64 }

#[service]
fn read() -> Reading { Reading { value: 212.0 } }

#[service]
fn map(reading: Reading) -> f64 {
    let above = reading.value - 32.0;
    above / 2.0
}

#[dyninka::main]
fn main() { read().map() }
";

/// The line of a text in the file as it is now.
fn line(file: &Path, text: &str) -> usize {
    let whole = fs::read_to_string(file).unwrap();
    1 + whole.lines().position(|line| line.contains(text)).unwrap()
}

fn pid(services: &Value, name: &str) -> u64 {
    let services = services.as_array().unwrap();
    services.iter().find(|service| service["name"] == name).unwrap()["pid"].as_u64().unwrap()
}

/// A call that a debugger holds, and its answer once it goes on.
fn call(url: &str) -> thread::JoinHandle<String> {
    let url = url.to_owned();
    thread::spawn(move || Client::default().get(&url).body)
}

fn breakpoint_holds_over_edits_at_the_lines_of_the_file(on: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.rs");
    fs::write(&file, APP).unwrap();
    let mut dev = Dev::launch(&file, &["--on", on, "--port", "0", "--debug"]);
    dev.ready = dev.wait_for("ready");
    let host = pid(&dev.ready["services"], "map");
    let status = dyn_command().arg("status").arg(&file).arg("--json").output().unwrap();
    let snapshot: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((pid(&snapshot["services"], "map"), &snapshot["debug"]), (host, &Value::Bool(true)));
    let printed = dyn_command().arg("debug").arg(&file).args(["map", "--with", "gdb"]).output().unwrap();
    assert!(String::from_utf8_lossy(&printed.stdout).contains(&format!("gdb -p {host}")), "{printed:?}");

    let mut gdb = Gdb::attach(&file, "map");
    let first = line(&file, "above / 2.0");
    gdb.say(&format!("break app.rs:{first}"));
    gdb.wait("Breakpoint 1 at");
    gdb.say("continue");
    gdb.wait("Continuing.");
    let answer = call(&dev.url());
    let stop = gdb.wait(&format!("app.rs:{first}"));
    assert!(stop.contains("Breakpoint 1") && stop.contains("map"), "{stop}");
    gdb.say("print above");
    gdb.wait("$1 = 180");
    gdb.say("print reading.value");
    gdb.wait("$2 = 212");
    // Debug information names the very file.
    gdb.say("info source");
    gdb.wait(&format!("Located in {}", file.canonicalize().unwrap().display()));
    gdb.say("continue");
    gdb.wait("Continuing.");
    assert_eq!(answer.join().unwrap(), "90.0");

    // The new code, in the same process, at the same line.
    fs::write(&file, APP.replace("above / 2.0", "above / 3.0")).unwrap();
    let live = dev.wait_for("live");
    assert_eq!(pid(&live["services"], "map"), host);
    let answer = call(&dev.url());
    gdb.wait(&format!("app.rs:{first}"));
    gdb.say("print above");
    gdb.wait("$3 = 180");

    // An edit while the debugger holds the host waits for it, and lines that moved are those of the file.
    fs::write(
        &file,
        APP.replace("above / 2.0", "above / 4.0").replace("#[service]\nfn map", "// More.\n//\n#[service]\nfn map"),
    )
    .unwrap();
    dev.wait_until("a library of the edit", |event| event["event"] == "built" && event["service"] == "map");
    let moved = line(&file, "above / 4.0");
    assert_eq!(moved, first + 2);
    gdb.say("delete");
    gdb.say("continue");
    gdb.wait("Continuing.");
    assert_eq!(answer.join().unwrap(), "60.0");
    let live = dev.wait_for("live");
    assert_eq!(pid(&live["services"], "map"), host);
    drop(gdb);
    let mut gdb = Gdb::attach(&file, "map");
    gdb.say(&format!("break app.rs:{moved}"));
    gdb.wait("Breakpoint 1 at");
    gdb.say("continue");
    gdb.wait("Continuing.");
    let answer = call(&dev.url());
    let stop = gdb.wait(&format!("app.rs:{moved}"));
    assert!(stop.contains("map"), "{stop}");
    gdb.say("delete");
    gdb.quit();
    assert_eq!(answer.join().unwrap(), "45.0");
    dev.stop();
}

/// Code that only moved is a new version for a debugger, which shows lines, and none otherwise.
#[test]
fn moved_lines_are_built_anew_for_a_debugger_alone() {
    for debug in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.rs");
        fs::write(&file, APP).unwrap();
        let arguments = ["--on", "process", "--port", "0", "--debug"];
        let mut dev = Dev::launch(&file, &arguments[..if debug { 5 } else { 4 }]);
        dev.wait_for("ready");
        fs::write(&file, format!("// More.\n{APP}")).unwrap();
        let told = dev.wait_until("the edit", |event| event["event"] == "live" || event["event"] == "unchanged");
        assert_eq!(told["event"], if debug { "live" } else { "unchanged" });
        if debug {
            assert_eq!(told["services"][0]["reason"], "its lines moved");
        }
        dev.stop();
    }
}

/// Stand-ins for debuggers, each of which says how it was called.
fn stand_ins(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let script = folder.path().join(name);
        // Written by a process of its own: another test's child would inherit the file open for writing.
        let mut command = Command::new("sh");
        let words = "printf '#!/bin/sh\\necho \"$0 $*\"\\n' >\"$0\" && chmod 755 \"$0\"";
        assert!(command.args(["-c", words]).arg(&script).status().unwrap().success());
    }
    folder
}

#[test]
fn debug_takes_lldb_where_it_is_asked_for_or_there_and_gdb_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.rs");
    fs::write(&file, APP).unwrap();
    let mut dev = Dev::launch(&file, &["--on", "process", "--port", "0", "--debug"]);
    dev.ready = dev.wait_for("ready");
    let host = pid(&dev.ready["services"], "map");
    let debug = |path: &tempfile::TempDir, arguments: &[&str]| {
        let mut command = dyn_command();
        // `sh` runs the stand-ins, by its whole path.
        command.env("PATH", path.path()).arg("debug").arg(&file).arg("map").args(arguments);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (both, gdb) = (stand_ins(&["lldb", "gdb"]), stand_ins(&["gdb"]));
    let called = |path: &tempfile::TempDir, name: &str| format!("{} -p {host}", path.path().join(name).display());
    for arguments in [&[][..], &["--with", "lldb"], &["--attach"], &["--attach", "--with", "lldb"]] {
        assert_eq!(debug(&both, arguments), (Some(0), called(&both, "lldb") + "\n"), "{arguments:?}");
    }
    assert_eq!(debug(&gdb, &[]), (Some(0), called(&gdb, "gdb") + "\n"));
    let (code, words) = debug(&gdb, &["--with", "lldb"]);
    assert!(code == Some(3) && words.contains("cannot find a debugger: lldb is not on PATH"), "{code:?} {words}");
    // Its own arguments come after the process.
    let (_, words) = debug(&both, &["--attach", "--", "-o", "bt"]);
    assert_eq!(words, called(&both, "lldb") + " -o bt\n");
    dev.stop();
}

#[test]
fn debug_of_a_session_without_it_says_how_to_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.rs");
    fs::write(&file, APP).unwrap();
    let dev = Dev::start(&file, "process");
    let output = dyn_command().arg("debug").arg(&file).arg("map").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--debug"), "{output:?}");
    dev.stop();
}
