//! Types compiled ahead change how long an edit takes and nothing else.

use std::path::Path;
use std::sync::{Arc, Mutex};

use app::App;
use compiler::{BuildError, Builder, Progress};
use dyninka::border::Kind;
use serde_json::json;

use crate::house::House;
use crate::library::Loaded;

const APP: &str = "use dyninka::prelude::*;
use std::fmt;
mod units;
use units::Celsius;

/// What a sensor said.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading {
    sensor: String,
    /// Degrees.
    value: units::Fahrenheit,
    #[serde(default = \"one\")]
    count: u64,
}
fn one() -> u64 { START }
const START: u64 = 1;

impl Reading {
    fn is_warm(&self) -> bool { self.value.get() > 80.0 }
    /// Panics.
    fn checked(&self) -> &Self {
        assert!(!self.sensor.is_empty(), \"nameless\"); self
    }
}
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, \"{}\", self.sensor) }
}
#[derive(Clone, Default, Serialize, Deserialize)]
struct Total<T> { sum: T, last: Option<inline::Tag> }
mod inline { #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub(crate) struct Tag(pub(super) String); }
#[placed(sum)]
static TOTAL: Placed<Total<f64>> = Placed::new(Total::default);

#[service]
fn map(reading: Reading) -> Option<Celsius> {
    reading.checked().is_warm().then(|| Celsius::of(reading.value.get() + ADDED))
}
#[service]
fn sum(value: Celsius) -> Total<f64> {
    TOTAL.update(|total| { total.sum += value.degrees; total.last = Some(inline::Tag(format!(\"{value:?}\"))); total.clone() })
}
#[service]
fn plain(value: f64) -> f64 { value + ADDED }
const ADDED: f64 = 0.0;
#[dyninka::main]
fn main() { map().sum() }
";

const UNITS: &str = "use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fahrenheit(f64);
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Celsius { pub degrees: f64 }
impl Fahrenheit { pub fn get(&self) -> f64 { self.0 } }
impl Celsius { pub(crate) fn of(degrees: f64) -> Self { Self { degrees: (degrees - 32.0) / 1.8 } } }
";

/// A house with a builder of its own, and what that said.
struct Site {
    house: House,
    builder: Builder,
    notices: Arc<Mutex<Vec<String>>>,
    cache: tempfile::TempDir,
}

impl Site {
    async fn new(text: &str) -> Self {
        let house = House::new(text);
        house.write("units.rs", UNITS);
        Self::of(house).await
    }

    async fn of(house: House) -> Self {
        let cache = tempfile::tempdir().unwrap();
        house.builder_in(cache.path()).await;
        let notices = Arc::new(Mutex::new(Vec::new()));
        let builder = Builder::open(&house.path("app.rs"), cache.path(), {
            let notices = Arc::clone(&notices);
            move |progress| {
                if let Progress::Notice(words) = progress {
                    notices.lock().unwrap().push(words);
                }
            }
        });
        Self { house, builder: builder.unwrap(), notices, cache }
    }

    /// The app with other words in its root file.
    fn edit(&self, text: &str, from: &str, to: &str) -> App {
        assert!(text.contains(from), "{from}");
        self.house.write("app.rs", &text.replace(from, to));
        self.house.app()
    }

    async fn build(&self, app: &App, service: &str) -> std::path::PathBuf {
        self.builder.build(app, service).await.unwrap().path
    }

    fn notices(&self) -> Vec<String> {
        self.notices.lock().unwrap().clone()
    }

    /// Services of which a version is kept beside their types.
    fn bodies(&self) -> usize {
        let folders = |of: std::path::PathBuf| std::fs::read_dir(of).into_iter().flatten().flatten();
        let types = folders(self.cache.path().join("types"));
        types.flat_map(|types| folders(types.path())).filter(|entry| entry.path().is_dir()).count()
    }

    fn crates(&self) -> usize {
        std::fs::read_dir(self.cache.path().join("types")).map_or(0, Iterator::count)
    }
}

fn warm(library: &Path) -> (Kind, serde_json::Value) {
    Loaded::open(library).run(&[r#"{"sensor":"a","value":212.0}"#])
}

#[tokio::test]
async fn a_service_over_types_compiled_ahead_is_the_service() {
    let site = Site::new(APP).await;
    let app = site.house.app();
    let whole = [site.build(&app, "map").await, site.build(&app, "sum").await];
    assert_eq!(warm(&whole[0]), (Kind::Value, json!({"degrees": 100.0})));
    let fingerprint = Loaded::open(&whole[1]).describe().states[0].fingerprint.clone();
    site.builder.settled().await;
    assert_eq!(site.crates(), 2);

    let app = site.edit(APP, "ADDED: f64 = 0.0", "ADDED: f64 = 18.0");
    let map = site.build(&app, "map").await;
    assert_eq!(warm(&map), (Kind::Value, json!({"degrees": 110.0})));
    let app = site.edit(APP, "total.sum += value", "total.sum -= value");
    let sum = Loaded::open(&site.build(&app, "sum").await);
    let expected = json!({"sum": -1.0, "last": "Celsius { degrees: 1.0 }"});
    assert_eq!(sum.run(&[r#"{"degrees":1}"#]), (Kind::Value, expected));
    assert_eq!(sum.describe().states[0].fingerprint, fingerprint, "the state stays where it is");
    site.builder.settled().await;
    assert_eq!((site.crates(), site.notices()), (2, vec![]), "types are compiled once, and of use");
}

#[tokio::test]
async fn a_panic_in_a_type_is_at_the_users_line_wherever_that_is_by_now() {
    let site = Site::new(APP).await;
    site.build(&site.house.app(), "map").await;
    site.builder.settled().await;
    for above in ["", "\n\n"] {
        let app = site.edit(APP, "ADDED: f64 = 0.0", &format!("ADDED: f64 = {}.5", above.len()));
        site.build(&app, "map").await;
        let text = APP.replace("/// What a sensor", &format!("{above}/// What a sensor"));
        let app = site.edit(&text, "ADDED: f64 = 0.0", &format!("ADDED: f64 = {}.0", above.len()));
        let (kind, body) = Loaded::open(&site.build(&app, "map").await).run(&[r#"{"sensor":"","value":1}"#]);
        assert_eq!(kind, Kind::Panicked);
        assert_eq!((&body["line"], &body["column"]), (&json!(22 + above.len()), &json!(9)));
    }
}

#[tokio::test]
async fn a_type_that_changes_builds_who_reaches_it_anew_and_no_other() {
    let site = Site::new(APP).await;
    let app = site.house.app();
    for service in ["map", "sum", "plain"] {
        site.build(&app, service).await;
    }
    site.builder.settled().await;
    let app = site.edit(APP, "count: u64,", "count: u64, unit: Option<String>,");
    for (service, built) in [("map", true), ("sum", false), ("plain", false)] {
        assert_eq!(site.builder.build(&app, service).await.unwrap().built, built, "{service}");
    }
}

#[tokio::test]
async fn errors_read_the_same_over_types_compiled_ahead() {
    let site = Site::new(APP).await;
    site.build(&site.house.app(), "map").await;
    site.builder.settled().await;
    let whole = House::new(APP);
    whole.write("units.rs", UNITS);
    for (from, to) in [
        ("reading.value.get() + ADDED", "reading.value.get() + \"text\""),
        ("Celsius::of(reading.value.get() + ADDED)", "reading"),
        ("Celsius::of(reading.value.get() + ADDED)", "Celsius::off(1.0)"),
        ("Celsius::of(reading.value.get() + ADDED)", "Celsiu::of(1.0)"),
        ("Celsius::of(reading.value.get() + ADDED)", "Celsius::of(reading.value.0)"),
        ("Celsius::of(reading.value.get() + ADDED)", "Celsius { degree: 1.0 }"),
        ("Celsius::of(reading.value.get() + ADDED)", "{ drop(reading); reading.value.get(); loop {} }"),
        ("Celsius::of(reading.value.get() + ADDED)", "missing.value"),
        ("Celsius::of(reading.value.get() + ADDED)", "ADDED.missing()"),
        ("Celsius::of(reading.value.get() + ADDED)", "lost::missing(1, ADDED + \"\")"),
        ("value: units::Fahrenheit", "value: units::Farenheit"),
        ("struct Total<T> {", "struct Total<T> { missing: Missing,"),
    ] {
        let told = |error: BuildError, house: &House| match error {
            BuildError::Rustc { findings, .. } => findings
                .into_iter()
                .map(|finding| {
                    let told = format!("{:?} {:?} {}", finding.diagnostic, finding.code, finding.rendered);
                    told.replace(&house.folder.path().display().to_string(), "")
                })
                .collect::<Vec<_>>(),
            error => panic!("{error:?}"),
        };
        let text = APP.replace(from, to);
        assert_ne!(text, APP);
        whole.write("app.rs", &text);
        // Nothing was compiled ahead for this one.
        let cache = tempfile::tempdir().unwrap();
        let (app, service) = (site.edit(APP, from, to), if to.contains("Missing") { "sum" } else { "map" });
        let alone = whole.builder_in(cache.path()).await;
        let expected = told(alone.build(&whole.app(), service).await.unwrap_err(), &whole);
        let found = told(site.builder.build(&app, service).await.unwrap_err(), &site.house);
        assert_eq!(found, expected, "{to}");
    }
    assert_eq!(site.notices(), [""; 0]);
}

#[tokio::test]
async fn a_broken_type_is_told_once_whoever_reaches_it() {
    let site = Site::new(APP).await;
    let text = format!("{APP}#[service] fn other(of: Total<u8>) {{}}\n");
    for service in ["sum", "other"] {
        site.house.write("app.rs", &text);
        site.build(&site.house.app(), service).await;
    }
    site.builder.settled().await;
    let app = site.edit(&text, "pub(super) String", "pub(super) Strin");
    let mut findings = Vec::new();
    for service in ["sum", "other"] {
        let Err(BuildError::Rustc { findings: more, .. }) = site.builder.build(&app, service).await else { panic!() };
        findings.extend(more);
    }
    let merged = compiler::merge(findings);
    assert_eq!(merged.len(), 1, "{merged:?}");
    assert_eq!(merged[0].diagnostic.service, None);
    assert_eq!(merged[0].diagnostic.place.line, 30);
}

#[tokio::test]
async fn a_crate_of_types_that_is_damaged_costs_a_build_and_no_more() {
    let site = Site::new(APP).await;
    site.build(&site.house.app(), "map").await;
    site.builder.settled().await;
    let kept = std::fs::read_dir(site.cache.path().join("types")).unwrap().next().unwrap().unwrap();
    std::fs::write(kept.path().join("libapp.rlib"), "damaged").unwrap();
    let app = site.edit(APP, "ADDED: f64 = 0.0", "ADDED: f64 = 18.0");
    assert_eq!(warm(&site.build(&app, "map").await), (Kind::Value, json!({"degrees": 110.0})));
    assert_eq!(site.notices().len(), 1, "the crate was asked for: {:?}", site.notices());
}

#[tokio::test]
async fn types_are_called_the_same_wherever_they_are_compiled() {
    let site = Site::new(APP).await;
    for added in ["1.0", "2.0"] {
        let to = format!("panic!(\"{{}} {{}}\", std::any::type_name::<Reading>(), {added})");
        let app = site.edit(APP, "Celsius::of(reading.value.get() + ADDED)", &to);
        let (_, body) = warm(&site.build(&app, "map").await);
        assert_eq!(body["message"], json!(format!("app::Reading {}", &added[..1])), "{body}");
        site.builder.settled().await;
    }
}

#[tokio::test]
async fn every_service_of_the_examples_is_edited_over_its_types() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut edited = 0;
    for name in ["building.rs", "pressure.rs", "weather.rs"] {
        let text = std::fs::read_to_string(examples.join(name)).unwrap();
        let house = House::new(&text);
        for folder in ["data", "stations"] {
            std::os::unix::fs::symlink(examples.join(folder), house.path(folder)).unwrap();
        }
        let site = Site::of(house).await;
        let app = site.house.app();
        site.builder.check_flow(&app).await.unwrap();
        for service in &app.services {
            site.build(&app, &service.name).await;
        }
        site.builder.settled().await;
        for service in &app.services {
            let at = text.find(&format!("fn {}(", service.name)).unwrap();
            let body = at + text[at..].find(" {\n").unwrap() + 2;
            let edit = format!("{} let _edited = 1;{}", &text[..body], &text[body..]);
            site.house.write("app.rs", &edit);
            assert!(site.builder.build(&site.house.app(), &service.name).await.unwrap().built);
            edited += usize::from(service.types().is_some());
        }
        assert_eq!(site.notices(), [""; 0], "{name}");
    }
    assert!(edited > 10, "{edited} have types");
}

#[tokio::test]
async fn a_type_that_a_macro_makes_keeps_those_it_is_in_with_their_service_and_no_others() {
    const TEXT: &str = "use dyninka::prelude::*;
macro_rules! flags {
    ($(#[$of:meta])* struct $name:ident: $bits:ty { $(const $flag:ident = $value:expr;)* }) => {
        $(#[$of])* struct $name { bits: $bits }
        impl $name { $(const $flag: $bits = $value;)* }
    }
}
flags! {
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Flags: u8 { const WARM = 1; const WET = 2; }
}
impl Flags { fn is_warm(&self) -> bool { self.bits & Self::WARM > 0 } }
#[derive(Clone, Debug, Serialize, Deserialize)] struct Weather { flags: Flags }
#[derive(Clone, Debug, Serialize, Deserialize)] struct Celsius { degrees: f64 }
#[service] fn map(weather: Weather) -> Celsius { Celsius { degrees: if weather.flags.is_warm() { 20.0 } else { 5.0 } } }
#[dyninka::main]
fn main() { map() }
";
    let site = Site::new(TEXT).await;
    let warm = |library: &std::path::Path| Loaded::open(library).run(&[r#"{"flags":{"bits":3}}"#]);
    let library = site.build(&site.house.app(), "map").await;
    assert_eq!(warm(&library), (Kind::Value, serde_json::json!({ "degrees": 20.0 })));
    site.builder.settled().await;
    assert_eq!(site.crates(), 1, "Celsius is compiled ahead");
    let app = site.edit(TEXT, "20.0", "21.0");
    let library = site.build(&app, "map").await;
    assert_eq!(warm(&library), (Kind::Value, serde_json::json!({ "degrees": 21.0 })));
    let why = "a type is compiled with map at every edit: Weather needs Flags, which a macro makes";
    assert_eq!(site.notices(), [why]);
}

#[tokio::test]
async fn what_cannot_be_apart_is_built_whole_and_the_reason_said() {
    // An `impl` of a type of another crate is none of this one's.
    let text = "use dyninka::prelude::*;
#[derive(Serialize, Deserialize)] struct Reading { value: f64 }
macro_rules! doubled { ($ty:ident) => { impl $ty { fn doubled(&self) -> f64 { self.value * 2.0 } } } }
doubled!(Reading);
#[non_exhaustive] #[derive(Serialize, Deserialize)] struct Open { value: f64 }
#[service] fn map(reading: Reading) -> Open { Open { value: reading.doubled() + 0.0 } }
";
    let site = Site::new(text).await;
    site.build(&site.house.app(), "map").await;
    site.builder.settled().await;
    for added in ["1.0", "2.0"] {
        let app = site.edit(text, "0.0", added);
        let ran = Loaded::open(&site.build(&app, "map").await).run(&[r#"{"value":1}"#]);
        assert_eq!(ran, (Kind::Value, json!({"value": 2.0 + added.parse::<f64>().unwrap()})));
        site.builder.settled().await;
    }
    let notices = site.notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices[0].ends_with("Open is non_exhaustive"), "{notices:?}");
    assert!(notices[1].starts_with("the types of map are compiled with it from now on"), "{notices:?}");
    assert_eq!(site.crates(), 0);
}

#[tokio::test]
async fn a_service_that_was_edited_is_built_over_its_version_before() {
    let site = Site::new(APP).await;
    let build = async |from: &str, to: &str, service: &str| {
        let library = site.build(&site.edit(APP, from, to), service).await;
        site.builder.settled().await;
        library
    };
    for service in ["map", "sum", "plain"] {
        build("ADDED: f64 = 0.0", "ADDED: f64 = 0.0", service).await;
    }
    assert_eq!(site.bodies(), 0, "nothing was edited yet");
    let edited = build("ADDED: f64 = 0.0", "ADDED: f64 = 18.0", "map").await;
    assert_eq!(warm(&edited), (Kind::Value, json!({"degrees": 110.0})));
    assert_eq!(site.bodies(), 1);
    let again = build("ADDED: f64 = 0.0", "ADDED: f64 = 36.0", "map").await;
    assert_eq!(warm(&again), (Kind::Value, json!({"degrees": 120.0})));
    for total in ["total.sum -= value", "total.sum *= value"] {
        let sum = Loaded::open(&build("total.sum += value", total, "sum").await);
        let (kind, body) = sum.run(&[r#"{"degrees":1}"#]);
        assert_eq!((kind, &body["last"]), (Kind::Value, &json!("Celsius { degrees: 1.0 }")));
    }
    // A value whose type changes is reset.
    let typed = build("count: u64,", "count: u64, unit: Option<String>,", "map").await;
    assert_eq!(warm(&typed), (Kind::Value, json!({"degrees": 100.0})));
    assert_eq!((site.bodies(), site.notices()), (2, vec![]));
}

#[tokio::test]
async fn a_body_that_does_not_compile_apart_leaves_its_types_ahead_and_is_told_once() {
    let text = format!("{APP}fn __dyninka_before() -> f64 {{ 1.0 }}\n")
        .replace("get() + ADDED", "get() + __dyninka_before() + ADDED");
    let site = Site::new(&text).await;
    site.build(&site.house.app(), "map").await;
    site.builder.settled().await;
    for added in ["17.0", "35.0"] {
        let app = site.edit(&text, "ADDED: f64 = 0.0", &format!("ADDED: f64 = {added}"));
        let library = site.build(&app, "map").await;
        assert_eq!(warm(&library).0, Kind::Value);
        site.builder.settled().await;
    }
    let notices = site.notices();
    assert!(
        matches!(notices.as_slice(), [only] if only.starts_with("only the types of map are compiled ahead")),
        "{notices:?}"
    );
    assert_eq!((site.crates(), site.bodies()), (1, 0));
}

#[tokio::test]
async fn a_version_before_that_is_damaged_costs_a_build_and_no_more() {
    let site = Site::new(APP).await;
    for added in ["0.0", "1.0"] {
        site.build(&site.edit(APP, "ADDED: f64 = 0.0", &format!("ADDED: f64 = {added}")), "map").await;
        site.builder.settled().await;
    }
    let types = std::fs::read_dir(site.cache.path().join("types")).unwrap().next().unwrap().unwrap();
    std::fs::write(types.path().join("before-map/libapp.rlib"), "damaged").unwrap();
    let app = site.edit(APP, "ADDED: f64 = 0.0", "ADDED: f64 = 18.0");
    assert_eq!(warm(&site.build(&app, "map").await), (Kind::Value, json!({"degrees": 110.0})));
    assert_eq!((site.notices().len(), site.crates()), (1, 1), "{:?}", site.notices());
}
