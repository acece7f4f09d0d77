//! What rustc refuses is said at the user's lines.

use std::fmt::Write;

use crate::house::{House, app, service, slice};
use app::{App, Slice};
use build::{BuildError, Finding};

/// Builds and answers what rustc said.
async fn refuse(house: &House, app: &App, service: &str, slice: &Slice) -> Vec<Finding> {
    house.write("app.rs", "");
    match house.builder().build_slice(app, service, slice).await {
        Err(BuildError::Rustc { findings, .. }) => findings,
        ended => panic!("{ended:?}"),
    }
}

/// One line for each finding, free of the folder.
fn told(house: &House, findings: &[Finding]) -> String {
    let mut told = String::new();
    for Finding { diagnostic, code, .. } in findings {
        let place = &diagnostic.place;
        let file = place.file.strip_prefix(house.folder.path()).unwrap_or(&place.file).display();
        let code = code.as_deref().unwrap_or("-");
        let help = diagnostic.help.as_deref().unwrap_or("-");
        writeln!(told, "{file}:{}:{} {code} {}\n  help: {help}", place.line, place.column, diagnostic.message).unwrap();
    }
    told
}

#[tokio::test]
async fn a_type_error_is_where_it_is_as_rustc_words_it() {
    let house = House::new();
    let app = app(vec![service("map", &[("value", "f64")], "f64")]);
    let text = "use dyninka::prelude::*;\n\nfn map(value: f64) -> f64 {\n    let ä = value; \"text\"\n}";
    let findings = refuse(&house, &app, "map", &slice(text)).await;
    insta::assert_snapshot!(told(&house, &findings));
    assert!(
        findings[0].rendered.contains(&format!("{}:4:20", house.path("app.rs").display())),
        "{}",
        findings[0].rendered
    );
}

#[tokio::test]
async fn an_error_in_a_module_is_in_its_file() {
    let house = House::new();
    let app = app(vec![service("map", &[], "u64")]);
    let mut sliced = slice("mod part;\nfn map() -> u64 { part::number() }\n");
    sliced.files.insert("part.rs".into(), "\npub fn number() -> u64 { missing }\n".to_owned());
    let findings = refuse(&house, &app, "map", &sliced).await;
    insta::assert_snapshot!(told(&house, &findings), @"
    part.rs:2:26 E0425 cannot find value `missing` in this scope: not found in this scope
      help: -
    ");
}

#[tokio::test]
async fn a_type_serde_cannot_carry_is_told_at_the_service() {
    let house = House::new();
    let app = app(vec![service("map", &[("at", "u64"), ("reading", "Reading")], "Answer")]);
    let text = "struct Reading;\nstruct Answer;\nfn map(at: u64, reading: Reading) -> Answer { Answer }\n";
    let findings = refuse(&house, &app, "map", &slice(text)).await;
    insta::assert_snapshot!(told(&house, &findings));
}

#[tokio::test]
async fn what_several_services_share_is_said_once() {
    let house = House::new();
    let app = app(vec![service("one", &[], "u64"), service("two", &[], "u64")]);
    let text = |name: &str| slice(&format!("fn shared() -> u64 {{ \"text\" }}\nfn {name}() -> u64 {{ shared() }}\n"));
    let mut findings = refuse(&house, &app, "one", &text("one")).await;
    assert_eq!(findings[0].diagnostic.service.as_deref(), Some("one"));
    findings.extend(refuse(&house, &app, "two", &text("two")).await);
    let merged = build::merge(findings);
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].diagnostic.service, None);
}

#[tokio::test]
async fn what_a_slice_makes_look_unused_is_no_error() {
    let house = House::new();
    house.write("app.rs", "");
    let text = "#![deny(warnings, unused)]\nfn never() {}\nfn map() -> u64 { let unused = 1; 2 }\n";
    let app = app(vec![service("map", &[], "u64")]);
    house.builder().build_slice(&app, "map", &slice(text)).await.unwrap();
}
