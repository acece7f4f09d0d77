//! Services that are compiled at once at a start: what a user sees is what he sees of each alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::sessions::fresh;
use crate::toolchain::Toolchain;
use support::session::{Client, Dev};
use support::{app, dyn_command};

support::on_both_backends!(a_chain_is_the_same_in_groups_of_any_size);

/// A chain with a type, a state, a panic and a future. `number` tells it from every app that was built before.
fn chain(number: u64) -> String {
    format!(
        "use dyninka::prelude::*;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Count {{ calls: u64, sum: u64 }}

#[placed(count)]
static COUNT: Placed<Count> = Placed::new(Count::default);

#[service]
fn source() -> u64 {{ {number} }}

#[service]
fn plus(value: u64) -> u64 {{
    assert!(value != 0, \"nothing of {number}\");
    value + 1
}}

#[service]
async fn count(value: u64) -> Count {{
    COUNT.update(|count| {{ count.calls += 1; count.sum += value - {number}; count.clone() }})
}}

#[service]
fn last(count: Count) -> Option<Count> {{ (count.calls < {number}).then_some(count) }}

#[dyninka::main]
fn main() {{ source().plus().count().last() }}
"
    )
}

/// Starts a session that compiles so many services at once.
fn start(mut command: std::process::Command, file: &Path, on: &str, services: usize) -> Dev {
    command.env("DYNINKA_GROUPS_OF", services.to_string());
    Dev::spawn(command, file, &["--on", on, "--port", "0"])
}

/// Waits for `ready`, and answers with how many others each service was compiled.
fn compiled(dev: &mut Dev) -> BTreeMap<String, u64> {
    dev.ready = dev.wait_for("ready");
    let built = dev.seen().iter().filter(|event| event["event"] == "built");
    let with = |event: &Value| {
        assert_eq!(event["compiled"], true, "{event}");
        (event["service"].as_str().expect("a name").to_owned(), event["with"].as_u64().unwrap_or(1))
    };
    built.map(with).collect()
}

fn a_chain_is_the_same_in_groups_of_any_size(on: &str) {
    for services in [1, 2, 25] {
        let number = 1000 + fresh();
        let text = chain(number);
        let (_folder, file) = app(&text);
        let mut dev = start(dyn_command(), &file, on, services);
        let with = compiled(&mut dev);
        let expected = services.min(4) as u64;
        assert!(with.len() == 4 && with.values().all(|with| *with == expected), "{services}: {with:?}");
        let (client, url) = (Client::default(), dev.url());
        assert_eq!(client.get(&url).json(), json!({ "calls": 1, "sum": 1 }));

        // A panic names the line of the file.
        let fallen = client.post(&dev.url_of("plus"), r#"{"value":0}"#).json();
        assert_eq!((&fallen["line"], &fallen["column"]), (&json!(14), &json!(5)), "{fallen}");

        // An edit is built alone, and the state of another service of its group goes on.
        let edited = text.replace("value + 1", "value + 2");
        fs::write(&file, &edited).expect("a save");
        assert_eq!(dev.wait_for("built")["with"], Value::Null);
        let live = dev.wait_for("live");
        assert_eq!(live["services"].as_array().map(Vec::len), Some(1), "{live}");
        assert_eq!(client.get(&url).json(), json!({ "calls": 2, "sum": 3 }));
        // One of the group with state: the value goes on in its own library.
        fs::write(&file, edited.replace("count.sum += value", "count.sum += 1 + value")).expect("a save");
        let live = dev.wait_for("live");
        assert_eq!(live["services"][0]["state"]["COUNT"]["how"], "kept", "{live}");
        assert_eq!(client.get(&url).json(), json!({ "calls": 3, "sum": 6 }));
        // What was built is found again, however it was built.
        fs::write(&file, &text).expect("a save");
        for _ in 0..2 {
            assert_eq!(dev.wait_for("built")["compiled"], false);
        }
        dev.wait_for("live");
        dev.stop();
    }
}

/// A chain of so many services that all rest on one type. `number` tells it from every app that was built before.
fn many(services: usize, number: u64) -> String {
    let head = format!(
        "use dyninka::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Step {{ by: u64 }}
impl Step {{ fn of(by: u64) -> Self {{ Self {{ by }} }} }}

#[service] fn s0() -> u64 {{ Step::of(0).by % {number} }}
"
    );
    let one =
        |at: usize| format!("#[service] fn s{at}(value: u64) -> u64 {{ value + Step::of({at}).by % {number} }}\n");
    let calls: String = (1..services).map(|at| format!(".s{at}()")).collect();
    let all: String = (1..services).map(one).collect();
    format!("{head}{all}#[dyninka::main] fn main() {{ s0(){calls} }}\n")
}

#[test]
fn of_25_services_of_a_group_that_one_save_changes_the_24_that_are_sound_go_live() {
    const SERVICES: usize = 25;
    let text = many(SERVICES, 1000 + fresh());
    let (_folder, file) = app(&text);
    let mut dev = start(dyn_command(), &file, "process", SERVICES);
    let with = compiled(&mut dev);
    assert!(with.len() == SERVICES && with.values().all(|with| *with == SERVICES as u64), "{with:?}");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "300");
    // The type is another, and so is what it does; one service is broken, too.
    let edited = text
        .replace("{ by: u64 }", "{ by: u64, times: u64 }")
        .replace("Self { by }", "Self { by: by * 2, times: 1 }")
        .replace("value + Step::of(7).by", "value + \"\" + Step::of(7).by");
    fs::write(&file, edited).expect("a save");
    let live = dev.wait_for("live");
    let mut names: Vec<&str> =
        live["services"].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    names.sort_unstable();
    assert!(names.len() == SERVICES - 1 && !names.contains(&"s7"), "{names:?}");
    let broken: Vec<&Value> = dev.seen().iter().filter(|event| event["event"] == "broken").collect();
    let line = 1 + text.lines().position(|line| line.contains("fn s7(")).expect("its line");
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(
        (&broken[0]["diagnostics"][0]["line"], broken[0]["diagnostics"].as_array().map(Vec::len)),
        (&json!(line), Some(1))
    );
    // Twice as much of each but the broken one, which is as it was.
    assert_eq!(client.get(&url).body, (300 * 2 - 7).to_string());
    dev.stop();
}

#[test]
fn a_save_while_a_group_is_compiled_is_what_serves() {
    let toolchain = Toolchain::new();
    let text = chain(1000 + fresh());
    let (_folder, file) = app(&text);
    toolchain.hold("*--crate-type=cdylib*");
    let mut dev = start(toolchain.dyn_command(), &file, "process", 25);
    let held = toolchain.held();
    for _ in 0..4 {
        dev.wait_for("building");
    }
    fs::write(&file, text.replace("value + 1", "value + 5")).expect("a save");
    assert_eq!(dev.wait_for("building")["service"], "plus");
    drop(held);
    dev.ready = dev.wait_for("ready");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).json()["sum"], 5, "{:#?}", dev.seen());
    let broken = dev.seen().iter().any(|event| event["event"] == "broken");
    assert!(!broken, "{:#?}", dev.seen());
    dev.stop();
    assert_eq!(toolchain.left(), [""; 0]);
}

#[test]
fn a_group_that_rustc_has_no_memory_for_is_halved_and_that_is_said() {
    let toolchain = Toolchain::new();
    let (_folder, file) = app(&chain(1000 + fresh()));
    toolchain.kill_over(2);
    let mut dev = start(toolchain.dyn_command(), &file, "process", 25);
    let with = compiled(&mut dev);
    assert!(with.len() == 4 && with.values().all(|with| *with == 2), "{with:?}");
    let words = "rustc was killed over 4 services at once: half of them are tried";
    let told = dev.seen().iter().filter(|event| event["message"] == words).count();
    assert_eq!(told, 1, "{:#?}", dev.seen());
    assert_eq!(Client::default().get(&dev.url()).json(), json!({ "calls": 1, "sum": 1 }));
    dev.stop();
    assert_eq!(toolchain.left(), [""; 0]);
}

#[test]
fn a_number_of_services_that_is_none_is_refused() {
    let (_folder, file) = app(&chain(1000));
    for wrong in ["0", "many", "-1"] {
        let mut command = dyn_command();
        command.arg("dev").arg(&file).args(["--on", "process", "--port", "0"]).env("DYNINKA_GROUPS_OF", wrong);
        let output = command.output().expect("dyn");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(words.contains("DYNINKA_GROUPS_OF") && words.contains(wrong), "{words}");
    }
}
