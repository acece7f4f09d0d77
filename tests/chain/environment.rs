//! What services find in their environment: one rule, wherever they run.

use std::cell::RefCell;
use std::fs;

use serde_json::json;

use support::session::{Client, Dev};
use support::{app, dyn_command};

support::on_both_backends!(services_find_what_dyn_toml_gives_and_nothing_of_the_shell);

const APP: &str = "use dyninka::prelude::*;

#[placed(count)]
static COUNT: Placed<u64> = Placed::new(|| 0);

fn of(name: &str) -> String { std::env::var(name).unwrap_or_else(|_| \"unset\".into()) }

#[service]
fn asks() -> String { format!(\"{} {:?} {}\", of(\"GIVEN\"), std::env::var_os(\"LOST\"), of(\"MODE\")) }

#[service]
fn names(asked: String) -> String {
    let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    names.sort();
    format!(\"{asked} | {} {} {} | {}\", of(\"PATH\"), of(\"HOME\"), of(\"HOSTNAME\"), names.join(\" \"))
}

#[service]
fn count(named: String) -> String {
    let count = COUNT.update(|count| { *count += 1; *count });
    format!(\"{named} | {} {count}\", of(\"MODE\"))
}

#[dyninka::main]
fn main() { asks().names().count() }
";

const SETTINGS: &str = "[defaults]
inherit = [\"GIVEN\"]
env.MODE = \"quiet\"
[services.names]
env.ONLY = { config = \"place\", key = \"word\" }
[services.count]
env.MODE = \"loud\"
";

fn services_find_what_dyn_toml_gives_and_nothing_of_the_shell(on: &str) {
    let (_folder, file) = app(APP);
    let settings = file.with_file_name("dyn.toml");
    fs::write(&settings, SETTINGS).expect("its settings");
    let mut command = dyn_command();
    command.env("GIVEN", "hi there").env("LOST", "x").env("DYNINKA_TOKEN", "x").env("HOSTNAME", "this-machine");
    let mut dev = Dev::spawn(command, &file, &["--on", on, "--port", "0"]);
    let told = RefCell::new(Vec::new());
    dev.ready = dev.wait_until("ready", |event| {
        told.borrow_mut().extend(event["message"].as_str().map(str::to_owned));
        event["event"] == "ready"
    });
    let (client, url) = (Client::default(), dev.url());
    let base = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin / names | GIVEN HOME HOSTNAME MODE PATH";
    let answer = |mode: &str, own: &str, count: u64| json!(format!("hi there None {mode} | {base} | {own} {count}"));
    assert_eq!(client.get(&url).json(), answer("quiet", "loud", 1));
    let told: Vec<String> = told.take();
    let about = |words: &str| told.iter().any(|message| message.contains(words));
    assert!(
        about("ONLY of names comes from the key word of the ConfigMap place, which is on clusters only"),
        "{told:?}"
    );
    assert!(about("LOST is set in the shell and asked for by the app"), "{told:?}");

    // Of one service alone: it is started anew, and knows what it knew.
    fs::write(&settings, SETTINGS.replace("loud", "louder")).expect("a save");
    let live = dev.wait_for("live");
    assert_eq!(live["services"].as_array().map(Vec::len), Some(1), "{live}");
    assert_eq!(
        (&live["services"][0]["name"], &live["services"][0]["reason"], &live["services"][0]["state"]["COUNT"]["how"]),
        (&json!("count"), &json!("its environment changed (MODE)"), &json!("carried"))
    );
    assert_eq!(client.get(&url).json(), answer("quiet", "louder", 2));

    // Of all, and code with it.
    fs::write(&settings, SETTINGS.replace("quiet", "calm").replace("loud", "calmer")).expect("a save");
    fs::write(&file, APP.replace("{named} |", "{named} !")).expect("a save");
    dev.wait_until("all of it", |event| {
        // Two saves, one or two edits.
        event["event"] == "live" && client.get(&url).body.contains(&format!("hi there None calm | {base} ! calmer "))
    });

    // What does not read changes nothing.
    fs::write(&settings, "[defaults]\nenv.MODE = 1\n").expect("a save");
    let broken = dev.wait_for("broken");
    assert_eq!(broken["diagnostics"][0]["line"], 2, "{broken}");
    assert!(broken["diagnostics"][0]["message"].as_str().is_some_and(|words| words.starts_with("expected text")));
    assert!(client.get(&url).body.contains(" ! calmer "));
    dev.stop();
}
