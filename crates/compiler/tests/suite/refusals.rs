//! What rustc refuses is said at the user's lines.

use std::fmt::Write;

use compiler::{BuildError, Finding};

use crate::house::House;

/// Builds and answers what rustc said.
async fn refuse(house: &House, service: &str) -> Vec<Finding> {
    match house.builder().build(&house.app(), service).await {
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
    let text = "use dyninka::prelude::*;\n\n#[service]\nfn map(value: f64) -> f64 {\n    let ä = value; \"text\"\n}";
    let house = House::new(text);
    let findings = refuse(&house, "map").await;
    insta::assert_snapshot!(told(&house, &findings), @"
    app.rs:5:20 E0308 mismatched types: expected `f64`, found `&str`
      help: -
    ");
    assert!(
        findings[0].rendered.contains(&format!("{}:5:20", house.path("app.rs").display())),
        "{}",
        findings[0].rendered
    );
}

#[tokio::test]
async fn an_error_in_a_module_is_in_its_file() {
    let house = House::new(
        "mod part;\n#[path = \"part/../other.rs\"] mod other;\n#[service] fn map() -> u64 { part::number() + other::number() }\n",
    );
    house.write("part/mod.rs", "\npub fn number() -> u64 { missing }\n");
    house.write("other.rs", "\n\npub fn number() -> u64 { missing }\n");
    let findings = refuse(&house, "map").await;
    insta::assert_snapshot!(told(&house, &findings), @"
    other.rs:3:26 E0425 cannot find value `missing` in this scope: not found in this scope
      help: -
    part/mod.rs:2:26 E0425 cannot find value `missing` in this scope: not found in this scope
      help: -
    ");
}

#[tokio::test]
async fn a_type_serde_cannot_carry_is_told_at_the_service() {
    let house = House::new(
        "struct Reading;\nstruct Answer;\n#[service]\nfn map(at: u64, reading: Reading) -> Answer { Answer }\n",
    );
    let findings = refuse(&house, "map").await;
    insta::assert_snapshot!(told(&house, &findings), @"
    app.rs:4:4 E0277 input `reading` of `map` cannot be read: `Reading` is not `Deserialize`
      help: write `#[derive(Serialize, Deserialize)]` above `Reading`, or use a type that serde can carry
    app.rs:4:4 E0277 the output of `map` cannot be sent: `Answer` is not `Serialize`
      help: write `#[derive(Serialize, Deserialize)]` above `Answer`, or use a type that serde can carry
    ");
}

#[tokio::test]
async fn what_several_services_share_is_said_once() {
    let house = House::new(
        "fn shared() -> u64 { \"text\" }\n#[service] fn one() -> u64 { shared() }\n#[service] fn two() -> u64 { shared() }\n",
    );
    let mut findings = refuse(&house, "one").await;
    assert_eq!(findings[0].diagnostic.service.as_deref(), Some("one"));
    findings.extend(refuse(&house, "two").await);
    let merged = compiler::merge(findings);
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].diagnostic.service, None);
}

#[tokio::test]
async fn what_a_slice_makes_look_unused_is_no_error() {
    let house = House::new("#![deny(warnings, unused)]\n#[service] fn map() -> u64 { let unused = 1; 2 }\n");
    house.builder().build(&house.app(), "map").await.unwrap();
}
