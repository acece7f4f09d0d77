//! The issue's own example, read, sliced and told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::{App, Diagnostic, Drawing, Sources};

const BUILDING: &str = r#"use dyninka::prelude::*;

/// A reading.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading { sensor: String, variable: String, value: f64 }

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Average { average: f64, count: u64 }

const READINGS: &str = include_str!("../data/readings.csv");

#[placed(get)]
static NEXT: Placed<usize> = Placed::new(usize::default);

#[placed(moving_avg)]
static AVERAGE: Placed<Average> = Placed::new(Average::default);

#[service]
async fn get() -> Result<Reading> { parse(READINGS.lines().nth(NEXT.get())) }

fn parse(line: Option<&str>) -> Result<Reading> { todo!("{line:?}") }

#[service]
fn filter(reading: Reading) -> Option<Reading> { (reading.variable == "Temperature").then_some(reading) }

#[service]
fn map(reading: Reading) -> f64 { scale(reading.value) }

fn scale(value: f64) -> f64 { (value - 32.0) / 1.8 }

#[service]
fn moving_avg(value: f64) -> Average {
    AVERAGE.update(|a| { a.average = (value + a.count as f64 * a.average) / (a.count + 1) as f64; a.count += 1; a.clone() })
}

#[dyninka::main]
fn main() { get().filter().map().moving_avg() }
"#;

fn parse(text: &str) -> (App, Vec<Diagnostic>) {
    let mut sources = Sources { root: PathBuf::from("a/building.rs"), ..Sources::default() };
    sources.texts.insert(sources.root.clone(), Arc::from(text));
    sources.included.insert(PathBuf::from("a/../data/readings.csv"), "hash".to_owned());
    app::parse(&sources)
}

fn building() -> App {
    let (app, findings) = parse(BUILDING);
    assert_eq!(findings, []);
    app
}

#[test]
fn it_is_told_as_json() {
    insta::assert_json_snapshot!(app::report(&building(), &[]));
}

#[test]
fn it_is_drawn() {
    let app = building();
    let drawings = [Drawing::Text, Drawing::Mermaid, Drawing::Dot].map(|drawing| app::graph(&app, drawing));
    insta::assert_snapshot!(drawings.join("\n"));
}

#[test]
fn what_stands_twice_and_what_has_a_hard_name_is_drawn() {
    let text = "#[service] fn end() -> u8 { 1 } #[service] fn node(a: u8, b: u8, c: String) -> u8 { a + end() }\n\
        fn main() { end().node(end(), \"é\") }";
    let (app, findings) = parse(text);
    assert_eq!(findings, []);
    let drawings = [Drawing::Text, Drawing::Mermaid, Drawing::Dot].map(|drawing| app::graph(&app, drawing));
    insta::assert_snapshot!(drawings.join("\n"));
}

#[test]
fn every_service_knows_its_route() {
    let app = building();
    let routes = ["get", "filter", "map", "moving_avg"].map(|name| app.route_of(name).unwrap());
    assert_eq!(routes, ["", "get", "filter(get)", "map(filter(get))"]);
    assert_eq!(app.last(), Some("moving_avg"));
}

#[test]
fn a_slice_holds_what_is_reached_and_nothing_else() {
    let slice = building().slice("map").unwrap();
    let text = &slice.files[Path::new("building.rs")];
    insta::assert_snapshot!(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
    assert!(slice.included.is_empty());
    let get = building().slice("get").unwrap();
    assert_eq!(get.included.into_iter().collect::<Vec<_>>(), [PathBuf::from("../data/readings.csv")]);
}

#[test]
fn what_is_left_stands_at_its_own_place() {
    let app = building();
    for service in &app.services {
        let slice = app.slice(&service.name).unwrap();
        let text = &slice.files[&slice.root];
        assert_eq!(text.lines().count(), BUILDING.lines().count());
        for (left, original) in text.lines().zip(BUILDING.lines()) {
            assert!(
                left.chars().zip(original.chars()).all(|(left, original)| left == original || left == ' '),
                "{left}\n{original}"
            );
        }
    }
}

#[test]
fn layout_and_comments_change_nothing_and_a_helper_changes_who_reaches_it() {
    let old = building();
    let (new, _) = parse(
        &BUILDING
            .replace("/// A reading.", "// What a sensor says,\n// in one line.")
            .replace("{ scale(reading.value) }", "{\n    scale( reading.value )\n}"),
    );
    assert!(app::compare(&old, &new).is_nothing());
    let (new, _) = parse(&BUILDING.replace("32.0", "31.0"));
    let changed =
        app::Change::Changed { service: "map".to_owned(), reasons: vec!["helper scale() changed".to_owned()] };
    assert_eq!(app::compare(&old, &new), app::Changes { services: vec![changed], flow: false });
    let (new, _) = parse(
        &BUILDING
            .replace(".map()", "")
            .replace("moving_avg(value: f64)", "moving_avg(reading: Reading)")
            .replace("(value +", "(reading.value +"),
    );
    let changes = app::compare(&old, &new);
    assert!(changes.flow, "{changes:?}");
}

#[test]
fn a_type_that_changes_changes_the_fingerprint_of_state_made_of_it() {
    let of = |app: &App, service: &str| app.service(service).unwrap().placed[0].fingerprint.clone();
    let (old, (new, _)) = (building(), parse(&BUILDING.replace("count: u64", "count: u32")));
    assert_ne!(of(&old, "moving_avg"), of(&new, "moving_avg"));
    assert_eq!(of(&old, "get"), of(&new, "get"));
}

#[test]
fn types_move_to_a_crate_of_their_own_and_what_may_panic_stays_at_its_place() {
    let text = "use dyninka::prelude::*;
/// A reading.
#[derive(Serialize, Deserialize)]
struct Reading {
    sensor: String,
    /// Degrees.
    value: units::Celsius, pub(crate) at: u64,
}
impl Reading {
    /// Panics.
    fn check(&self) { assert!(self.at > START) }
    pub fn warm(&self) -> bool { self.value.degrees() > 20.0 }
}
const START: u64 = 1;
mod units {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct Celsius(f64);
    impl Celsius { pub fn degrees(&self) -> f64 { self.0 } }
    pub fn scale(value: f64) -> f64 { value }
}
#[service]
fn map(reading: Reading) -> f64 { units::scale(reading.value.degrees()) }
fn main() { map(1) }
";
    let (app, _) = parse(text);
    let split = app.split("map").unwrap();
    let trimmed = |slice: &app::ServiceSlice| {
        let text = &slice.files[&slice.root];
        text.lines().map(|line| format!("|{}\n", line.trim_end())).collect::<String>()
    };
    let shown = [trimmed(&split.types), trimmed(&split.rest), split.imports.join("\n"), format!("{:?}", split.carried)];
    insta::assert_snapshot!(shown.join("\n"), @r#"
    |use dyninka::prelude::*;
    |/// A reading.
    |#[derive(Serialize, Deserialize)] pub
    |struct Reading {
    |pub sensor: String,
    |    /// Degrees.
    |pub value: units::Celsius, pub        at: u64,
    |}
    |impl Reading {
    |    /// Panics.
    |pub fn check(&self) { assert!(self.at > START) }
    |    pub fn warm(&self) -> bool { self.value.degrees() > 20.0 }
    |} pub
    |const START: u64 = 1; pub
    |mod units {
    |    #[derive(serde::Serialize, serde::Deserialize)]
    |    pub        struct Celsius(pub f64);
    |    impl Celsius { pub fn degrees(&self) -> f64 { self.0 } }
    |
    |}
    |
    |
    |

    |use dyninka::prelude::*;
    |
    |
    |
    |
    |
    |
    |
    |
    |
    |
    |
    |
    |
    |mod units {
    |
    |
    |
    |    pub fn scale(value: f64) -> f64 { value }
    |pub(super) use ::__dyninka_types::units::Celsius;}
    |
    |fn map(reading: Reading) -> f64 { units::scale(reading.value.degrees()) }
    |

    use ::__dyninka_types::Reading;
    use ::__dyninka_types::START;
    Carried { inputs: {"Reading"}, outputs: {}, states: {} }
    "#);
    let moved = |text: &str| parse(text).0.service("map").unwrap().types().map(str::to_owned);
    let types = moved(text);
    assert_eq!(moved(&text.replace("units::scale(", "2.0 * units::scale(")), types, "a function is none of it");
    assert_eq!(moved(&text.replace("/// A reading.", "/// One reading.")), types, "nor is a comment");
    assert_ne!(moved(&text.replace("/// A reading.", "\n")), types, "a line more moves what panics");
    assert_ne!(moved(&text.replace("START: u64 = 1", "START: u64 = 2")), types, "a helper is");
}
