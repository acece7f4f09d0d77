//! What each service returns is what the next one takes, or both ends are named.

use std::fmt::Write;

use compiler::{BuildError, Builder};

use crate::house::House;

/// Checks, and answers what does not fit: a line for each finding and one for each other place, free of the folder.
async fn check(house: &House, builder: &Builder) -> String {
    let findings = match builder.check_flow(&house.app()).await {
        Ok(()) => return String::new(),
        Err(BuildError::Flow { findings }) => findings,
        Err(error) => panic!("{error:?}"),
    };
    let mut told = String::new();
    for finding in findings {
        let diagnostic = &finding.diagnostic;
        let place = |place: &app::SourcePlace| format!("{}:{}-{}", place.line, place.column, place.end_column);
        assert_eq!(diagnostic.place.file, house.path("app.rs"));
        let code = finding.code.as_deref().unwrap_or("-");
        writeln!(told, "{} {code} {}", place(&diagnostic.place), diagnostic.message).unwrap();
        for other in &diagnostic.related {
            writeln!(told, "  {} {}", place(&other.place), other.message).unwrap();
        }
        writeln!(told, "  help: {}", diagnostic.help.as_deref().unwrap_or("-")).unwrap();
    }
    told
}

async fn checked(text: &str) -> String {
    let house = House::new(&format!("use dyninka::prelude::*;\n{text}"));
    check(&house, &house.builder()).await
}

#[tokio::test]
async fn outputs_are_unwrapped_as_a_host_does_and_chains_that_fit_pass() {
    let told = checked(
        "#[derive(Serialize, Deserialize)] struct Reading { value: f64 }
impl Reading { fn celsius(&self) -> f64 { AVERAGE.get() + self.value } }
#[placed(average)] static AVERAGE: Placed<f64> = Placed::new(f64::default);
type Readings = Vec<Reading>;
#[service] async fn get() -> Result<Readings> { missing }
#[service] fn only(readings: Vec<Reading>) -> Result<Option<Reading>> { missing }
#[service] fn scale(reading: Reading, by: f64) -> std::result::Result<f64, String> { missing }
#[service] fn factor() -> f64 { missing }
#[service] fn average(value: Option<f64>) -> f64 { AVERAGE.get() }
#[dyninka::main]
fn main() { get().only().scale(factor()).average() }",
    );
    assert_eq!(told.await, "", "bodies are no part of the flow");
}

#[tokio::test]
async fn both_ends_of_a_step_that_does_not_fit_are_named() {
    let told = checked(
        "#[derive(Serialize, Deserialize)] struct Celsius { value: f64 }
#[derive(Serialize, Deserialize)] struct Fahrenheit { value: f64 }
#[service]
fn get() -> Result<Option<Celsius>> { Ok(None) }
#[service]
fn map(at: u64, reading: Fahrenheit) -> f64 { reading.value }
#[dyninka::main]
fn main() { map(1, get()) }",
    );
    insta::assert_snapshot!(told.await, @"
    7:26-36 flow-mismatch the flow does not fit: `map` takes `reading: Fahrenheit`, but `get`, which feeds it, returns `Celsius` (of `Result<Option<Celsius>>`) in line 5
      5:13-36 `get` returns `Celsius`
      help: let `get` return `Fahrenheit`, let `map` take `Celsius`, or put a service between them that makes one of the other
    ");
}

#[tokio::test]
async fn arguments_of_generic_types_count() {
    let told = checked(
        "mod a { #[derive(serde::Serialize, serde::Deserialize)] pub struct Row { pub value: f64 } }
mod b { #[derive(serde::Serialize, serde::Deserialize)] pub struct Row { pub value: i64 } }
#[service] fn get() -> Vec<a::Row> { Vec::new() }
#[service] fn map(rows: Vec<b::Row>) -> Vec<f64> { Vec::new() }
#[service] fn sum(values: Vec<f64>) -> f64 { 0.0 }
fn main() { get().map().sum() }",
    );
    insta::assert_snapshot!(told.await, @"
    5:25-36 flow-mismatch the flow does not fit: `map` takes `rows: Vec<b::Row>`, but `get`, which feeds it, returns `Vec<a::Row>` in line 4
      4:24-35 `get` returns `Vec<a::Row>`
      help: let `get` return `Vec<b::Row>`, let `map` take `Vec<a::Row>`, or put a service between them that makes one of the other
    ");
}

#[tokio::test]
async fn each_input_of_a_service_that_many_feed_is_checked() {
    let told = checked(
        "#[service] fn one() -> u64 { 1 }
#[service] fn two() -> String { String::new() }
#[service] fn three() {}
#[service] fn join(a: u64, b: u64, c: u64, d: Vec<u64>) -> u64 { a }
fn main() { join(one(), two(), three(), [1, 2]) }",
    );
    insta::assert_snapshot!(told.await, @"
    5:31-34 flow-mismatch the flow does not fit: `join` takes `b: u64`, but `two`, which feeds it, returns `String` in line 3
      3:24-30 `two` returns `String`
      help: let `two` return `u64`, let `join` take `String`, or put a service between them that makes one of the other
    5:39-42 flow-mismatch the flow does not fit: `join` takes `c: u64`, but `three`, which feeds it, returns `()` in line 4
      4:15-20 `three` returns `()`
      help: let `three` return `u64`, let `join` take `()`, or put a service between them that makes one of the other
    ");
}

#[tokio::test]
async fn what_only_an_impl_says_about_a_type_counts() {
    let app = |count: &str| {
        format!(
            "trait Counted {{ type Count; }}
#[derive(Clone, Default, Serialize, Deserialize)] struct Reading {{ #[serde(default)] value: f64 }}
impl Counted for Reading {{ type Count = {count}; }}
#[derive(Serialize, Deserialize)] struct Copied<T: Clone>(T);
#[service] fn get() -> <Reading as Counted>::Count {{ 1 }}
#[service] fn copy(count: u64) -> Copied<Reading> {{ missing }}
#[service] fn map(copied: Copied<Reading>) -> f64 {{ 1.0 }}
fn main() {{ get().copy().map() }}"
        )
    };
    assert_eq!(checked(&app("u64")).await, "");
    insta::assert_snapshot!(checked(&app("u32")).await, @"
    7:27-30 flow-mismatch the flow does not fit: `copy` takes `count: u64`, but `get`, which feeds it, returns `<Reading as Counted>::Count` in line 6
      6:24-51 `get` returns `<Reading as Counted>::Count`
      help: let `get` return `u64`, let `copy` take `<Reading as Counted>::Count`, or put a service between them that makes one of the other
    ");
}

#[tokio::test]
async fn a_type_that_is_not_there_is_told_at_the_signature_in_rustcs_words() {
    let told = checked(
        "#[service] fn get() -> Result<Celsiu> { missing }
#[service] fn map(value: f64) -> f64 { value }
fn main() { get().map() }",
    );
    insta::assert_snapshot!(told.await, @"
    2:31-37 E0425 cannot find type `Celsiu` in this scope: not found in this scope
      help: -
    ");
}

#[tokio::test]
async fn a_flow_is_asked_about_again_only_when_what_travels_changed() {
    let text = |units: &str, body: &str| {
        format!(
            "use dyninka::prelude::*;\n#[derive(Serialize, Deserialize)] struct Reading {{ value: {units} }}
#[service] fn get() -> Reading {{ {body} }}\n#[service] fn map(reading: Reading) -> {units} {{ reading.value }}
fn main() {{ get().map() }}"
        )
    };
    let house = House::new(&text("f64", "one()"));
    // Where nothing can be written, nothing can be compiled: what passes there was not asked about again.
    let builder = house.builder_in(&house.path("cache")).await;
    assert_eq!(check(&house, &builder).await, "");
    let work = house.path("cache/work");
    std::fs::remove_dir_all(&work).unwrap();
    std::fs::write(&work, "").unwrap();
    for body in ["two()", "loop {}"] {
        house.write("app.rs", &text("f64", body));
        assert_eq!(check(&house, &builder).await, "");
    }
    house.write("app.rs", &text("u64", "one()"));
    assert!(matches!(builder.check_flow(&house.app()).await, Err(BuildError::Io { .. })));
}
