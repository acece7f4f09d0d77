//! Saves while the chain runs: only what changed its meaning is built, and it is taken over in place.

use std::fs;

use serde_json::json;

use support::app;
use support::hosts::{kill, serving};
use support::session::{Client, Dev};

support::on_both_backends!(
    a_function_is_taken_over_with_its_state,
    what_has_no_meaning_builds_nothing_and_routes_change_without_a_build,
    services_come_are_renamed_and_go_while_the_chain_runs,
    a_step_that_does_not_fit_is_refused_with_both_ends_named,
    a_broken_edit_keeps_the_last_good_program_serving,
    state_whose_type_changed_is_carried_where_it_reads_and_reset_where_not,
);

const COUNTER: &str = "use dyninka::prelude::*;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Count { calls: u64 }

#[placed(count)]
static COUNT: Placed<Count> = Placed::new(Count::default);

#[service]
fn source() -> u64 { 10 }

#[service]
fn plus(value: u64) -> u64 { value + step() }

fn step() -> u64 { 1 }

#[service]
fn count(value: u64) -> u64 { COUNT.update(|count| { count.calls += 1; count.calls * 1000 + value }) }

#[dyninka::main]
fn main() { source().plus().count() }
";

fn a_function_is_taken_over_with_its_state(on: &str) {
    let (_folder, file) = app(COUNTER);
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    let before = serving(on, &file);
    assert_eq!(client.get(&url).body, "1011");
    // A helper: who reaches it, with the reason.
    fs::write(&file, COUNTER.replace("-> u64 { 1 }", "-> u64 { 2 }")).expect("a save");
    let live = dev.wait_for("live");
    assert_eq!(
        (&live["services"][0]["name"], &live["services"][0]["reason"]),
        (&json!("plus"), &json!("helper step() changed"))
    );
    assert_eq!(live["services"].as_array().map(Vec::len), Some(1));
    let answer = client.get(&url);
    assert_eq!(answer.body, "2012");
    assert!(answer.header("dyninka-version").contains(live["services"][0]["version"].as_str().expect("a version")));
    // The function with the state: the very value goes on.
    fs::write(&file, COUNTER.replace("* 1000 +", "* 2000 +")).expect("a save");
    let edited = dev.wait_until("both", |event| event["event"] == "live");
    let names: Vec<_> =
        edited["services"].as_array().expect("a list").iter().map(|service| service["name"].clone()).collect();
    assert!(names.contains(&json!("count")), "{edited}");
    let count = edited["services"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|service| service["name"] == "count")
        .expect("count");
    assert_eq!(count["state"]["COUNT"]["how"], "kept");
    assert_eq!(client.get(&url).body, "6011");
    // Back: kept from before, nothing is compiled.
    fs::write(&file, COUNTER).expect("a save");
    assert_eq!(dev.wait_for("built")["compiled"], false);
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "4011");
    // Same processes, same containers.
    assert_eq!(serving(on, &file), before);
    // What comes back after a kill has the latest code.
    fs::write(&file, COUNTER.replace("-> u64 { 1 }", "-> u64 { 3 }")).expect("a save");
    dev.wait_for("live");
    kill(on, &file, "plus");
    dev.wait_for("up");
    assert_eq!(client.get(&url).body, "5013");
    dev.stop();
}

fn what_has_no_meaning_builds_nothing_and_routes_change_without_a_build(on: &str) {
    let (_folder, file) = app(COUNTER);
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    fs::write(&file, COUNTER.replace("fn step()", "/// Said.\n// and said\nfn  step( )")).expect("a save");
    assert_eq!(dev.wait_for("unchanged")["edit"], 1);
    fs::write(&file, COUNTER.replace("source().plus().count()", "count(source())")).expect("a save");
    let live = dev.wait_for("live");
    assert_eq!((&live["flow"], &live["services"]), (&json!(true), &json!([])));
    // Hosts read their routes in the same moment; the first answer by the new one is waited for.
    while client.get(&url).header("dyninka-version").contains("plus@") {}
    dev.stop();
}

fn services_come_are_renamed_and_go_while_the_chain_runs(on: &str) {
    let (_folder, file) = app(COUNTER);
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    let before = serving(on, &file);
    assert_eq!(client.get(&url).body, "1011");
    // A new last service: the public listener leads to it, at the same address.
    let doubled = COUNTER
        .replace("#[dyninka::main]", "#[service]\nfn double(value: u64) -> u64 { value * 2 }\n\n#[dyninka::main]")
        .replace(".count()", ".count().double()");
    fs::write(&file, &doubled).expect("a save");
    let live = dev.wait_for("live");
    assert_eq!((&live["services"][0]["name"], &live["flow"]), (&json!("double"), &json!(true)), "{live}");
    assert_eq!(client.get(&url).body, "4022", "the count goes on");
    assert_eq!(serving(on, &file).len(), before.len() + 1);
    // Another name for the one with the state: its value goes along, the old one leaves nothing behind.
    let renamed = doubled.replace("#[placed(count)]", "#[placed(tally)]").replace("fn count(", "fn tally(");
    let renamed = renamed.replace(".count()", ".tally()");
    fs::write(&file, &renamed).expect("a save");
    let live = dev.wait_for("live");
    assert_eq!(live["services"][0]["state"]["COUNT"]["how"], "carried", "{live}");
    assert_eq!(live["removed"], json!(["count"]));
    assert_eq!(client.get(&url).body, "6022");
    assert_eq!(serving(on, &file).len(), before.len() + 1);
    // The last one goes, and the door leads to the one before it.
    fs::write(&file, renamed.replace(".double()", "").replace("#[service]\nfn double", "fn double")).expect("a save");
    assert_eq!(dev.wait_for("live")["removed"], json!(["double"]));
    assert_eq!(client.get(&url).body, "4011");
    assert_eq!(serving(on, &file).len(), before.len());
    dev.stop();
}

fn a_step_that_does_not_fit_is_refused_with_both_ends_named(on: &str) {
    let (_folder, file) = app(COUNTER);
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1011");
    // A good edit of another service in the same save waits too: what would run together does not fit together.
    let text = COUNTER.replace(
        "fn plus(value: u64) -> u64 { value + step() }",
        "fn plus(value: u64) -> String { value.to_string() }",
    );
    fs::write(&file, text.replace("* 1000", "* 5000")).expect("a save");
    let broken = dev.wait_for("broken");
    let words = broken["diagnostics"].to_string();
    assert!(["plus", "count", "String", "u64"].iter().all(|word| words.contains(word)), "{broken}");
    assert_eq!(client.get(&url).body, "2011");
    // Both ends mended: it goes on as one.
    let both =
        text.replace("fn count(value: u64)", "fn count(text: String)").replace("+ value })", "+ text.len() as u64 })");
    fs::write(&file, both).expect("a save");
    let live = dev.wait_for("live");
    assert_eq!(live["services"].as_array().map(Vec::len), Some(2), "{live}");
    assert_eq!(client.get(&url).body, "3002");
    dev.stop();
}

fn a_broken_edit_keeps_the_last_good_program_serving(on: &str) {
    let (_folder, file) = app(COUNTER);
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    // rustc's words, at the user's line; what several services share is told once.
    fs::write(&file, COUNTER.replace("calls: u64", "calls: u46")).expect("a save");
    let broken = dev.wait_for("broken");
    let finding = &broken["diagnostics"][0];
    assert_eq!(finding["line"], 4, "{broken}");
    assert!(finding["message"].as_str().is_some_and(|message| message.contains("u46")), "{broken}");
    assert_eq!(client.get(&url).body, "1011");
    // Half a file: the place is syn's.
    fs::write(&file, &COUNTER[..COUNTER.len() / 2]).expect("a save");
    assert!(
        dev.wait_for("broken")["diagnostics"][0]["message"]
            .as_str()
            .is_some_and(|message| message.contains("syntax error"))
    );
    assert_eq!(client.get(&url).body, "2011");
    // Gone, and there again.
    fs::remove_file(&file).expect("a removal");
    assert!(
        dev.wait_for("broken")["diagnostics"][0]["message"]
            .as_str()
            .is_some_and(|message| message.contains("no such file"))
    );
    assert_eq!(client.get(&url).body, "3011");
    fs::write(&file, COUNTER.replace("-> u64 { 1 }", "-> u64 { 5 }")).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "4015");
    dev.stop();
}

fn state_whose_type_changed_is_carried_where_it_reads_and_reset_where_not(on: &str) {
    let (_folder, file) = app(COUNTER);
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1011");
    let carried = COUNTER.replace("calls: u64 }", "calls: u64, #[serde(default)] resets: u64 }");
    fs::write(&file, &carried).expect("a save");
    assert_eq!(dev.wait_for("live")["services"][0]["state"]["COUNT"]["how"], "carried");
    assert_eq!(client.get(&url).body, "2011");
    fs::write(&file, COUNTER.replace("calls: u64 }", "calls: u64, since: String }")).expect("a save");
    let live = dev.wait_for("live");
    let fate = &live["services"][0]["state"]["COUNT"];
    assert_eq!(fate["how"], "reset", "{live}");
    assert!(fate["why"].as_str().is_some_and(|why| why.contains("since")), "{live}");
    assert_eq!(client.get(&url).body, "1011");
    dev.stop();
}
