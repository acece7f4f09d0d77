//! Services that are built for the first time share a library, and are what they are by themselves.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use app::App;
use compiler::{Artifact, BuildError, Builder, Profile, Progress};
use dyninka::border::Kind;
use futures_util::future::join_all;
use serde_json::json;

use crate::house::House;
use crate::library::Loaded;

const APP: &str = "use dyninka::prelude::*;
use std::collections::BTreeMap;
mod units;
use units::Celsius;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading { sensor: String, value: f64 }
impl Reading {
    fn checked(&self) -> &Self {
        assert!(!self.sensor.is_empty(), \"nameless\"); self
    }
}
#[derive(Clone, Default, Serialize, Deserialize)]
struct Total { sum: f64, of: BTreeMap<String, u64> }
#[placed(sum)]
static TOTAL: Placed<Total> = Placed::new(Total::default);
#[placed(count)]
static COUNT: Placed<u64> = Placed::new(u64::default);

#[service]
fn map(reading: Reading) -> Option<Celsius> { Some(Celsius::of(reading.checked().value + ADDED)) }
#[service]
async fn sum(value: Celsius) -> Total {
    TOTAL.update(|total| { total.sum += value.degrees; *total.of.entry(\"all\".to_owned()).or_default() += 1; total.clone() })
}
#[service]
fn count(by: u64) -> u64 { COUNT.update(|count| { *count += by; *count }) }
#[service]
fn plain(value: f64) -> f64 { value + ADDED }
#[service]
async fn asking(by: u64) -> Result<u64> { Ok(count(by).await? + 1) }
const ADDED: f64 = 0.0;
#[dyninka::main]
fn main() { map().sum() }
";

const UNITS: &str = "use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Celsius { pub degrees: f64 }
impl Celsius { pub(crate) fn of(degrees: f64) -> Self { Self { degrees: (degrees - 32.0) / 1.8 } } }
";

struct Site {
    house: House,
    cache: tempfile::TempDir,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn new(text: &str) -> Self {
        let house = House::new(text);
        house.write("units.rs", UNITS);
        Self::of(house).await
    }

    async fn of(house: House) -> Self {
        let site = Self { house, cache: tempfile::tempdir().unwrap(), notices: Arc::default() };
        site.house.builder_in(site.cache.path()).await;
        site
    }

    /// One that builds at most so many services at once, in a cache of its own.
    async fn builder(&self, most: usize) -> Builder {
        let cache = self.cache.path().join(format!("of-{most}"));
        if !cache.exists() {
            self.house.builder_in(&cache).await;
        }
        let notices = self.notices.clone();
        let note = move |progress| {
            if let Progress::Notice(words) = progress {
                notices.lock().unwrap().push(words);
            }
        };
        Builder::open(&self.house.path("app.rs"), &cache, note).unwrap().groups_of(most)
    }

    fn edit(&self, text: &str, from: &str, to: &str) -> App {
        assert!(text.contains(from), "{from}");
        self.house.write("app.rs", &text.replace(from, to));
        self.house.app()
    }

    fn notices(&self) -> Vec<String> {
        self.notices.lock().unwrap().clone()
    }
}

async fn start(builder: &Builder, app: &App) -> Vec<Result<Artifact, BuildError>> {
    join_all(app.services.iter().map(|service| builder.build(app, &service.name))).await
}

async fn start_well(builder: &Builder, app: &App) -> Vec<Artifact> {
    start(builder, app).await.into_iter().map(Result::unwrap).collect()
}

fn files(built: &[Artifact]) -> BTreeSet<&Path> {
    built.iter().map(|artifact| &*artifact.path).collect()
}

fn open(artifact: &Artifact) -> Loaded {
    Loaded::open_of(&artifact.path, &artifact.service).expect("the service is in its library")
}

#[tokio::test]
async fn services_of_a_start_are_in_few_libraries_and_what_they_are_by_themselves() {
    let site = Site::new(APP).await;
    let app = site.house.app();
    let alone = start_well(&site.builder(1).await, &app).await;
    assert_eq!(files(&alone).len(), app.services.len());
    for most in [2, 25] {
        let builder = site.builder(most).await;
        let built = start_well(&builder, &app).await;
        assert!(files(&built).len() < app.services.len(), "{most}: {built:?}");
        let asking = built.iter().find(|built| built.service == "asking").unwrap();
        assert_eq!(built.iter().filter(|built| built.path == asking.path).count(), 1, "it calls another");
        for artifact in &built {
            assert_eq!(artifact.with, built.iter().filter(|other| other.path == artifact.path).count(), "{artifact:?}");
        }
        for (built, alone) in built.iter().zip(&alone) {
            assert_eq!((&built.version, built.built, &built.rests_on), (&alone.version, true, &alone.rests_on));
            assert_eq!(open(built).describe(), open(alone).describe());
        }
        let [map, sum, count, plain, asking] = &built[..] else { panic!("{}", built.len()) };
        let warm = json!({ "degrees": 100.0 });
        assert_eq!(open(map).run(&[r#"{"sensor":"a","value":212}"#]), (Kind::Value, warm));
        let (kind, body) = open(map).run(&[r#"{"sensor":"","value":212}"#]);
        assert_eq!((kind, &body["line"], &body["column"]), (Kind::Panicked, &json!(10), &json!(9)), "{body}");
        let total = json!({ "sum": 1.5, "of": { "all": 1 } });
        assert_eq!(open(sum).run(&[r#"{"degrees":1.5}"#]), (Kind::Value, total));
        assert_eq!(open(plain).run(&["1.5"]), (Kind::Value, json!(1.5)));
        assert_eq!(open(count).run(&["2"]).1, json!(2));
        assert_eq!(open(asking).run(&["2"]).0, Kind::Failed, "the answer is text: {:?}", open(asking).run(&["2"]));
        let again = start_well(&site.builder(most).await, &app).await;
        assert!(again.iter().all(|artifact| !artifact.built), "kept");
        assert_eq!(files(&again), files(&built));
    }
    assert_eq!(site.notices(), [""; 0]);
}

#[tokio::test]
async fn one_that_is_broken_is_told_as_by_itself_and_the_others_are_built() {
    let site = Site::new(APP).await;
    let app = site.edit(APP, "{ value + ADDED }", "{ value + \"\" }");
    let told = |built: Vec<Result<Artifact, BuildError>>| {
        let broken = built.into_iter().zip(&app.services).filter_map(|(built, of)| Some((&of.name, built.err()?)));
        broken.map(|(name, error)| format!("{name}: {:?} {error}", error.diagnostics())).collect::<Vec<_>>()
    };
    let alone = told(start(&site.builder(1).await, &app).await);
    assert!(matches!(&alone[..], [only] if only.starts_with("plain: ")), "{alone:?}");
    assert_eq!(told(start(&site.builder(25).await, &app).await), alone);
    let all = site.edit(APP, "use units::Celsius;", "use units::Celsius;\nfn broken() -> u8 { \"\" }");
    let all = all.services.iter().fold(std::fs::read_to_string(site.house.path("app.rs")).unwrap(), |text, service| {
        let at = text.find(&format!("fn {}(", service.name)).unwrap();
        let body = at + text[at..].find('{').unwrap() + 1;
        format!("{} let _ = broken();{}", &text[..body], &text[body..])
    });
    site.house.write("app.rs", &all);
    let app = site.house.app();
    let alone = told(start(&site.builder(1).await, &app).await);
    assert_eq!(alone.len(), app.services.len(), "all are broken");
    assert_eq!(told(start(&site.builder(25).await, &app).await), alone);
}

/// An app of so many services, the first one with this body.
fn many(services: usize, broken: &str) -> String {
    let first = format!("use dyninka::prelude::*;\n#[service]\nfn s0() -> u64 {{ {broken} }}\n");
    (1..services)
        .fold(first, |text, number| text + &format!("#[service]\nfn s{number}(of: u64) -> u64 {{ of + {number} }}\n"))
}

#[tokio::test]
async fn of_25_services_the_24_that_are_sound_are_compiled_at_once() {
    let site = Site::new(&many(25, "\"none\"")).await;
    let app = site.house.app();
    let builder = site.builder(25).await;
    let mut built = start(&builder, &app).await;
    let error = built.remove(0).unwrap_err();
    assert_eq!(error.diagnostics()[0].place.line, 3, "{error}");
    let built: Vec<Artifact> = built.into_iter().map(Result::unwrap).collect();
    assert_eq!(built.iter().map(|artifact| artifact.with).collect::<BTreeSet<_>>(), [24].into());
    assert_eq!(files(&built).len(), 1);
    // Mended, it is built for the first time, alone.
    let app = site.edit(&many(25, "\"none\""), "\"none\"", "7");
    let mended = builder.build(&app, "s0").await.unwrap();
    assert_eq!((mended.built, mended.with, open(&mended).run(&[]).1), (true, 1, json!(7)));
    assert_eq!(site.notices(), [""; 0]);
}

/// An example as the app of a folder.
fn example(name: &str) -> House {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let read = |name: &str| std::fs::read_to_string(examples.join(name)).unwrap();
    let house = House::new(&read(&format!("{name}.rs")));
    for beside in ["data/readings.csv", "stations/mod.rs"] {
        house.write(beside, &read(beside));
    }
    house
}

#[tokio::test]
async fn an_example_is_the_same_in_groups_of_any_size_and_shipped_alone() {
    is_the_same("weather").await;
}

#[tokio::test]
#[ignore = "long: two minutes, five times what the one above does"]
async fn examples_are_the_same_in_groups_of_any_size_and_shipped_alone() {
    for name in ["building", "pressure", "banner", "thumbnails"] {
        is_the_same(name).await;
    }
    // Its dependencies are named at its head, the runtime and its data by paths from where it lies.
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().unwrap();
    let text = std::fs::read_to_string(examples.join("standalone/app.rs")).unwrap();
    let runtime = examples.with_file_name("crates/runtime");
    let moved = text.replace("../../crates/runtime", &runtime.display().to_string());
    let moved = moved.replace("\"../data/", "\"data/");
    assert!(!moved.contains("../"), "{moved}");
    let house = House::new(&moved);
    house.write("data/readings.csv", &std::fs::read_to_string(examples.join("data/readings.csv")).unwrap());
    an_app_is_the_same("standalone", house).await;
}

async fn is_the_same(name: &str) {
    an_app_is_the_same(name, example(name)).await;
}

/// Builds an app alone, in groups, and as it is shipped.
async fn an_app_is_the_same(name: &str, house: House) {
    let site = Site::of(house).await;
    let app = site.house.app();
    let alone = start_well(&site.builder(1).await, &app).await;
    for most in [2, 25] {
        let built = start_well(&site.builder(most).await, &app).await;
        for (built, alone) in built.iter().zip(&alone) {
            assert_eq!((&built.version, &built.outside), (&alone.version, &alone.outside));
            assert_eq!(open(built).describe(), open(alone).describe(), "version, inputs, states, fingerprints");
        }
    }
    // What is shipped is compiled alone, however many are asked for: the same bytes.
    let builder = site.builder(25).await.profile(Profile::Optimised);
    let at_once = start_well(&builder, &app).await;
    let bytes = |artifact: &Artifact| std::fs::read(&artifact.path).unwrap();
    let shipped: Vec<Vec<u8>> = at_once.iter().map(bytes).collect();
    std::fs::remove_dir_all(site.cache.path().join("of-25/artifacts")).unwrap();
    for ((artifact, shipped), service) in at_once.iter().zip(shipped).zip(&app.services) {
        let alone = builder.build(&app, &service.name).await.unwrap();
        assert_eq!((artifact.built, artifact.with, alone.built), (true, 1, true));
        assert!(shipped == bytes(&alone), "{name}: {}", service.name);
    }
}

#[tokio::test]
async fn a_build_that_is_given_up_leaves_the_others_theirs() {
    let site = Site::new(APP).await;
    let app = site.house.app();
    for given_up in ["map", "plain"] {
        let app = &site.edit(APP, "ADDED: f64 = 0.0", &format!("ADDED: f64 = {}.0", given_up.len()));
        let builder = site.builder(25).await;
        let others = app.services.iter().filter(|service| service.name != given_up);
        let others = join_all(others.map(|service| builder.build(app, &service.name)));
        let gone = Box::pin(builder.build(app, given_up));
        // It is polled until rustc runs, or its group waits for another.
        let gone = tokio::time::timeout(std::time::Duration::from_millis(100), gone);
        let (gone, built) = tokio::join!(gone, others);
        assert!(gone.is_err() || gone.is_ok_and(|built| built.is_ok()));
        assert!(built.iter().all(Result::is_ok), "{built:?}");
    }
    drop(app);
}

#[tokio::test]
async fn an_edit_gets_a_library_of_its_own_over_the_types_of_its_group() {
    let site = Site::new(APP).await;
    let app = site.house.app();
    let builder = site.builder(25).await;
    let built = start_well(&builder, &app).await;
    builder.settled().await;
    let crates = || std::fs::read_dir(site.cache.path().join("of-25/types")).unwrap().count();
    let before = crates();
    for added in ["18.0", "36.0", "54.0"] {
        let app = site.edit(APP, "ADDED: f64 = 0.0", &format!("ADDED: f64 = {added}"));
        let edited = builder.build(&app, "map").await.unwrap();
        builder.settled().await;
        assert!(edited.built && !files(&built).contains(&*edited.path));
        let degrees = 100.0 + added.parse::<f64>().unwrap() / 1.8;
        let map = Loaded::open_of(&edited.path, "map").unwrap();
        assert!(Loaded::open_of(&edited.path, "sum").is_none());
        assert_eq!(map.run(&[r#"{"sensor":"a","value":212}"#]), (Kind::Value, json!({ "degrees": degrees })));
    }
    assert_eq!(crates(), before, "no crate of types was compiled for the edits");
    let moved = APP.replace("/// What", "").replace(
        "#[derive(Debug, Clone, Serialize, Deserialize)]\nstruct",
        "\n\n#[derive(Debug, Clone, Serialize, Deserialize)]\nstruct",
    );
    let app = site.edit(&moved, "ADDED: f64 = 0.0", "ADDED: f64 = 1.0");
    let (kind, body) =
        Loaded::open(&builder.build(&app, "map").await.unwrap().path).run(&[r#"{"sensor":"","value":1}"#]);
    assert_eq!((kind, &body["line"]), (Kind::Panicked, &json!(12)), "{body}");
    assert_eq!(site.notices(), [""; 0]);
}
