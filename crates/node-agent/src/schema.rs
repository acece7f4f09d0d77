//! The shapes of the agent's API, as JSON Schema.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::api::{FleetView, NodeCommand};
use crate::events::NodeEvent;

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// The text of `crates/node-agent/schema/v1.json`: each path's input and output.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let shapes: [(&str, Shape); 3] = [
        ("GET /v1/nodes", |generator| generator.subschema_for::<FleetView>()),
        ("GET /v1/events", |generator| generator.subschema_for::<Vec<NodeEvent>>()),
        ("POST /v1/commands, asked", |generator| generator.subschema_for::<NodeCommand>()),
    ];
    let shapes: Map<String, Value> =
        shapes.into_iter().map(|(path, shape)| (path.to_owned(), shape(&mut generator).to_value())).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The local API of a node's agent, version 1",
        "paths": shapes,
        "$defs": generator.take_definitions(true),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_schema_that_is_checked_in_is_that_of_the_types() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/v1.json");
        let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        if std::env::var_os("DYN_WRITE_SCHEMA").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let known = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            known, text,
            "a change of the API: write the schema anew with DYN_WRITE_SCHEMA=1 and look at what changed"
        );
    }
}
