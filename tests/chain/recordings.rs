//! What an edit changed of what functions return: recorded inputs, run on the code before and on the code now.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use support::disk::Disk;
use support::session::{Client, Dev, PATIENCE};
use support::{app, run};

support::on_both_backends!(
    an_edit_is_told_what_it_changed_and_where,
    a_function_with_state_runs_from_the_state_it_had_and_leaves_the_real_one_alone,
    a_function_that_panics_ends_its_process_or_never_ends_is_told,
    a_later_edit_supersedes_the_verdict,
    what_is_not_to_be_repeated_is_not_and_calls_from_bodies_are_answered_as_they_were,
    what_writes_is_not_run_again_and_the_verdict_says_so,
    secrets_never_reach_the_disk,
);

const SCALE: &str = "use dyninka::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading { sensor: String, value: f64 }

#[service]
fn get(number: u64) -> Reading { Reading { sensor: \"EWR\".to_owned(), value: number as f64 } }

#[service]
fn scale(reading: Reading) -> Reading { Reading { value: reading.value * FACTOR, ..reading } }

const FACTOR: f64 = 2.0;

#[service]
fn high(reading: Reading) -> bool { reading.value > 100.0 }

#[dyninka::main]
fn main() { get(3).scale().high() }
";

/// Calls a service with each of these bodies, and waits until the session has recorded as many requests in all.
fn record(dev: &Dev, file: &Path, service: &str, bodies: impl IntoIterator<Item = Value>, all: u64) {
    let (client, url) = (Client::default(), dev.url_of(service));
    let bodies: Vec<Value> = bodies.into_iter().collect();
    let before = all - bodies.len() as u64;
    // One after the other: of a burst only some are recorded with their values.
    for (body, number) in bodies.iter().zip(before + 1..) {
        let answer = client.post(&url, &body.to_string());
        assert!(answer.status < 300, "{}", answer.body);
        let begun = Instant::now();
        while recorded(file) < number {
            assert!(begun.elapsed() < PATIENCE, "request {number} is not recorded");
        }
    }
}

fn recorded(file: &Path) -> u64 {
    let told = run(&[std::ffi::OsStr::new("status"), file.as_os_str(), std::ffi::OsStr::new("--json")]);
    let snapshot: Value = serde_json::from_slice(&told.stdout).expect("a snapshot");
    snapshot["recording"]["requests"].as_u64().expect("a count")
}

fn readings(values: std::ops::Range<u32>) -> impl Iterator<Item = Value> {
    values.map(|value| json!({ "reading": { "sensor": "EWR", "value": f64::from(value) } }))
}

fn numbers(values: std::ops::Range<u32>) -> impl Iterator<Item = Value> {
    values.map(|value| json!({ "value": value }))
}

fn save(file: &Path, text: &str, from: &str, to: &str) {
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replace(from, to)).expect("a save");
}

fn counts(verdict: &Value) -> (u64, u64, u64) {
    let count = |name: &str| verdict[name].as_u64().unwrap_or_else(|| panic!("no {name} in {verdict}"));
    (count("recorded"), count("same"), count("differ"))
}

fn an_edit_is_told_what_it_changed_and_where(on: &str) {
    let (_folder, file) = app(SCALE);
    let mut dev = Dev::start(&file, on);
    record(&dev, &file, "scale", readings(0..10), 10);
    // Another way to the same values.
    save(&file, SCALE, "reading.value * FACTOR,", "reading.value + reading.value * (FACTOR - 1.0),");
    let live = dev.wait_for("live");
    let verdict = dev.wait_for("verdict");
    assert_eq!((&verdict["edit"], &verdict["service"]), (&live["edit"], &json!("scale")));
    assert_eq!(counts(&verdict), (10, 10, 0), "{verdict}");
    assert_eq!(verdict["changed"], json!([]));
    // Other values for some; further on it makes no difference.
    let constant = "reading.value * if reading.value < 5.0 { FACTOR } else { 5.0 },";
    save(&file, SCALE, "reading.value * FACTOR,", constant);
    let verdict = dev.wait_until("a verdict of edit 2", |event| event["event"] == "verdict" && event["edit"] == 2);
    assert_eq!(counts(&verdict), (10, 5, 5), "{verdict}");
    let mut changed: Vec<_> = verdict["changed"].as_array().expect("a list").iter().collect();
    changed.sort_by_key(|change| change["at"].as_u64());
    let told: Vec<_> = changed.iter().map(|change| [&change["path"], &change["was"], &change["now"]]).collect();
    assert_eq!(told[0], [&json!("/value"), &json!(10.0), &json!(25.0)]);
    assert_eq!(told.len(), 5);
    // The whole chain, so that there is something further on.
    assert_eq!(Client::default().get(&dev.url()).body, "false");
    while recorded(&file) < 11 {}
    let after = SCALE.replace("reading.value * FACTOR,", constant);
    save(&file, &after, "const FACTOR: f64 = 2.0", "const FACTOR: f64 = 50.0");
    let verdict = dev.wait_until("a verdict of edit 3", |event| event["event"] == "verdict" && event["edit"] == 3);
    assert_eq!(counts(&verdict["downstream"]["high"]), (1, 0, 1), "{verdict}");
    let change = &verdict["downstream"]["high"]["changed"][0];
    assert_eq!((&change["was"], &change["now"]), (&json!(false), &json!(true)));
    let snapshot = run(&[std::ffi::OsStr::new("status"), file.as_os_str(), std::ffi::OsStr::new("--json")]);
    let snapshot: Value = serde_json::from_slice(&snapshot.stdout).expect("a snapshot");
    let last = snapshot["edits"].as_array().and_then(|edits| edits.last()).expect("an edit");
    assert_eq!(
        (&last["judgement"]["state"], &last["judgement"]["verdicts"][0]["service"]),
        (&json!("done"), &json!("scale"))
    );
    dev.stop();
}

const COUNT: &str = "use dyninka::prelude::*;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Count { calls: u64 }

#[placed(count)]
static COUNT: Placed<Count> = Placed::new(Count::default);

#[service]
fn count(value: u64) -> u64 { COUNT.update(|count| { count.calls += 1; count.calls * 1000 + value }) }

#[dyninka::main]
fn main() { count(7) }
";

fn a_function_with_state_runs_from_the_state_it_had_and_leaves_the_real_one_alone(on: &str) {
    let (_folder, file) = app(COUNT);
    let mut dev = Dev::start(&file, on);
    record(&dev, &file, "count", numbers(0..6), 6);
    save(&file, COUNT, "count.calls += 1;", "count.calls = count.calls + 1;");
    let verdict = dev.wait_for("verdict");
    assert_eq!(counts(&verdict), (6, 6, 0), "{verdict}");
    save(&file, COUNT, "count.calls += 1;", "count.calls += if value == 3 { 2 } else { 1 };");
    let verdict = dev.wait_until("a verdict of edit 2", |event| event["event"] == "verdict" && event["edit"] == 2);
    // From the fourth call on the count is another.
    assert_eq!(counts(&verdict), (6, 3, 3), "{verdict}");
    assert_eq!(Client::default().get(&dev.url()).body, "7007", "the real count is that of real calls");
    dev.stop();
}

const ODD: &str = "use dyninka::prelude::*;

#[service]
fn odd(value: u64) -> u64 { value + 1 }

#[dyninka::main]
fn main() { odd(3) }
";

fn a_function_that_panics_ends_its_process_or_never_ends_is_told(on: &str) {
    let (_folder, file) = app(ODD);
    let mut dev = Dev::start(&file, on);
    record(&dev, &file, "odd", numbers(0..5), 5);
    let odd = |deed: &str| format!("{{ if value == 3 {{ {deed} }} value + 1 }}");
    let deeds = [("panic!(\"no three\")", "panicked"), ("std::process::abort()", "died"), ("loop {}", "deadline")];
    for (edit, (deed, end)) in deeds.into_iter().enumerate() {
        // Each compared with code that does nothing of the kind.
        save(&file, ODD, "{ value + 1 }", &format!("{{ value + 1 + 0 * {edit} }}"));
        let plain = 2 * edit + 1;
        dev.wait_until("a verdict", |event| event["event"] == "verdict" && event["edit"] == plain);
        save(&file, ODD, "{ value + 1 }", &odd(deed));
        let verdict = dev.wait_until("a verdict", |event| event["event"] == "verdict" && event["edit"] == plain + 1);
        assert_eq!(counts(&verdict), (5, 4, 1), "{deed}: {verdict}");
        let change = &verdict["changed"][0];
        assert_eq!((&change["was"], &change["now"]["end"]), (&json!(4), &json!(end)), "{verdict}");
        assert_eq!(
            Client::default().post(&dev.url_of("odd"), "{\"value\":1}").body,
            "2",
            "the one that serves is well"
        );
    }
    assert!(!dev.has_told("down"), "no host ended");
    dev.stop();
}

fn a_later_edit_supersedes_the_verdict(on: &str) {
    let (_folder, file) = app(COUNT);
    let mut dev = Dev::start(&file, on);
    record(&dev, &file, "count", numbers(0..20), 20);
    // Each run takes half of what one may take, and all of them many times what the next edit takes.
    let slow = "{ std::thread::sleep(std::time::Duration::from_millis(500)); COUNT";
    save(&file, COUNT, "{ COUNT", slow);
    dev.wait_for("live");
    save(&file, COUNT, "* 1000", "* 2000");
    let unjudged = dev.wait_for("unjudged");
    assert_eq!(unjudged["edit"], 1);
    assert!(unjudged["why"].as_str().is_some_and(|why| why.contains("edit 2 came before")), "{unjudged}");
    let verdict = dev.wait_for("verdict");
    assert_eq!(verdict["edit"], 2, "{verdict}");
    assert_eq!(Client::default().get(&dev.url()).body, "42007", "the real count is that of real calls");
    dev.stop();
}

const CALLS: &str = "use dyninka::prelude::*;

#[placed(tick)]
static TICKS: Placed<u64> = Placed::new(u64::default);

#[service(replay = false)]
fn tick(by: u64) -> u64 { TICKS.update(|ticks| { *ticks += by; *ticks }) }

#[service]
async fn sum(value: u64) -> Result<u64> { Ok(tick(value).await? + value) }

#[dyninka::main]
fn main() { sum(5) }
";

fn what_is_not_to_be_repeated_is_not_and_calls_from_bodies_are_answered_as_they_were(on: &str) {
    let (_folder, file) = app(CALLS);
    let mut dev = Dev::start(&file, on);
    // 1 and 1, 3 and 2, 6 and 3.
    record(&dev, &file, "sum", numbers(1..4), 3);
    save(&file, CALLS, ".await? + value)", ".await? * 2 + value)");
    let verdict = dev.wait_for("verdict");
    assert_eq!(counts(&verdict), (3, 0, 3), "{verdict}");
    let mut changed: Vec<_> = verdict["changed"].as_array().expect("a list").iter().collect();
    changed.sort_by_key(|change| change["at"].as_u64());
    let told: Vec<_> = changed.iter().map(|change| [&change["was"], &change["now"]]).collect();
    assert_eq!(told, [[&json!(2), &json!(3)], [&json!(5), &json!(8)], [&json!(9), &json!(15)]]);
    save(&file, CALLS, "*ticks += by;", "*ticks += by + by;");
    let verdict =
        dev.wait_until("a verdict of tick", |event| event["event"] == "verdict" && event["service"] == "tick");
    assert_eq!((&verdict["same"], &verdict["differ"]), (&json!(0), &json!(0)), "it was not called: {verdict}");
    // Six of the real calls, twice five of this one.
    assert_eq!(Client::default().get(&dev.url()).body, "21", "the real ticks are those of real calls");
    dev.stop();
}

const APPENDS: &str = "use std::io::Write as _;
use dyninka::prelude::*;

#[service]
fn book(value: u64) -> u64 {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(\"PLACE\");
    writeln!(file.expect(\"a file\"), \"{value}\").expect(\"a line\");
    value + 1
}

#[service]
fn double(value: u64) -> u64 { value * 2 }

#[dyninka::main]
fn main() { book(1).double() }
";

fn what_writes_is_not_run_again_and_the_verdict_says_so(on: &str) {
    // A name below /tmp is a file of this machine's to a process, and one of its own to a container.
    let place = tempfile::NamedTempFile::new_in("/tmp").expect("a file").into_temp_path();
    let lines = || fs::read_to_string(&place).expect("the file").lines().count();
    let text = APPENDS.replace("PLACE", place.to_str().expect("text"));
    let (_folder, file) = app(&text);
    let mut dev = Dev::start(&file, on);
    record(&dev, &file, "book", numbers(1..6), 5);
    record(&dev, &file, "double", numbers(1..6), 10);
    let written = lines();
    assert_eq!(written, if on == "process" { 5 } else { 0 });
    save(&file, &text, "value + 1", "value + 2");
    let verdict = dev.wait_for("verdict");
    let why = format!("it writes {}", place.display());
    assert_eq!((counts(&verdict), &verdict["skipped"]), ((5, 0, 0), &json!({ why.clone(): 5 })), "{verdict}");
    // What computes is run.
    save(&file, &text, "value * 2", "value * 3");
    let verdict =
        dev.wait_until("a verdict of double", |event| event["event"] == "verdict" && event["service"] == "double");
    assert_eq!(counts(&verdict), (5, 0, 5), "{verdict}");
    assert_eq!(lines(), written, "it ran again, where it serves or on this machine");
    // Where it says so, it runs as it serves.
    let text = text.replace("#[service]\nfn book", "#[service(replay = true)]\nfn book");
    save(&file, &text, "value + 1", "value + 3");
    let verdict =
        dev.wait_until("a verdict of book", |event| event["event"] == "verdict" && event["service"] == "book");
    assert!(verdict.get("skipped").is_none() && verdict["differ"] == 5, "{verdict}");
    match on {
        "process" => assert!(lines() > written, "it ran"),
        // In a container of its own, which is gone.
        _ => assert_eq!(lines(), 0),
    }
    dev.stop();
}

const SECRET: &str = "use dyninka::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Login { user: String, token: String }

#[service]
fn nobody() -> Login { Login { user: String::new(), token: String::new() } }

#[service]
fn enter(login: Login) -> Login { login }

#[dyninka::main]
fn main() { nobody().enter() }
";

fn secrets_never_reach_the_disk(on: &str) {
    let (folder, file) = app(SECRET);
    let arguments = ["--on", on, "--port", "0", "--record", "one", "--redact", "/token"];
    let mut dev = Dev::launch(&file, &arguments);
    dev.ready = dev.wait_for("ready");
    dev.wait_until("a recording", |event| event["message"].as_str().is_some_and(|it| it.contains("recorded to")));
    let body = "{\"login\":{\"user\":\"ada\",\"token\":\"sesame-7\"}}";
    let headers = [("authorization", "Bearer sesame-8"), ("cookie", "id=sesame-9"), ("x-plain", "kept")];
    assert_eq!(Client::default().post_with(&dev.url(), body, &headers).status, 200);
    while recorded(&file) < 1 {}
    dev.stop();
    let text = fs::read_to_string(folder.path().join("recordings/one/recording.jsonl")).expect("a recording");
    assert!(text.contains("ada") && text.contains("x-plain"), "{text}");
    assert!(!text.contains("sesame"), "{text}");
    let recordings = folder.path().join("recordings");
    for (place, mode) in [("one", 0o700), ("one/recording.jsonl", 0o600)] {
        let of = recordings.join(place).metadata().expect("it is there");
        assert_eq!(of.permissions().mode() & 0o777, mode, "{place}");
    }
    let header: Value = serde_json::from_str(text.lines().next().expect("a header")).expect("JSON");
    assert_eq!(header["redactions"], json!(["/token"]));
}

#[test]
fn a_disk_that_is_full_is_a_notice_and_no_failed_request() {
    let disk = Disk::new("4M");
    let file = disk.path().join("app.rs");
    fs::write(&file, SCALE).expect("a file");
    let mut dev = Dev::launch(&file, &["--on", "process", "--port", "0", "--record", "full"]);
    dev.ready = dev.wait_for("ready");
    let says =
        |words: &'static str| move |event: &Value| event["message"].as_str().is_some_and(|it| it.contains(words));
    dev.wait_until("a recording", says("recorded to"));
    disk.fill();
    // More than what is left of the file's last page, which is there already.
    record(&dev, &file, "scale", readings(0..30), 30);
    dev.wait_until("a notice", says("the disk refuses"));
    disk.empty();
    record(&dev, &file, "scale", readings(30..40), 40);
    dev.wait_until("another", says("goes on"));
    // What is in memory knows nothing of the disk.
    save(&file, SCALE, "FACTOR: f64 = 2.0", "FACTOR: f64 = 3.0");
    assert_eq!(counts(&dev.wait_for("verdict")).0, 40);
    dev.stop();
}
