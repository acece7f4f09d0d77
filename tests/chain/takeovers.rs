//! New versions that do not live, and state that cannot come along.

use std::fs;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use support::app;
use support::session::{Answer, Client, Dev};

support::on_both_backends!(a_version_that_ends_as_it_is_loaded_is_rolled_back_and_says_why,);

/// An app with a counter; `body` is what the one service does.
fn counting(body: &str) -> String {
    with_state("u64", "|| 0", body)
}

fn with_state(ty: &str, initial: &str, body: &str) -> String {
    format!(
        "use dyninka::prelude::*;

#[placed(count)]
static COUNT: Placed<{ty}> = Placed::new({initial});

#[service]
fn count(how: String) -> u64 {{
    {body}
}}

#[dyninka::main]
fn main() {{ count(\"\") }}
"
    )
}

const ONE_MORE: &str = "let _ = how; COUNT.update(|count| { *count += 1; *count })";

/// Code that runs when the library is loaded, before anybody calls it.
fn at_load(code: &str, answer: u64) -> String {
    counting(&format!(
        "#[used]
    #[unsafe(link_section = \".init_array\")]
    static START: extern \"C\" fn() = start;
    extern \"C\" fn start() {{ {code} }}
    let _ = how; COUNT.get() + {answer}"
    ))
}

fn a_version_that_ends_as_it_is_loaded_is_rolled_back_and_says_why(on: &str) {
    let (_folder, file) = app(&counting(ONE_MORE));
    let mut dev = Dev::start(&file, on);
    let (client, url) = (Client::default(), dev.url());
    for (code, words) in [
        ("std::process::exit(0)", "exit code 0"),
        ("eprintln!(\"no more of this\"); std::process::abort()", "no more of this"),
        ("loop { std::thread::park() }", "did not load within 5 s"),
    ] {
        fs::write(&file, at_load(code, 1000)).expect("a save");
        let told = dev.wait_for("rolled_back");
        assert!(told["why"].as_str().is_some_and(|why| why.contains(words)), "{words}: {told}");
        // The host that died is started again, with what served before.
        let answer = loop {
            let answer = client.try_get(&url);
            match answer.filter(|answer| answer.status == 200) {
                Some(answer) => break answer.body,
                None => drop(dev.wait_for("up")),
            }
        };
        assert!(answer.parse::<u64>().expect("a count") < 1000, "{answer}");
    }
    // And the next good one is taken over as ever.
    fs::write(&file, counting("let _ = how; COUNT.get() + 5000")).expect("a save");
    dev.wait_for("live");
    assert!(client.get(&url).body.parse::<u64>().expect("a count") >= 5000);
    dev.stop();
}

#[test]
fn a_version_that_ends_whenever_it_is_called_is_rolled_back() {
    let (_folder, file) = app(&counting(ONE_MORE));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    fs::write(&file, counting("let _ = how; eprintln!(\"farewell\"); std::process::exit(0)")).expect("a save");
    dev.wait_for("live");
    let mut downs = 0;
    let told = loop {
        drop(client.try_get(&url));
        let told = dev.wait_until("its end", |event| event["event"] == "down" || event["event"] == "rolled_back");
        if told["event"] == "rolled_back" {
            break told;
        }
        assert_eq!(told["why"], "it ended with exit code 0");
        downs += 1;
        if downs < 3 {
            dev.wait_for("up");
        }
    };
    assert_eq!(downs, 3);
    assert!(told["why"].as_str().is_some_and(|why| why.contains("farewell")), "{told}");
    dev.wait_for("up");
    assert_eq!(client.get(&url).body, "1");
    dev.stop();
}

#[test]
fn an_initial_value_that_panics_is_told_at_its_line_and_only_where_it_is_needed() {
    let (_folder, file) = app(&counting(ONE_MORE));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1");
    // The value is there: its beginning is nobody's business.
    fs::write(&file, with_state("u64", "|| panic!(\"no beginning\")", ONE_MORE)).expect("a save");
    dev.wait_until("an end", |event| event["event"] == "live" || event["event"] == "unchanged");
    assert_eq!(client.get(&url).body, "2");
    // A type that does not read the old value needs it.
    let body = "let _ = how; COUNT.update(|names| { names.push(String::new()); names.len() as u64 })";
    fs::write(&file, with_state("Vec<String>", "|| panic!(\"no beginning\")", body)).expect("a save");
    let live = dev.wait_for("live");
    assert_eq!(live["services"][0]["state"]["COUNT"]["how"], "reset", "{live}");
    for _ in 0..2 {
        let answer = client.get(&url);
        assert_eq!((answer.status, &answer.json()["line"]), (500, &json!(4)), "{}", answer.body);
        assert!(answer.body.contains("no beginning"), "{}", answer.body);
    }
    fs::write(&file, with_state("Vec<String>", "Vec::new", body)).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "1");
    dev.stop();
}

/// Calls on a thread of its own, and waits until the function says that it has begun.
fn call(dev: &mut Dev, how: &str, words: &str) -> JoinHandle<Answer> {
    let (url, body) = (dev.url(), json!({ "how": how }).to_string());
    // The deadline ends the wait, not the function.
    let calling = std::thread::spawn(move || Client::default().post_with(&url, &body, &[("dyninka-deadline", "1000")]));
    dev.wait_until(words, |event| event["event"] == "log" && event["line"] == words);
    calling
}

#[test]
fn a_call_that_never_ends_keeps_no_new_version_from_serving() {
    let endless = "match how.as_str() {
        \"free\" => { eprintln!(\"for ever\"); loop { std::thread::park() } }
        \"held\" => COUNT.update(|_| { eprintln!(\"for ever\"); loop { std::thread::park() } }),
        _ => COUNT.update(|count| { *count += 1; *count }),
    }";
    let (_folder, file) = app(&counting(endless));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1");
    let state = |live: &Value| live["services"][0]["state"]["COUNT"].clone();
    // It holds nothing: the value goes on with the new version.
    let waiting = call(&mut dev, "free", "for ever");
    fs::write(&file, counting(&endless.replace("*count })", "*count + 100 })"))).expect("a save");
    assert_eq!(state(&dev.wait_for("live"))["how"], "kept");
    assert_eq!(client.get(&url).body, "102");
    assert_eq!(waiting.join().expect("an answer").status, 504);
    // It holds the value, and will for ever: after the grace time the new version begins with another, and says so.
    let waiting = call(&mut dev, "held", "for ever");
    fs::write(&file, counting(&endless.replace("*count })", "*count + 200 })"))).expect("a save");
    let fate = state(&dev.wait_for("live"));
    assert_eq!(fate["how"], "reset", "{fate}");
    assert!(
        fate["why"].as_str().is_some_and(|why| why.contains("a call of count@") && why.contains("still holds it")),
        "{fate}"
    );
    assert_eq!(client.get(&url).body, "201");
    assert_eq!(waiting.join().expect("an answer").status, 504);
    // The same where the value would have to be carried.
    let waiting = call(&mut dev, "held", "for ever");
    let wider = with_state("u128", "|| 0", "let _ = how; COUNT.update(|count| { *count += 1; *count as u64 + 300 })");
    fs::write(&file, wider).expect("a save");
    let fate = state(&dev.wait_for("live"));
    assert_eq!(fate["how"], "reset", "{fate}");
    assert_eq!(client.get(&url).body, "301");
    assert_eq!(waiting.join().expect("an answer").status, 504);
    dev.stop();
}

#[test]
fn a_panic_that_holds_the_value_leaves_it_and_its_next_version_usable() {
    let body = "COUNT.update(|count| { *count += 1; assert!(how.is_empty(), \"said {how}\"); *count })";
    let (_folder, file) = app(&counting(body));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1");
    let answer = client.post(&url, r#"{"how":"no"}"#);
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert_eq!(client.get(&url).body, "3");
    fs::write(&file, counting(&body.replace("*count })", "*count * 10 })"))).expect("a save");
    assert_eq!(dev.wait_for("live")["services"][0]["state"]["COUNT"]["how"], "kept");
    assert_eq!(client.get(&url).body, "40");
    dev.stop();
}

#[test]
fn a_hundred_megabytes_of_state_are_kept_and_carried() {
    let body = "if how == \"fill\" { COUNT.set(\"x\".repeat(100 << 20)); } COUNT.read(|text| text.len() as u64)";
    let (_folder, file) = app(&with_state("String", "String::new", body));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    let size = (100 << 20).to_string();
    assert_eq!(client.post(&url, r#"{"how":"fill"}"#).body, size);
    fs::write(&file, with_state("String", "String::new", &body.replace("fill", "refill"))).expect("a save");
    assert_eq!(dev.wait_for("live")["services"][0]["state"]["COUNT"]["how"], "kept");
    assert_eq!(client.get(&url).body, size);
    let body = body.replace("set(", "set(Box::<str>::from(").replace("20)); }", "20))); }");
    fs::write(&file, with_state("Box<str>", "|| \"\".into()", &body)).expect("a save");
    let live = dev.wait_for("live");
    assert_eq!(live["services"][0]["state"]["COUNT"]["how"], "carried", "{live}");
    assert_eq!(client.get(&url).body, size);
    dev.stop();
}

#[test]
fn state_that_panics_as_it_is_written_begins_anew_and_says_why() {
    let sour = |field: &str| {
        format!(
            "use dyninka::prelude::*;

#[derive(Default, Deserialize)]
struct Sour {{ {field}: u64 }}

impl Serialize for Sour {{
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {{ panic!(\"too sour\") }}
}}

#[placed(count)]
static COUNT: Placed<Sour> = Placed::new(Sour::default);

#[service]
fn count() -> u64 {{ COUNT.update(|sour| {{ sour.{field} += 1; sour.{field} }}) }}

#[dyninka::main]
fn main() {{ count() }}
"
        )
    };
    let (_folder, file) = app(&sour("calls"));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(client.get(&url).body, "1");
    assert_eq!(client.get(&url).body, "2");
    fs::write(&file, sour("visits")).expect("a save");
    let fate = dev.wait_for("live")["services"][0]["state"]["COUNT"].clone();
    assert_eq!(fate["how"], "reset", "{fate}");
    assert!(fate["why"].as_str().is_some_and(|why| why.contains("too sour")), "{fate}");
    assert_eq!(client.get(&url).body, "1");
    dev.stop();
}
