//! The shapes of the session's API, as JSON Schema.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::command::{Answer, Command};
use crate::frame::SessionFrame;
use crate::jobs::{JobBill, JobDetail, JobPage};
use crate::log_line::LogLine;
use crate::measured::{LatencyHistory, MeasuredHop};
use crate::report::Report;
use crate::requests::{RequestDetail, RequestList, RequestTest, ServiceForm};
use crate::snapshot::Snapshot;

type Shape = fn(&mut SchemaGenerator) -> Schema;

/// The text of `crates/session-api/schema/v1.json`: each path's input and output.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let shapes: [(&str, Shape); 15] = [
        ("GET /v1/snapshot", |generator| generator.subschema_for::<Snapshot>()),
        ("GET /v1/events, a line", |generator| generator.subschema_for::<Report>()),
        ("GET /v1/logs, a line", |generator| generator.subschema_for::<LogLine>()),
        ("GET /v1/frames, a line", |generator| generator.subschema_for::<SessionFrame>()),
        ("GET /v1/requests", |generator| generator.subschema_for::<RequestList>()),
        ("GET /v1/requests/N", |generator| generator.subschema_for::<RequestDetail>()),
        ("GET /v1/requests/N/test", |generator| generator.subschema_for::<RequestTest>()),
        ("GET /v1/hops/SERVICE", |generator| generator.subschema_for::<MeasuredHop>()),
        ("GET /v1/history", |generator| generator.subschema_for::<LatencyHistory>()),
        ("GET /v1/forms", |generator| generator.subschema_for::<BTreeMap<String, ServiceForm>>()),
        ("GET /v1/jobs", |generator| generator.subschema_for::<JobPage>()),
        ("GET /v1/jobs/ID", |generator| generator.subschema_for::<JobDetail>()),
        ("GET /v1/bills", |generator| generator.subschema_for::<Vec<JobBill>>()),
        ("POST /v1/commands, asked", |generator| generator.subschema_for::<Command>()),
        ("POST /v1/commands, answered", |generator| generator.subschema_for::<Answer>()),
    ];
    let shapes: Map<String, Value> =
        shapes.into_iter().map(|(path, shape)| (path.to_owned(), shape(&mut generator).to_value())).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The local API of a dyn session, version 1",
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
