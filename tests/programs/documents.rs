//! `dyn openapi`: its documents are valid, and say what services really take and answer.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::session::{Client, Dev};

use super::{printed, says_yes, shapes, url_of};

const SERVICES: [&str; 5] = ["source", "warm", "count", "echo", "fail"];

fn validated(document: &Path) -> (bool, String) {
    support::installed_by("openapi-spec-validator", "pip install openapi-spec-validator, as tests/run does");
    says_yes(Command::new("openapi-spec-validator").arg(document))
}

#[test]
fn documents_of_every_service_are_valid_openapi() {
    let (folder, file) = shapes();
    let file = file.to_string_lossy().into_owned();
    for spec in ["3.0", "3.1"] {
        for service in SERVICES {
            let text = printed(&["openapi", &file, "--service", service, "--spec", spec]);
            assert_eq!(&super::json(&text)["openapi"].as_str().expect("a version")[..3], spec);
            let document = folder.path().join(format!("{service}-{spec}.json"));
            fs::write(&document, &text).expect("a document");
            let (is_valid, words) = validated(&document);
            assert!(is_valid, "{service} {spec}: {words}\n{text}");
        }
    }
    // The validator says no where there is a reason.
    let broken =
        printed(&["openapi", &file]).replace("#/components/schemas/PageReading", "#/components/schemas/Nothing");
    let document = folder.path().join("broken.json");
    fs::write(&document, broken).expect("a document");
    assert!(!validated(&document).0);
}

#[test]
fn the_entry_is_the_last_service_of_the_flow() {
    let (_folder, file) = shapes();
    let file = file.to_string_lossy().into_owned();
    let document = super::json(&printed(&["openapi", &file]));
    let entry = &document["paths"]["/"];
    assert_eq!(entry["get"]["operationId"], "count");
    assert_eq!(entry["post"]["requestBody"]["required"], false, "the flow has its inputs");
    assert!(entry["get"]["responses"]["204"].is_object(), "warm filters");
    let echo = super::json(&printed(&["openapi", &file, "--service", "echo"]));
    let echo = &echo["paths"]["/"];
    assert_eq!((&echo["get"], &echo["post"]["requestBody"]["required"]), (&Value::Null, &json!(true)));

    let unknown = support::run(&["openapi", &file, "--service", "cuont"]);
    let words = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && words.contains("count"), "{words}");
    let (_folder, flowless) = support::app("use dyninka::prelude::*;\n#[service]\nfn one() -> u8 { 1 }\n");
    let refused = support::run(&["openapi".as_ref(), flowless.as_os_str()]);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
}

#[test]
fn answers_of_a_chain_are_what_the_document_says() {
    support::installed_by("jsonschema", "pip install openapi-spec-validator, as tests/run does");
    let (folder, file) = shapes();
    let dev = Dev::start(&file, "process");
    let document = super::json(&printed(&["openapi", &file.to_string_lossy()]));
    let answered = &document["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    let mut schema = answered.clone();
    schema["components"] = document["components"].clone();
    let place = folder.path().join("schema.json");
    fs::write(&place, schema.to_string()).expect("a schema");
    let fits = |value: &Value| {
        let instance = folder.path().join("instance.json");
        fs::write(&instance, value.to_string()).expect("an instance");
        says_yes(Command::new("jsonschema").arg("-i").arg(&instance).arg(&place))
    };
    let answer = super::json(&Client::default().get(&url_of(&dev, "count")).body);
    let (does_fit, words) = fits(&answer);
    assert!(does_fit, "{words}\n{answer:#}");
    for (pointer, wrong) in [
        ("/total", json!(-1)),
        ("/items/0/limits/b/limit", json!("under")),
        ("/items/0/type/scaled/by", json!("2")),
        ("/items/0/port", json!(0)),
        ("/items/0/taken", json!([1, 2])),
        ("/items/0/from", json!(7)),
    ] {
        let mut other = answer.clone();
        *other.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} in {answer:#}")) = wrong;
        assert!(!fits(&other).0, "{pointer}");
    }
    dev.stop();
}
