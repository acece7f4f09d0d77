//! The schema of `dyn.toml`.

use serde_json::Value;

#[test]
fn the_schema_that_is_checked_in_is_that_of_the_types() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/dyn.json");
    let text = serde_json::to_string_pretty(&kubernetes::settings::schema()).unwrap() + "\n";
    if std::env::var_os("DYN_WRITE_SCHEMA").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap();
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
