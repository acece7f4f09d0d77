//! OpenAPI documents: a service's `GET /` and `POST /`.

use std::fmt::{self, Display};

use serde_json::{Map, Value, json};

use crate::directed::Direction;
use crate::schema::SchemaWriter;
use crate::service_operation::{Interface, ServiceOperation};

/// A version of the OpenAPI Specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenApiVersion {
    /// 3.0.4, for tools that know no later one.
    V30,
    /// 3.1.1.
    #[default]
    V31,
}

/// The reason why there is no document: no service is named, and the app has no flow whose last service is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntry;

impl Interface {
    /// The OpenAPI document of a service; of the flow's last one where none is named.
    ///
    /// # Errors
    /// None is named, and the app has no flow.
    pub fn openapi(&self, call: Option<&ServiceOperation>, version: OpenApiVersion) -> Result<Value, NoEntry> {
        let entry = || self.call(self.entry.as_deref()?);
        let call = call.or_else(entry).ok_or(NoEntry)?;
        let writer = SchemaWriter { interface: self, version, place: "#/components/schemas/" };
        let number = match version {
            OpenApiVersion::V30 => "3.0.4",
            OpenApiVersion::V31 => "3.1.1",
        };
        let app = &self.app;
        let service = &call.service;
        let description = match self.entry.as_deref() == Some(service) {
            true => format!("The public listener of {app}. It serves {service}, the last service of the flow."),
            false => format!("The service {service} of {app}."),
        };
        let mut methods = Map::new();
        if call.is_got() {
            methods.insert("get".to_owned(), writer.method(call, false));
        }
        if !call.inputs.is_empty() {
            methods.insert("post".to_owned(), writer.method(call, true));
        }
        Ok(json!({
            "openapi": number,
            "info": { "title": app, "description": description, "version": call.hash },
            "servers": [{ "url": "/" }],
            "paths": { "/": methods },
            "components": { "schemas": writer.components(call) },
        }))
    }
}

impl SchemaWriter<'_> {
    fn method(&self, call: &ServiceOperation, has_body: bool) -> Value {
        let ServiceOperation { service, inputs, output, may_filter, .. } = call;
        let (id, summary) = match (has_body, inputs.is_empty(), call.is_got()) {
            (false, true, _) => (service.clone(), format!("Calls {service}")),
            (false, false, _) => (service.clone(), format!("Calls {service} with the inputs that the flow has for it")),
            (true, _, true) => (
                format!("{service}_with_inputs"),
                format!("Calls {service} with these inputs; the flow has those that are left out"),
            ),
            (true, _, false) => (format!("{service}_with_inputs"), format!("Calls {service} with these inputs")),
        };
        let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
        let mut responses = json!({
            "200": {
                "description": "A value.",
                "headers": {
                    "Dyninka-Version": text("The version of every service that took part."),
                    "Server-Timing": text("The time of every service that took part, and of its function (.fn)."),
                },
                "content": { "application/json": { "schema": self.schema(output, Direction::Output) } },
            },
            "default": {
                "description": "A problem (RFC 9457).",
                "content": {
                    "application/problem+json": { "schema": { "$ref": format!("{}Problem", self.place) } },
                },
            },
        });
        if *may_filter {
            responses["204"] = json!({
                "description": "A service filtered: there is no value.",
                "headers": { "Dyninka-Filtered": text("The service that filtered.") },
            });
        }
        let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "description": description, "schema": schema });
        let mut method = json!({
            "operationId": id,
            "summary": summary,
            "parameters": [
                header(
                    "Dyninka-Route",
                    "The services that feed this one in this request, such as map(get), instead of the flow.",
                    json!({ "type": "string" }),
                ),
                header("Dyninka-Deadline", "Milliseconds until the request is given up.", json!({ "type": "integer", "minimum": 0 })),
            ],
            "responses": responses,
        });
        if has_body {
            let schema = self.inputs(call);
            method["requestBody"] =
                json!({ "required": !call.is_got(), "content": { "application/json": { "schema": schema } } });
        }
        method
    }

    /// The user's types that a service's call reaches, and the problem document.
    fn components(&self, call: &ServiceOperation) -> Map<String, Value> {
        let mut schemas = Map::new();
        let inputs = call.inputs.iter().map(|input| (&input.form, Direction::Input));
        let mut open: Vec<_> = inputs.chain([(&call.output, Direction::Output)]).collect();
        while let Some((form, direction)) = open.pop() {
            for mentioned in crate::directed::mentioned(form, direction) {
                let name = self.interface.names.get(mentioned, direction);
                let Some((name, form)) = name.zip(self.interface.types.get(mentioned)) else { continue };
                if !schemas.contains_key(name) {
                    schemas.insert(name.to_owned(), self.schema(form, direction));
                    open.push((form, direction));
                }
            }
        }
        schemas.insert("Problem".to_owned(), problem());
        schemas
    }
}

/// The problem document that every service answers with.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "An answer that is no value (RFC 9457).",
        "properties": {
            "type": { "type": "string", "description": "urn:dyninka:problem:KIND" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "service": { "type": "string", "description": "The service that has the problem." },
            "path": {
                "type": "array",
                "items": { "type": "string" },
                "description": "The services that the request came by, the one with the problem last.",
            },
        },
        "required": ["type", "title", "status", "detail", "service"],
    })
}

impl Display for NoEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the app has no flow, so no service is the one that its users call")
    }
}

impl std::error::Error for NoEntry {}
