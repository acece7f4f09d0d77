//! The commands that serve nothing: what they print, where, and the code they end with.

use std::process::Output;

use serde_json::{Value, json};
use support::{app, run};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_tells_programs_what_is_in_an_app() {
    let output = run(&["check", "examples/building.rs", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    assert_eq!(report["flow"], "moving_avg(map(filter(get)))");
    assert_eq!(report["diagnostics"], json!([]));
    let map = &report["services"][2];
    assert_eq!(
        (&map["name"], &map["inputs"], &map["output"]),
        (&json!("map"), &json!([{ "name": "reading", "type": "Reading" }]), &json!("f64"))
    );
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn check_draws_findings_over_the_users_own_lines() {
    let (_folder, file) =
        app("use dyninka::prelude::*;\n#[service] fn a(x: &str) -> u8 { 1 }\n#[dyninka::main] fn main() { b() }\n");
    let output = run(&["check".as_ref(), file.as_os_str()]);
    assert_eq!(output.status.code(), Some(1));
    let words = stderr(&output);
    for part in [
        "error: an input of service a is a reference",
        "app.rs:2:20",
        "^^^^",
        "hint: ",
        "error: b is no service",
        "2 errors",
    ] {
        assert!(words.contains(part), "{part} is not in\n{words}");
    }
    assert!(!words.contains('\u{1b}'), "colour without a terminal: {words}");
}

#[test]
fn files_that_are_no_app_get_one_clear_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = |name: &str, content: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, content).expect("a file");
        file
    };
    let files = [
        (folder.path().join("missing.rs"), "no such file"),
        (folder.path().to_owned(), "it is a directory"),
        (bad("empty.rs", b""), "the file is empty"),
        (bad("nul.rs", b"fn main() {}\0"), "NUL byte"),
        (bad("latin.rs", b"fn main() { \xe9 }"), "not UTF-8"),
        (bad("huge.rs", &vec![b' '; 100 << 20]), "larger than"),
        (bad("text.rs", b"dear reader,"), "syntax error"),
    ];
    for (file, words) in files {
        for command in ["check", "dev", "graph"] {
            let output = run(&[command.as_ref(), file.as_os_str()]);
            assert_eq!(output.status.code(), Some(1), "{command} {}: {}", file.display(), stderr(&output));
            assert!(stderr(&output).contains(words), "{command} {}: {}", file.display(), stderr(&output));
        }
    }
    // A byte order mark and Windows' line ends are no fault.
    let good = bad("bom.rs", b"\xef\xbb\xbfuse dyninka::prelude::*;\r\n#[service] fn a() -> u8 { 1 }\r\n#[dyninka::main] fn main() { a() }\r\n");
    assert!(run(&["check".as_ref(), good.as_os_str()]).status.success());
}

#[test]
fn graphs_are_drawn_in_every_format() {
    for (format, part) in [
        ("text", "└── value: map -> f64"),
        ("mermaid", "filter -->|reading| map"),
        ("dot", "\"filter\" -> \"map\""),
        ("json", "\"flow\":"),
    ] {
        let output = run(&["graph", "examples/building.rs", "--format", format]);
        assert!(stdout(&output).contains(part), "{format}: {}", stdout(&output));
    }
}

#[test]
fn a_new_app_is_a_good_app_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fresh.rs");
    assert!(run(&["new".as_ref(), file.as_os_str()]).status.success());
    let output = run(&["check".as_ref(), file.as_os_str()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let before = std::fs::read(&file).expect("the app");
    let again = run(&["new".as_ref(), file.as_os_str()]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("fresh.rs already exists"));
    assert_eq!(std::fs::read(&file).expect("the app"), before);
}

#[test]
fn invoke_calls_one_function_with_what_it_needs() {
    let reading = r#"reading={"sensor":"JFK","variable":"Temperature","units":"F","timestamp":"","value":212}"#;
    let output = run(&["invoke", "examples/building.rs", "map", reading]);
    assert_eq!(stdout(&output).trim(), "100.0", "{}", stderr(&output));
    let routed = run(&["invoke", "examples/building.rs", "map", "--route", "get"]);
    assert_eq!(stdout(&routed).trim(), "3.9000000000000017", "{}", stderr(&routed));
    let wrong = run(&["invoke", "examples/building.rs", "map", "3"]);
    assert_eq!((wrong.status.code(), stdout(&wrong)), (Some(1), String::new()));
    assert!(stderr(&wrong).contains("map: reading: invalid type"), "{}", stderr(&wrong));
    let nobody = run(&["invoke", "examples/building.rs", "nobody"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("services: get, filter, map, moving_avg"));
    let json = run(&["invoke", "examples/building.rs", "map", "{"]);
    assert_eq!(json.status.code(), Some(2), "{}", stderr(&json));
}

#[test]
fn doctor_looks_at_everything() {
    let output = run(&["doctor", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let findings: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    let names: Vec<_> =
        findings.as_array().expect("a list").iter().map(|finding| finding["name"].as_str().unwrap_or("")).collect();
    assert_eq!(names[..7], ["toolchain", "linker", "edits", "docker", "hops", "inotify", "disk"]);
    assert_eq!(names[7..], ["folder"; 6]);
    assert_eq!(
        (&findings[2]["found"], &findings[2]["good"]),
        (&json!("rustc is kept ready: yes"), &json!(true)),
        "{findings}"
    );
}

#[test]
fn doctor_looks_at_clock_certificate_and_port_of_a_node() {
    let home = tempfile::tempdir().expect("a folder");
    let on_node = |arguments: &[&str]| {
        let output = support::dyn_command().env("DYNINKA_HOME", home.path()).args(arguments).output();
        output.expect("dyn runs")
    };
    assert!(on_node(&["node", "init", "--fleet", "plant", "--name", "n1"]).status.success());
    let output = on_node(&["doctor", "--json"]);
    let findings: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    let found = |name: &str| findings.as_array().expect("a list").iter().find(|finding| finding["name"] == name);
    for name in ["clock", "certificate"] {
        assert_eq!(found(name).expect(name)["good"], true, "{findings}");
    }
    let certificate = found("certificate").expect("a certificate")["found"].as_str().expect("words").to_owned();
    assert!(certificate.starts_with("of n1 in the fleet plant, good until 20"), "{certificate}");
    assert!(found("port").is_some(), "{findings}");
}

#[test]
fn the_command_line_is_told_when_it_is_wrong() {
    assert_eq!(run(&["dev"]).status.code(), Some(2));
    assert_eq!(run(&["dev", "examples/building.rs", "--plain", "--json"]).status.code(), Some(2));
    assert_eq!(run(&["dev", "examples/building.rs", "--memory", "lots"]).status.code(), Some(2));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&run(&["completions", shell])).contains("dyn"), "{shell}");
    }
}

#[test]
fn a_file_that_is_left_out_is_the_app_of_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let in_folder = |arguments: &[&str]| {
        let output = support::dyn_command().current_dir(folder.path()).args(arguments).output();
        output.expect("dyn runs")
    };
    let nothing = in_folder(&["check"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("no app in this folder"), "{}", stderr(&nothing));
    assert!(in_folder(&["new", "plant.rs"]).status.success());
    let checked = in_folder(&["check", "--json"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(stdout(&in_folder(&["graph"])).contains("measure"));
    // The first of two positions is a service here, not a file.
    let called = in_folder(&["invoke", "nobody"]);
    assert_eq!(called.status.code(), Some(1), "{}", stderr(&called));
    assert!(stderr(&called).contains("services: "), "{}", stderr(&called));
    assert!(in_folder(&["new", "other.rs"]).status.success());
    assert!(stderr(&in_folder(&["check"])).contains("other.rs, plant.rs"));
}

/// Commands that answer on stdout and need no session.
const ANSWERS: &[&[&str]] = &[
    &["graph", "examples/building.rs"],
    &["graph", "examples/building.rs", "--format", "json"],
    &["check", "examples/building.rs", "--json"],
    &["completions", "bash"],
    &["recordings", "examples/building.rs", "--json"],
    &["doctor"],
    &["doctor", "--json"],
    &["--help"],
    &["dev", "--help"],
    &["cluster", "logs", "--help"],
    &["--version"],
];

#[test]
fn an_answer_that_cannot_be_written_is_an_error_in_words() {
    for arguments in ANSWERS {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let output = support::dyn_command().args(*arguments).stdout(full).output().expect("dyn runs");
        let words = stderr(&output);
        // There is nothing that could not be written.
        if arguments[0] == "recordings" && output.status.success() {
            continue;
        }
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {words}");
        assert!(words.contains("No space left on device") && !words.contains("panicked"), "{arguments:?}: {words}");
    }
}

#[test]
fn an_answer_that_nobody_reads_any_more_ends_quietly() {
    for arguments in ANSWERS {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = support::dyn_command().args(*arguments).stdout(writer).output().expect("dyn runs");
        assert_eq!(stderr(&output), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}
