//! `dyn replay` and what else is made of a recording, by the one of the building that a real session made.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::session::{Client, Dev, PATIENCE, example};
use crate::support::run;

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/building")
}

/// The exit code, and what was said on stdout.
fn replay(file: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let recording = recording();
    let mut all = vec![OsStr::new("replay"), file.as_os_str(), recording.as_os_str()];
    all.extend(arguments.iter().map(OsStr::new));
    let output = run(&all);
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn the_other_examples_answer_as_they_were_recorded() {
    for app in ["weather", "pressure"] {
        let (_folder, file) = example(app);
        let recording = recording().with_file_name(app);
        // The last bit of a logarithm is the machine's.
        let within = "--tolerance=1e-12";
        let output = run(&[OsStr::new("replay"), file.as_os_str(), recording.as_os_str(), OsStr::new(within)]);
        let [said, noticed] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        let same = said.matches("12 of 12 the same").count();
        assert!(output.status.success() && same >= 3, "{app}: {}\n{said}\n{noticed}", output.status);
    }
}

#[test]
fn the_code_as_it_was_passes_and_changed_code_fails_and_says_where() {
    let (_folder, file) = example("building");
    let (code, said) = replay(&file, &[]);
    assert_eq!((code, said.contains("moving_avg: 5 of 5 the same")), (Some(0), true), "{said}");

    let text = fs::read_to_string(&file).expect("the app");
    fs::write(&file, text.replace("- 32.0) / 1.8", "- 32.0) / 1.9")).expect("the app");
    let (code, said) = replay(&file, &["--json"]);
    assert_eq!(code, Some(1), "{said}");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    let verdict = |service: &str| {
        let verdicts = report["verdicts"].as_array().expect("verdicts");
        verdicts.iter().find(|verdict| verdict["service"] == service).cloned().expect("a verdict")
    };
    assert_eq!((&report["changed"], &verdict("filter")["differ"]), (&json!(true), &json!(0)));
    let map = verdict("map");
    assert_eq!((&map["recorded"], &map["differ"]), (&json!(5), &json!(5)), "{map}");
    assert_eq!(map["downstream"]["moving_avg"]["changed"][0]["path"], "/average", "{map}");
    // Celsius are far enough apart for no tolerance but the widest.
    assert_eq!(replay(&file, &["--service", "map", "--tolerance", "1"]).0, Some(0));
    assert_eq!(replay(&file, &["--service", "map", "--tolerance", "1e-9"]).0, Some(1));
    let (code, said) = replay(&file, &["--service", "moving_avg", "--ignore", "average"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_input_that_does_not_read_any_more_fails() {
    let (_folder, file) = example("building");
    let text = fs::read_to_string(&file).expect("the app");
    for (signature, why) in
        [("fn map(reading: String)", "invalid type: map"), ("fn map(reading: Reading, _more: u8)", "it takes 2 inputs")]
    {
        let text = text.replace("fn map(reading: Reading)", signature);
        let body = if signature.contains("String") { "reading.len() as f64" } else { "reading.value" };
        // What else it takes stands in the flow.
        let text = if signature.contains("_more") { text.replace(".map()", ".map(3)") } else { text };
        fs::write(&file, text.replace("(reading.value - 32.0) / 1.8", body)).expect("the app");
        let (code, said) = replay(&file, &["--service", "map"]);
        assert_eq!(
            (code, said.contains("5 not replayed: what it received then does not read: ")),
            (Some(1), true),
            "{said}"
        );
        assert!(said.contains(why), "{said}");
    }
}

/// Requests the session has in memory.
fn in_memory(file: &Path) -> u64 {
    let told = run(&[OsStr::new("status"), file.as_os_str(), OsStr::new("--json")]);
    let snapshot: Value = serde_json::from_slice(&told.stdout).expect("a snapshot");
    snapshot["recording"]["requests"].as_u64().expect("a count")
}

#[test]
fn recorded_requests_are_sent_again() {
    let (_folder, file) = example("building");
    let (code, _) = replay(&file, &["--send"]);
    assert_eq!(code, Some(1), "nobody serves it");
    let dev = Dev::start(&file, "process");
    // As they came, one at a time: of a burst only some are recorded.
    let (code, said) = replay(&file, &["--send", "--at-once", "1", "--json"]);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    // The same readings from the first on: what was recorded comes again.
    assert_eq!(
        (code, &report["sent"], &report["outcomes"]),
        (Some(0), &json!(38), &json!({"filtered": 33, "value": 5}))
    );
    assert_eq!(Client::new().get(&dev.url()).status, 204, "the next reading is no temperature");
    // They have been recorded again: kept, the code answers as it did just now.
    let begun = Instant::now();
    while in_memory(&file) < 39 {
        assert!(begun.elapsed() < PATIENCE, "{} of 39 requests are recorded", in_memory(&file));
    }
    let on = |verb: &str| run(&[OsStr::new(verb), file.as_os_str(), OsStr::new("again")]);
    let (kept, twice) = (on("keep"), on("keep"));
    assert_eq!((kept.status.code(), twice.status.code()), (Some(0), Some(1)), "{kept:?} {twice:?}");
    dev.stop();
    let said = on("replay");
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && text.contains("get: 39 of 39 the same"), "{said:?}");
}

#[test]
fn a_recording_becomes_tests_and_is_listed() {
    let (folder, file) = example("building");
    let shelf = file.with_file_name("recordings").join("warm");
    fs::create_dir_all(&shelf).expect("a folder");
    fs::copy(recording().join("recording.jsonl"), shelf.join("recording.jsonl")).expect("a copy");
    let dyn_ = |arguments: &[&str]| {
        let all: Vec<_> = arguments.iter().map(OsStr::new).collect();
        run(&[&all[..1], &[file.as_os_str()], &all[1..]].concat())
    };
    let listed = String::from_utf8(dyn_(&["recordings"]).stdout).expect("text");
    assert!(listed.contains("warm: building, ") && listed.contains("38 requests, 86 hops, 31.6 KiB"), "{listed}");
    assert!(dyn_(&["keep", "warm", "--as-tests", "--cases", "3"]).status.success());
    let tests = fs::read_to_string(shelf.join("tests.rs")).expect("tests");
    assert!(tests.contains("fn moving_avg_in_order()") && tests.contains("super::AVERAGE.set("), "{tests}");
    assert!(!dyn_(&["keep", "warm", "--as-tests"]).status.success(), "what is the user's is not written over");
    drop(folder);
}

#[test]
fn a_recording_of_which_nothing_can_be_compared_has_an_exit_code_of_its_own() {
    let (_folder, file) = example("building");
    let text = fs::read_to_string(&file).expect("the app");
    fs::write(&file, text.replace("#[service]", "#[service(replay = false)]")).expect("the app");
    let (code, said) = replay(&file, &[]);
    assert_eq!((code, said.contains("5 not replayed: it says replay = false")), (Some(5), true), "{said}");
    let (code, said) = replay(&file, &["--json"]);
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &report["compared"], &report["changed"]), (Some(5), &json!(0), &json!(false)), "{said}");
}
