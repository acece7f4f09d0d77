//! Services are compiled, loaded and called.

use compiler::BuildError;
use dyninka::border::Kind;
use serde_json::json;

use crate::house::House;
use crate::library::Loaded;

#[tokio::test]
async fn two_services_of_a_file_alone_are_built_and_answer() {
    let house = House::new(
        "use dyninka::prelude::*;
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading { sensor: String, value: f64 }
#[placed(moving_avg)]
static SUM: Placed<f64> = Placed::new(f64::default);
#[service]
fn filter(reading: Reading) -> Option<Reading> { (reading.sensor == \"t\").then_some(reading) }
#[service]
fn moving_avg(reading: Reading) -> f64 { SUM.update(|sum| { *sum += reading.value; *sum }) }
#[dyninka::main]
fn main() { filter().moving_avg() }
",
    );
    let (builder, app) = (house.builder(), house.app());
    let built = builder.build(&app, "filter").await.unwrap();
    assert!(built.built);
    assert_eq!(built.version, builder.version(&app, "filter").await.unwrap());
    let loaded = Loaded::open(&built.path);
    assert_eq!(loaded.describe().version, built.version);
    let (kind, body) = loaded.run(&[r#"{"sensor":"t","value":1.5}"#]);
    assert_eq!((kind, body), (Kind::Value, json!({"sensor": "t", "value": 1.5})));
    assert_eq!(loaded.run(&[r#"{"sensor":"x","value":1.5}"#]).0, Kind::Filtered);

    let loaded = Loaded::open(&builder.build(&app, "moving_avg").await.unwrap().path);
    assert_eq!(loaded.describe().states.len(), 1);
    loaded.run(&[r#"{"sensor":"t","value":1.5}"#]);
    assert_eq!(loaded.run(&[r#"{"sensor":"t","value":2}"#]), (Kind::Value, json!(3.5)));
}

#[tokio::test]
async fn what_was_built_once_is_not_built_again() {
    let house = House::new("#[service] fn one() -> u64 { 1 }");
    let builder = house.builder();
    let first = builder.build(&house.app(), "one").await.unwrap();
    house.write("app.rs", "#[service] fn one() -> u64 { 2 }");
    let other = builder.build(&house.app(), "one").await.unwrap();
    assert_ne!(first.version, other.version);
    assert_ne!(first.path, other.path);
    house.write("app.rs", "#[service] fn one() -> u64 { 1 }\n// As it was.");
    // Another builder: a start on another day.
    let again = house.builder().build(&house.app(), "one").await.unwrap();
    assert!(!again.built);
    assert_eq!((&again.version, &again.path), (&first.version, &first.path));
    // What it says of its lines is part of a library, and of no version.
    house.write("app.rs", "// Below.\n#[service] fn one() -> u64 { 1 }");
    let lower = builder.build(&house.app(), "one").await.unwrap();
    assert_eq!((lower.version, lower.built), (first.version, true));
}

#[tokio::test]
async fn included_files_and_modules_are_found_where_they_are() {
    let house = House::new("");
    house.write("app/words.txt", "near");
    house.write("data/far.txt", "far");
    house.write("app/part.rs", "pub fn word() -> &'static str { include_str!(\"../data/far.txt\") }\n");
    let text = "mod part;
#[service]
fn get() -> String { [include_str!(\"words.txt\"), include_str!(\"../data/far.txt\"), part::word()].join(\" \") }
";
    house.write("app/app.rs", text);
    let built = house.builder_of("app/app.rs").build(&house.app_of("app/app.rs"), "get").await.unwrap();
    assert_eq!(Loaded::open(&built.path).run(&[]), (Kind::Value, json!("near far far")));
}

#[tokio::test]
async fn a_panic_is_at_the_users_line() {
    let house = House::new("// Nothing.\n#[service]\nfn get() -> u64 { panic!(\"no\") }\n");
    let built = house.builder().build(&house.app(), "get").await.unwrap();
    let (kind, body) = Loaded::open(&built.path).run(&[]);
    assert_eq!(kind, Kind::Panicked);
    assert_eq!(body["file"], json!(house.path("app.rs")));
    assert_eq!((&body["line"], &body["column"]), (&json!(3), &json!(19)));
}

#[tokio::test]
async fn a_called_service_is_reached_through_the_host() {
    let house = House::new(
        "use dyninka::prelude::*;
#[service]
fn lookup(key: String) -> Result<String> { Ok(key) }
#[service]
async fn price(key: String) -> Result<String> { lookup(key).await }
",
    );
    let built = house.builder().build(&house.app(), "price").await.unwrap();
    assert_eq!(Loaded::open(&built.path).run(&["\"k\""]), (Kind::Value, json!("lookup(\"k\")")));
}

/// rustc evaluates the constant for ever.
const ENDLESS: &str = "#[allow(long_running_const_eval)]
const N: u64 = { let mut n = 0u64; loop { n = n.wrapping_add(1); if n == u64::MAX { break n; } } };
#[service]
fn get() -> u64 { N }
";

#[tokio::test]
async fn a_build_that_never_ends_is_ended_and_leaves_nothing() {
    let house = House::new(ENDLESS);
    let cache = tempfile::tempdir().unwrap();
    let builder = house.builder_in(cache.path()).await.limit(std::time::Duration::from_millis(700));
    let error = builder.build(&house.app(), "get").await.unwrap_err();
    assert!(matches!(error, BuildError::TimedOut { .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("never ends")), "{:?}", error.hint());
    assert_eq!(std::fs::read_dir(cache.path().join("work")).unwrap().count(), 0);
    assert_eq!(builder.usage().unwrap().artifacts, 0);
}

#[tokio::test]
async fn a_build_nobody_waits_for_is_ended_and_leaves_nothing() {
    let house = House::new(ENDLESS);
    let cache = tempfile::tempdir().unwrap();
    let builder = house.builder_in(cache.path()).await;
    let app = house.app();
    let runs = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        lines.any(|line| String::from_utf8_lossy(&line).contains(&*cache.path().to_string_lossy()))
    };
    let begun = async {
        while !runs() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = builder.build(&app, "get") => panic!("{ended:?}"),
        () = begun => {}
    }
    assert_eq!(std::fs::read_dir(cache.path().join("work")).unwrap().count(), 0);
    while runs() {
        tokio::task::yield_now().await;
    }
}
