//! Placed values over edits that change what their memory means.

use std::fs;

use serde_json::{Value, json};

use support::app;
use support::session::{Client, Dev};

/// Values whose types rest on a constant of an `impl`, a function, an associated type, a macro, a trait, an order.
const VALUES: &str = "use dyninka::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;

struct K;
impl K { const N: usize = 2; }
#[derive(Serialize, Deserialize, Default)]
struct Buf { w: [u64; K::N] }
#[placed(look)]
static BUF: Placed<Buf> = Placed::new(Buf::default);

const fn size() -> usize { 2 }
#[derive(Serialize, Deserialize, Default)]
struct Sized { w: [u64; size()] }
#[placed(look)]
static SIZED: Placed<Sized> = Placed::new(Sized::default);

trait Has { type V; }
impl Has for K { type V = u64; }
#[derive(Serialize, Deserialize, Default)]
struct Val { v: <K as Has>::V }
#[placed(look)]
static VAL: Placed<Val> = Placed::new(Val::default);

macro_rules! record {
    ($name:ident { $($field:ident : $ty:ty),* }) => {
        #[derive(Serialize, Deserialize, Default)]
        struct $name { $($field: $ty),* }
    };
}
record!(Average { sum: f64 });
#[placed(look)]
static AVERAGE: Placed<Average> = Placed::new(Average::default);

trait Shape: Send { fn area(&self) -> u64; }
struct Square(u64);
impl Shape for Square { fn area(&self) -> u64 { self.0 * self.0 } }
#[placed(look)]
static SHAPES: Placed<Vec<Box<dyn Shape>>> = Placed::new(Vec::new);

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Key(u32);
impl Ord for Key { fn cmp(&self, other: &Self) -> Ordering { self.0.cmp(&other.0) } }
impl PartialOrd for Key { fn partial_cmp(&self, other: &Self) -> Option<Ordering> { Some(self.cmp(other)) } }
#[placed(look)]
static MAP: Placed<BTreeMap<Key, u8>> = Placed::new(BTreeMap::new);

#[service]
fn look(how: String) -> Vec<String> {
    if how == \"fill\" {
        BUF.update(|buf| buf.w.fill(7));
        SIZED.update(|sized| sized.w.fill(7));
        VAL.update(|val| val.v = \"7\".parse().unwrap_or_default());
        AVERAGE.update(|average| average.sum = 1.5.into());
        SHAPES.update(|shapes| shapes.push(Box::new(Square(3))));
        MAP.update(|map| map.extend((0..50).map(|n| (Key(n), 1))));
    }
    vec![
        format!(\"{:?}\", BUF.read(|buf| buf.w.to_vec())),
        format!(\"{:?}\", SIZED.read(|sized| sized.w.to_vec())),
        format!(\"{:?}\", VAL.read(|val| val.v.clone())),
        format!(\"{:?}\", AVERAGE.read(|average| average.sum)),
        format!(\"{:?}\", SHAPES.read(|shapes| shapes.iter().map(|shape| shape.area()).collect::<Vec<_>>())),
        format!(\"{}\", MAP.read(|map| (0..50).filter(|n| map.contains_key(&Key(*n))).count())),
    ]
}

#[dyninka::main]
fn main() { look(\"\") }
";

/// What became of each value of the one service, and why.
fn fates(live: &Value) -> Vec<(String, String, String)> {
    let fates = live["services"][0]["state"].as_object().expect("the values of the service");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    fates.iter().map(|(name, fate)| (name.clone(), text(&fate["how"]), text(&fate["why"]))).collect()
}

fn hows(live: &Value) -> Vec<(String, String)> {
    fates(live).into_iter().map(|(name, how, _)| (name, how)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, how)| ((*name).to_owned(), (*how).to_owned())).collect()
}

#[test]
fn values_whose_memory_would_mean_something_else_go_through_json_or_begin_anew_and_say_why() {
    let (folder, file) = app(VALUES);
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    let filled = json!(["[7, 7]", "[7, 7]", "7", "1.5", "[9]", "50"]);
    assert_eq!(client.post(&url, r#"{"how":"fill"}"#).json(), filled);

    let mut text = VALUES.to_owned();
    for (from, to) in [
        ("N: usize = 2", "N: usize = 4"),
        ("usize { 2 }", "usize { 4 }"),
        ("type V = u64", "type V = String"),
        ("sum: f64", "sum: Option<f64>"),
        ("{ fn area(&self) -> u64; }", "{ fn name(&self) -> u64 { 1 } fn area(&self) -> u64; }"),
        ("self.0.cmp(&other.0)", "other.0.cmp(&self.0)"),
    ] {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    fs::write(&file, &text).expect("a save");
    let live = dev.wait_for("live");
    let expected = [
        ("AVERAGE", "carried"),
        ("BUF", "reset"),
        ("MAP", "carried"),
        ("SHAPES", "reset"),
        ("SIZED", "reset"),
        ("VAL", "reset"),
    ];
    assert_eq!(hows(&live), pairs(&expected), "{live}");
    assert!(fates(&live).iter().all(|(_, _, why)| !why.is_empty()), "{live}");
    let carried = json!(["[0, 0, 0, 0]", "[0, 0, 0, 0]", "\"\"", "Some(1.5)", "[]", "50"]);
    assert_eq!(client.get(&url).json(), carried);

    // An edit of the function alone: what is ordinary stays where it is, and what could hide anything does not.
    text = text.replace("    vec![\n", "    let _ = 1;\n    vec![\n");
    fs::write(&file, &text).expect("a save");
    let live = dev.wait_for("live");
    let expected = [
        ("AVERAGE", "carried"),
        ("BUF", "kept"),
        ("MAP", "kept"),
        ("SHAPES", "reset"),
        ("SIZED", "kept"),
        ("VAL", "carried"),
    ];
    assert_eq!(hows(&live), pairs(&expected), "{live}");
    assert_eq!(client.get(&url).json(), carried);

    // A type in a file that is included.
    fs::write(
        folder.path().join("types.in"),
        "#[derive(Serialize, Deserialize, Debug, Default)] struct Inc { a: u64 }",
    )
    .expect("an included file");
    text = text.replace(
        "struct K;\n",
        "include!(\"types.in\");\n#[placed(look)]\nstatic INC: Placed<Inc> = Placed::new(Inc::default);\nstruct K;\n",
    );
    text = text
        .replace("let _ = 1;", "INC.update(|inc| inc.a += 1);")
        .replace("vec![\n", "vec![\n        format!(\"{:?}\", INC.read(|inc| format!(\"{inc:?}\"))),\n");
    fs::write(&file, &text).expect("a save");
    assert_eq!(dev.wait_for("live")["services"][0]["state"]["INC"]["how"], "new");
    assert_eq!(client.get(&url).json()[0], "\"Inc { a: 1 }\"");
    let wider = "#[derive(Serialize, Deserialize, Debug, Default)] struct Inc { #[serde(default)] b: String, a: u64 }";
    fs::write(folder.path().join("types.in"), wider).expect("a save");
    assert_eq!(dev.wait_for("live")["services"][0]["state"]["INC"]["how"], "carried");
    assert_eq!(client.get(&url).json()[0], "\"Inc { b: \\\"\\\", a: 2 }\"");
    dev.stop();
}

/// A counter of a type that tells of its end.
const TOLD: &str = "use dyninka::prelude::*;

#[derive(Serialize, Deserialize)]
struct Big { count: u64 }
impl Drop for Big {
    fn drop(&mut self) {
        eprintln!(\"dropped {}\", self.count);
        assert_ne!(self.count, 2, \"not gladly\");
    }
}
#[placed(count)]
static COUNT: Placed<Big> = Placed::new(|| Big { count: 0 });

#[service]
fn count(how: String) -> u64 {
    if how == \"thread\" {
        std::thread::spawn(|| loop { std::thread::park() });
    }
    COUNT.update(|big| { big.count += 1; u64::from(big.count) })
}

#[dyninka::main]
fn main() { count(\"\") }
";

/// Waits for an event that may have been told before the edit was.
fn hear(dev: &mut Dev, what: &str, passes: impl Fn(&Value) -> bool) {
    if !dev.seen().iter().any(&passes) {
        dev.wait_until(what, passes);
    }
}

#[test]
fn a_carried_value_is_dropped_with_its_version_unless_a_thread_of_it_still_runs_which_is_told() {
    let (_folder, file) = app(TOLD);
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    let line = |event: &Value, words: &str| {
        event["event"] == "log" && event["line"].as_str().is_some_and(|line| line.contains(words))
    };
    let edit = |dev: &mut Dev, ty: &str| {
        fs::write(&file, TOLD.replace("count: u64 }", &format!("count: {ty} }}"))).expect("a save");
        let live = dev.wait_for("live");
        assert_eq!(live["services"][0]["state"]["COUNT"]["how"], "carried", "{live}");
        live["services"][0]["version"].as_str().expect("a version").to_owned()
    };
    assert_eq!(client.get(&url).body, "1");
    edit(&mut dev, "u32");
    hear(&mut dev, "the end of the first value", |event| line(event, "dropped 1"));
    assert_eq!(client.get(&url).body, "2");
    // A panic in it is told, and the host goes on.
    let version = edit(&mut dev, "u16");
    hear(&mut dev, "a panic", |event| line(event, "panicked as it was dropped") && line(event, "not gladly"));
    assert_eq!(client.get(&url).body, "3");
    assert_eq!(client.post(&url, r#"{"how":"thread"}"#).body, "4");
    edit(&mut dev, "u8");
    let version = version.rsplit('@').next().expect("a hash").to_owned();
    let told = format!("count: 1 thread of version {version} still runs");
    let is_told = |event: &Value| event["message"].as_str().is_some_and(|words| words.starts_with(&told));
    assert!(dev.seen().iter().any(is_told), "{:?}", dev.seen());
    assert_eq!(client.get(&url).body, "5");
    edit(&mut dev, "u64");
    hear(&mut dev, "the end of a value without a thread", |event| line(event, "dropped 5"));
    assert!(!dev.seen().iter().any(|event| line(event, "dropped 4")), "a thread may use it");
    assert_eq!(dev.seen().iter().filter(|event| is_told(event)).count(), 1, "it is told once");
    dev.stop();
}
