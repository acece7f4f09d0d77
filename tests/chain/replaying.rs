//! `dyn replay` and what else is made of a recording, by the one of the building that a real session made.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use support::session::{Client, Dev, PATIENCE, example};
use support::{app, dyn_command, run};

support::on_both_backends!(
    a_function_that_connects_or_starts_a_process_is_not_replayed_and_what_was_recorded_stands_in,
    a_function_that_says_so_is_replayed_as_the_services_user,
);

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
    // Nobody reads on, as with `| head -0`: the exit code holds all the same.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut unread = dyn_command();
    let unread = unread.arg("replay").args([file.as_os_str(), recording().as_os_str()]).stdout(writer).status();
    assert_eq!(unread.expect("dyn runs").code(), Some(1));
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
    assert_eq!(Client::default().get(&dev.url()).status, 204, "the next reading is no temperature");
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
    assert!(listed.contains("warm: building, ") && listed.contains("38 requests, 86 hops, 32.3 kB"), "{listed}");
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

/// Calls the chain, and waits until the session has recorded it as often.
fn call(dev: &Dev, file: &Path, times: u64) {
    let (client, before) = (Client::default(), in_memory(file));
    for number in before + 1..=before + times {
        assert_eq!(client.get(&dev.url()).status, 200);
        let begun = Instant::now();
        while in_memory(file) < number {
            assert!(begun.elapsed() < PATIENCE, "request {number} is not recorded");
        }
    }
}

/// In whichever order they come.
fn verdict_on(dev: &mut Dev, edit: u64, service: &str) -> Value {
    let is_it = |event: &Value| event["event"] == "verdict" && event["edit"] == edit && event["service"] == service;
    let seen = dev.seen().iter().find(|event| is_it(event)).cloned();
    seen.unwrap_or_else(|| dev.wait_until("a verdict", is_it))
}

const OUTGOING: &str = "use dyninka::prelude::*;

fn by() -> u64 { 1 }

#[service]
fn first() -> u64 { by() }

#[service]
fn charge(value: u64) -> u64 {
    // Whatever comes of it.
    drop(std::net::TcpStream::connect(\"PLACE\"));
    value + by()
}

#[service]
fn mail(value: u64) -> u64 {
    drop(std::process::Command::new(\"/bin/true\").status());
    value + by()
}

#[service]
fn last(value: u64) -> u64 { value + 1 }

#[dyninka::main]
fn main() { first().charge().mail().last() }
";

fn a_function_that_connects_or_starts_a_process_is_not_replayed_and_what_was_recorded_stands_in(on: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener");
    let place = listener.local_addr().expect("a port").to_string();
    let text = OUTGOING.replace("PLACE", &place);
    let (_folder, file) = app(&text);
    let mut dev = Dev::start(&file, on);
    call(&dev, &file, 3);
    let heard = || std::iter::from_fn(|| listener.accept().ok()).count();
    assert_eq!(heard(), if on == "process" { 3 } else { 0 }, "a container has another 127.0.0.1");
    // What was not edited is not run where nothing differs before it.
    fs::write(&file, text.replace("fn first() -> u64 { by() }", "fn first() -> u64 { by() + 0 }")).expect("a save");
    let verdict = verdict_on(&mut dev, 1, "first");
    // The same calls without inputs are one.
    assert_eq!((&verdict["same"], &verdict["downstream"]), (&json!(1), &Value::Null), "{verdict}");
    // What was edited, or gets something else, is stopped as it goes out.
    let text = text.replace("by() -> u64 { 1 }", "by() -> u64 { 2 }");
    fs::write(&file, &text).expect("a save");
    let connects = format!("it connects to {place}");
    let why = |findings: &Value| {
        let skipped = findings["skipped"].as_object().expect("reasons");
        assert_eq!((&findings["same"], &findings["differ"]), (&json!(0), &json!(0)), "{findings}");
        skipped.keys().cloned().collect::<Vec<_>>()
    };
    let first = verdict_on(&mut dev, 2, "first");
    assert_eq!((&first["differ"], why(&first["downstream"]["charge"])), (&json!(1), vec![connects.clone()]), "{first}");
    assert!(first["downstream"].get("mail").is_none(), "what was recorded stands in for charge: {first}");
    for (service, deed) in [("charge", connects.as_str()), ("mail", "it starts a process")] {
        let verdict = verdict_on(&mut dev, 2, service);
        assert_eq!(why(&verdict), [deed], "{verdict}");
        assert!(verdict.get("downstream").is_none(), "{verdict}");
    }
    assert_eq!(listener.accept().expect_err("nobody").kind(), ErrorKind::WouldBlock, "{on}");
    // The chain itself does all of it.
    call(&dev, &file, 1);
    assert_eq!(heard(), usize::from(on == "process"));
    dev.stop();
}

const WHO: &str = "use std::os::unix::fs::MetadataExt as _;
use dyninka::prelude::*;

const MORE: usize = 1;

#[service(replay = true)]
fn who() -> (usize, usize, String) {
    let user = std::fs::metadata(\"/proc/self\").map_or(0, |of| of.uid());
    // One besides loopback is enough: those of containers come and go.
    let networks = std::fs::read_dir(\"/sys/class/net\").map_or(0, |all| all.take(2).count());
    let mut variables: Vec<_> = std::env::vars().map(|(name, value)| format!(\"{name}={value}\")).collect();
    variables.sort();
    // What writes is stopped where it does not say so.
    drop(std::fs::OpenOptions::new().write(true).open(\"/dev/null\"));
    (user as usize + MORE, networks + MORE, format!(\"{MORE} {}\", variables.join(\" \")))
}

#[dyninka::main]
fn main() { who() }
";

fn a_function_that_says_so_is_replayed_as_the_services_user(on: &str) {
    let (_folder, file) = app(WHO);
    let mut dev = Dev::start(&file, on);
    call(&dev, &file, 1);
    let live = Client::default().get(&dev.url()).json();
    fs::write(&file, WHO.replace("MORE: usize = 1", "MORE: usize = 2")).expect("a save");
    let verdict = verdict_on(&mut dev, 1, "who");
    let was = |path: &str| {
        let changes = verdict["changed"].as_array().expect("a list");
        changes.iter().find(|change| change["path"] == path).map(|change| &change["was"])
    };
    assert_eq!((was("/0"), was("/2")), (Some(&live[0]), Some(&live[2])), "user and environment: {verdict}");
    // A container that has no network finds fewer than was recorded: it is no change of the code.
    assert_eq!(was("/1"), (on == "process").then_some(&live[1]), "{verdict}");
    dev.stop();
}

const OBJECTS: &str = "use dyninka::prelude::*;

static NOTES: Bucket = Bucket::named(\"notes\");

fn by() -> u64 { 1 }

#[service]
fn first() -> u64 { by() }

#[service]
async fn keep(value: u64) -> Result<u64> {
    let kept = NOTES.put(\"a\", value.to_string()).await?;
    Ok(kept.size + by())
}

#[service]
fn last(value: u64) -> u64 { value + 1 }

#[dyninka::main]
fn main() { first().keep().last() }
";

#[test]
fn verdict_on_a_function_that_asks_for_an_object_says_so_and_writes_nothing() {
    let (folder, file) = app(OBJECTS);
    let mut dev = Dev::start(&file, "process");
    call(&dev, &file, 2);
    let object = folder.path().join("buckets/notes/a");
    assert_eq!(fs::read_to_string(&object).expect("the object"), "1");
    // Whatever is written from here on is no doing of the chain.
    fs::write(&object, "by hand").expect("written");
    fs::write(&file, OBJECTS.replace("by() -> u64 { 1 }", "by() -> u64 { 2 }")).expect("a save");
    let why = "the object notes/a: objects are not recorded";
    let says_so = |findings: &Value| {
        let skipped = findings["skipped"].as_object().expect("reasons");
        assert_eq!((&findings["same"], &findings["differ"]), (&json!(0), &json!(0)), "{findings}");
        assert_eq!(skipped.keys().collect::<Vec<_>>(), [why], "{findings}");
    };
    says_so(&verdict_on(&mut dev, 1, "keep"));
    let first = verdict_on(&mut dev, 1, "first");
    assert_eq!(first["differ"], json!(1), "{first}");
    says_so(&first["downstream"]["keep"]);
    assert_eq!(fs::read_to_string(&object).expect("the object"), "by hand");
    call(&dev, &file, 1);
    assert_eq!(fs::read_to_string(&object).expect("the object"), "2");
    dev.stop();
}
