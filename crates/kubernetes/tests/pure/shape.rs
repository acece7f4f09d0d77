//! The schema of `dyn.toml`.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

fn file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What an editor underlines in a `dyn.toml`.
fn faults(validator: &Validator, text: &str) -> Vec<String> {
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    let value = serde_json::to_value(table).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn an_editor_finds_no_fault_in_what_the_guide_shows_and_dyn_new_writes() {
    let validator = jsonschema::draft7::new(&kubernetes::settings::schema()).unwrap();
    let template = file("templates/package/dyn.toml").replace("@APP@", "plant").replace("@SERVICE@", "warm");
    let as_advised = template.replace("# env", "env").replace("# [", "[").replace("# replicas", "replicas");
    for text in [&template, &as_advised] {
        assert_eq!(faults(&validator, text), [""; 0], "{text}");
    }
    assert!(as_advised.contains("\nreplicas = 2\nenv.PASSWORD"), "{as_advised}");
    let mut shown = 0;
    for chapter in ["bucket", "configuration", "jobs", "nodes", "push", "together"] {
        let text = file(&format!("docs/guide/src/{chapter}.md"));
        for block in text.split("\n```toml\n").skip(1) {
            let block = block.split("\n```").next().unwrap();
            // Those are of `.secrets.toml` and of `data.toml`.
            if ["[db]\nurl = ", "[places."].iter().any(|head| block.starts_with(head)) {
                continue;
            }
            assert_eq!(faults(&validator, block), [""; 0], "{chapter}: {block}");
            shown += 1;
        }
    }
    assert!(shown > 8, "{shown}");
}

#[test]
fn an_editor_finds_what_dyn_check_finds() {
    let validator = jsonschema::draft7::new(&kubernetes::settings::schema()).unwrap();
    for (text, at) in [
        ("nam = \"plant\"", ""),
        ("[services.map]\nreplicas = \"two\"", "/services/map"),
        ("[resources]\ndb = \"oracle\"", "/resources/db"),
        ("[services.map]\nenv.A = { secret = \"db\" }", "/services/map/env/A"),
        ("[entry]\nhosts = \"a\"", "/entry"),
    ] {
        let found = faults(&validator, text);
        assert!(found.len() == 1 && found[0].starts_with(at), "{text}: {found:?}");
    }
}

#[test]
fn the_schema_that_is_checked_in_is_that_of_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/dyn.json");
    let text = serde_json::to_string_pretty(&kubernetes::settings::schema()).unwrap() + "\n";
    if std::env::var_os("DYN_WRITE_SCHEMA").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let known = fs::read_to_string(&file).unwrap();
    assert_eq!(known, text, "another dyn.toml: write its schema anew with DYN_WRITE_SCHEMA=1 and look at what changed");
}

#[test]
fn an_editor_is_told_every_key_with_its_words() {
    fn described(schema: &Value, path: &str, told: &mut Vec<String>) {
        for (name, value) in schema["properties"].as_object().into_iter().flatten() {
            let is_described =
                value["description"].is_string() || value["$ref"].is_string() || value["allOf"].is_array();
            assert!(is_described, "{path}{name} has no description: {value}");
            told.push(format!("{path}{name}"));
        }
        for (name, definition) in schema["definitions"].as_object().into_iter().flatten() {
            described(definition, &format!("{name}."), told);
        }
    }
    let mut told = Vec::new();
    described(&kubernetes::settings::schema(), "", &mut told);
    for key in ["services", "Said.env", "Said.env_file", "PublicEntry.node_port", "SecretKey.secret"] {
        assert!(told.iter().any(|known| known == key), "{key}: {told:?}");
    }
}
