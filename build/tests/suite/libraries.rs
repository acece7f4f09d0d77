//! Services are compiled, loaded and called.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::house::{self, House, app, placed, service, slice};
use crate::library::Loaded;
use app::Stub;
use dyninka::border::Kind;
use serde_json::json;

const READING: &str = "use dyninka::prelude::*;
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading { sensor: String, value: f64 }
";

#[tokio::test]
async fn two_services_of_a_file_alone_are_built_and_answer() {
    let house = House::new();
    house.write("app.rs", "");
    let builder = house.builder();
    let mut average = service("moving_avg", &[("value", "f64")], "f64");
    average.placed = vec![placed("SUM", "f64")];
    let app = app(vec![service("filter", &[("reading", "Reading")], "Option<Reading>"), average]);

    let filter = format!(
        "{READING}fn filter(reading: Reading) -> Option<Reading> {{ (reading.sensor == \"t\").then_some(reading) }}"
    );
    let built = builder.build_slice(&app, "filter", &slice(&filter)).await.unwrap();
    assert!(built.built);
    assert_eq!(built.version, builder.version(&app, "filter").await.unwrap());
    let loaded = Loaded::open(&built.path);
    assert_eq!(loaded.describe().version, built.version);
    let (kind, body) = loaded.run(&[r#"{"sensor":"t","value":1.5}"#]);
    assert_eq!((kind, body), (Kind::Value, json!({"sensor": "t", "value": 1.5})));
    assert_eq!(loaded.run(&[r#"{"sensor":"x","value":1.5}"#]).0, Kind::Filtered);

    let text = "use dyninka::prelude::*;
static SUM: Placed<f64> = Placed::new(f64::default);
fn moving_avg(value: f64) -> f64 { SUM.update(|sum| { *sum += value; *sum }) }
";
    let built = builder.build_slice(&app, "moving_avg", &slice(text)).await.unwrap();
    let loaded = Loaded::open(&built.path);
    assert_eq!(loaded.describe().states.len(), 1);
    loaded.run(&["1.5"]);
    assert_eq!(loaded.run(&["2"]), (Kind::Value, json!(3.5)));
}

#[tokio::test]
async fn what_was_built_once_is_not_built_again() {
    let house = House::new();
    house.write("app.rs", "");
    let text = slice("fn one() -> u64 { 1 }");
    let mut app = app(vec![service("one", &[], "u64")]);
    let builder = house.builder();
    let first = builder.build_slice(&app, "one", &text).await.unwrap();
    app.services[0].meaning = "second".to_owned();
    let other = builder.build_slice(&app, "one", &slice("fn one() -> u64 { 2 }")).await.unwrap();
    assert_ne!(first.version, other.version);
    assert_ne!(first.path, other.path);
    app.services[0].meaning = "first".to_owned();
    // Another builder: a start of another day.
    let again = house.builder().build_slice(&app, "one", &text).await.unwrap();
    assert!(!again.built);
    assert_eq!((again.version, again.path), (first.version, first.path));
}

#[tokio::test]
async fn included_files_and_modules_are_found_where_they_are() {
    let house = House::new();
    house.write("app/app.rs", "");
    house.write("app/words.txt", "near");
    house.write("data/far.txt", "far");
    let mut sliced = slice(
        "mod part;\nfn get() -> String { [include_str!(\"words.txt\"), include_str!(\"../data/far.txt\"), part::word()].join(\" \") }\n",
    );
    sliced
        .files
        .insert("part.rs".into(), "pub fn word() -> &'static str { include_str!(\"../data/far.txt\") }\n".to_owned());
    sliced.included = BTreeSet::from([PathBuf::from("words.txt"), PathBuf::from("../data/far.txt")]);
    let app = app(vec![service("get", &[], "String")]);
    let built = house.builder_of("app/app.rs").build_slice(&app, "get", &sliced).await.unwrap();
    assert_eq!(Loaded::open(&built.path).run(&[]), (Kind::Value, json!("near far far")));
}

#[tokio::test]
async fn a_panic_is_at_the_users_line() {
    let house = House::new();
    house.write("app.rs", "");
    let app = app(vec![service("get", &[], "u64")]);
    let built =
        house.builder().build_slice(&app, "get", &slice("\n\nfn get() -> u64 { panic!(\"no\") }\n")).await.unwrap();
    let (kind, body) = Loaded::open(&built.path).run(&[]);
    assert_eq!(kind, Kind::Panicked);
    assert_eq!(body["file"], json!(house.path("app.rs")));
    assert_eq!((&body["line"], &body["column"]), (&json!(3), &json!(19)));
}

#[tokio::test]
async fn a_called_service_is_reached_through_the_host() {
    let house = House::new();
    house.write("app.rs", "");
    let lookup = service("lookup", &[("key", "String")], "Result<String>");
    let mut caller = service("price", &[("key", "String")], "Result<String>");
    caller.is_async = true;
    caller.calls = BTreeSet::from(["lookup".to_owned()]);
    let mut sliced =
        slice("use dyninka::prelude::*;\nasync fn price(key: String) -> Result<String> { lookup(key).await }\n");
    sliced.stubs =
        vec![Stub { name: lookup.name.clone(), inputs: lookup.inputs.clone(), output: lookup.output.clone() }];
    let app = app(vec![lookup, caller]);
    let built = house.builder().build_slice(&app, "price", &sliced).await.unwrap();
    assert_eq!(Loaded::open(&built.path).run(&["\"k\""]), (Kind::Value, json!("lookup(\"k\")")));
}

#[tokio::test]
async fn a_build_nobody_waits_for_leaves_nothing() {
    let house = House::new();
    house.write("app.rs", "");
    // Never done: rustc evaluates the constant for ever.
    let text = "#[allow(long_running_const_eval)] const N: u64 = { let mut n = 0u64; loop { n = n.wrapping_add(1); if n == u64::MAX { break n; } } };\nfn get() -> u64 { N }\n";
    let cache = tempfile::tempdir().unwrap();
    for shared in ["target", "linkers", "runtime"] {
        std::os::unix::fs::symlink(house::cache().join(shared), cache.path().join(shared)).unwrap();
    }
    house.builder().prepare(&app(Vec::new())).await.unwrap();
    let builder = build::Builder::open(&house.path("app.rs"), cache.path(), |_| {}).unwrap();
    let builder = builder.limit(std::time::Duration::from_millis(700));
    let app = app(vec![service("get", &[], "u64")]);
    builder.prepare(&app).await.unwrap();
    let error = builder.build_slice(&app, "get", &slice(text)).await.unwrap_err();
    assert!(matches!(error, build::BuildError::TimedOut { .. }), "{error}");
    assert_eq!(std::fs::read_dir(cache.path().join("work")).unwrap().count(), 0);
    assert_eq!(builder.usage().unwrap().artifacts, 0);
}
