//! The shape of `dyn.toml`, as JSON Schema: for editors, which complete and explain its keys by it.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::File;

/// The schema of `dyn.toml`; its text is `crates/kubernetes/schema/dyn.json`.
pub fn schema() -> Value {
    // The draft that editors' tools for TOML read.
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<File>().to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("title".to_owned(), "dyn.toml: how the services of an app run".into());
    }
    schema
}
