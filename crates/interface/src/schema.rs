//! Forms as JSON Schemas.

use app::{Form, SchemaRecord, SchemaVariant, Tag};
use serde_json::{Map, Value, json};

use crate::directed::{DirectedVariant, Direction, fields, variants};
use crate::openapi::OpenApiVersion;
use crate::service_operation::{Interface, ServiceOperation};

/// Writes schemas of one document.
pub(crate) struct SchemaWriter<'a> {
    pub(crate) interface: &'a Interface,
    /// 3.1 is JSON Schema of 2020-12; 3.0 lacks `null`, `const` and tuples.
    pub(crate) version: OpenApiVersion,
    /// The place of the user's types in the document: `#/components/schemas/`.
    pub(crate) place: &'static str,
}

impl Interface {
    /// The JSON Schema (2020-12) of the object that is sent to a service, by itself.
    pub fn input_schema(&self, call: &ServiceOperation) -> Value {
        let writer = SchemaWriter { interface: self, version: OpenApiVersion::V31, place: "#/$defs/" };
        writer.whole(writer.inputs(call), Direction::Input)
    }

    /// The JSON Schema (2020-12) of a service's answer, by itself.
    pub fn output_schema(&self, call: &ServiceOperation) -> Value {
        let writer = SchemaWriter { interface: self, version: OpenApiVersion::V31, place: "#/$defs/" };
        writer.whole(writer.schema(&call.output, Direction::Output), Direction::Output)
    }
}

impl SchemaWriter<'_> {
    /// A schema with all that it refers to.
    fn whole(&self, mut schema: Value, direction: Direction) -> Value {
        let types = self.interface.types(direction);
        let (mut open, mut definitions) = (references(&schema, self.place), Map::new());
        while let Some(name) = open.pop() {
            let Some(form) = types.get(name.as_str()).filter(|_| !definitions.contains_key(&name)) else { continue };
            let schema = self.schema(form, direction);
            open.extend(references(&schema, self.place));
            definitions.insert(name, schema);
        }
        if !definitions.is_empty() {
            schema["$defs"] = Value::Object(definitions);
        }
        schema
    }

    /// The object that is sent to a service.
    pub(crate) fn inputs(&self, call: &ServiceOperation) -> Value {
        let property = |input: &crate::CallInput| (input.name.clone(), self.schema(&input.form, Direction::Input));
        let properties: Map<String, Value> = call.inputs.iter().map(property).collect();
        let needed = call.inputs.iter().filter(|input| input.needed).map(|input| input.name.as_str());
        object(properties, needed.collect(), true)
    }

    /// A form as it is read or written.
    pub(crate) fn schema(&self, form: &Form, direction: Direction) -> Value {
        match form {
            Form::Null => self.null(),
            Form::Bool => json!({ "type": "boolean" }),
            Form::Number(name) => number(name),
            Form::Text => json!({ "type": "string" }),
            Form::Word(name) => word(name),
            Form::Optional(form) => self.or_null(self.schema(form, direction)),
            Form::List(form) => json!({ "type": "array", "items": self.schema(form, direction) }),
            Form::Tuple(forms) => self.tuple(forms.iter().map(|form| self.schema(form, direction)).collect()),
            Form::Map(_, value) => json!({ "type": "object", "additionalProperties": self.schema(value, direction) }),
            Form::Record(record) => {
                let (properties, required, whole) = self.record(record, direction);
                with_alternatives(object(properties, required, record.closed), whole)
            }
            Form::Choice(choice) => self.choice(choice, direction),
            Form::Named(name) => match self.interface.names.get(name, direction) {
                Some(name) => json!({ "$ref": format!("{}{name}", self.place) }),
                None => json!({}),
            },
            Form::Any => json!({ "description": "Any JSON value." }),
            Form::Unknown(unknown) => {
                let (written, why) = (&unknown.written, &unknown.why);
                json!({ "description": format!("A value of {written}, whose JSON is not known: {why}.") })
            }
        }
    }

    /// Properties, the keys that are always there, and of keys with other names that at least one is.
    fn record<'r>(
        &self,
        record: &'r SchemaRecord,
        direction: Direction,
    ) -> (Map<String, Value>, Vec<&'r str>, Vec<Value>) {
        let (mut properties, mut required, mut alternatives) = (Map::new(), Vec::new(), Vec::new());
        for field in fields(record, direction) {
            let schema = self.schema(field.form, direction);
            for alias in field.aliases {
                properties.insert(alias.clone(), schema.clone());
            }
            properties.insert(field.key.to_owned(), schema);
            if field.required && field.aliases.is_empty() {
                required.push(field.key);
            } else if field.required {
                let keys = std::iter::once(field.key).chain(field.aliases.iter().map(String::as_str));
                let keys: Vec<Value> = keys.map(|key| json!({ "required": [key] })).collect();
                alternatives.push(json!({ "anyOf": keys }));
            }
        }
        (properties, required, alternatives)
    }

    fn choice(&self, choice: &SchemaVariant, direction: Direction) -> Value {
        let variants = variants(choice, direction);
        let mut ways = Vec::new();
        if choice.tag == Tag::External {
            let bare: Vec<&DirectedVariant<'_>> = variants.iter().filter(|variant| variant.holds.is_none()).collect();
            if bare.iter().any(|variant| variant.other) {
                ways.push(json!({ "type": "string" }));
            } else if !bare.is_empty() {
                let names: Vec<&str> = bare.iter().flat_map(|variant| variant.keys.iter().copied()).collect();
                ways.push(json!({ "type": "string", "enum": names }));
            }
        }
        for variant in &variants {
            ways.extend(self.variant(&choice.tag, variant, direction));
        }
        match (ways.len(), ways.pop()) {
            (1, Some(only)) => only,
            (_, Some(last)) => json!({ "anyOf": ways.into_iter().chain([last]).collect::<Vec<_>>() }),
            // An enum without variants has no value.
            (_, None) => json!({ "not": {} }),
        }
    }

    fn variant(&self, tag: &Tag, variant: &DirectedVariant<'_>, direction: Direction) -> Vec<Value> {
        let tagged = |keys: &[&str]| match variant.other {
            true => json!({ "type": "string" }),
            false => json!({ "type": "string", "enum": keys }),
        };
        let held = variant.holds.map(|form| self.schema(form, direction));
        match tag {
            Tag::External => {
                let Some(held) = held else { return Vec::new() };
                let keyed = |key: &&str| object(one(key, held.clone()), vec![key], true);
                variant.keys.iter().map(keyed).collect()
            }
            Tag::Adjacent(tag, content) => {
                let mut properties = one(tag, tagged(&variant.keys));
                let mut required = vec![tag.as_str()];
                if let Some(held) = held {
                    properties.insert(content.clone(), held);
                    required.push(content);
                }
                vec![object(properties, required, false)]
            }
            Tag::Internal(tag) => vec![self.internal(tag, tagged(&variant.keys), variant.holds, direction)],
            Tag::None => vec![held.unwrap_or_else(|| self.null())],
        }
    }

    /// An object that has its tag among its own keys.
    fn internal(&self, tag: &str, tagged: Value, holds: Option<&Form>, direction: Direction) -> Value {
        let mut form = holds;
        while let Some(Form::Named(name)) = form {
            form = self.interface.types.get(name);
        }
        match form {
            Some(Form::Record(record)) => {
                let (mut properties, mut required, alternatives) = self.record(record, direction);
                properties.insert(tag.to_owned(), tagged);
                required.insert(0, tag);
                with_alternatives(object(properties, required, record.closed), alternatives)
            }
            None | Some(Form::Null) => object(one(tag, tagged), vec![tag], false),
            Some(form) => {
                let tagged = object(one(tag, tagged), vec![tag], false);
                json!({ "allOf": [tagged, self.schema(form, direction)] })
            }
        }
    }

    fn tuple(&self, forms: Vec<Value>) -> Value {
        let length = forms.len();
        let mut schema = json!({ "type": "array", "minItems": length, "maxItems": length });
        match self.version {
            OpenApiVersion::V31 if forms.is_empty() => {}
            OpenApiVersion::V31 => schema["prefixItems"] = forms.into(),
            OpenApiVersion::V30 => {
                let mut several: Vec<Value> = Vec::new();
                for form in forms {
                    if !several.contains(&form) {
                        several.push(form);
                    }
                }
                schema["items"] = match (several.len(), several.pop()) {
                    (1, Some(one)) => one,
                    (_, Some(last)) => json!({ "anyOf": several.into_iter().chain([last]).collect::<Vec<_>>() }),
                    (_, None) => json!({}),
                };
            }
        }
        schema
    }

    fn null(&self) -> Value {
        match self.version {
            OpenApiVersion::V31 => json!({ "type": "null" }),
            OpenApiVersion::V30 => json!({ "type": "string", "nullable": true, "enum": [null] }),
        }
    }

    fn or_null(&self, mut schema: Value) -> Value {
        // Anything, `null` included.
        let Some(kind) = schema.get("type").cloned() else {
            let is_open = !["$ref", "anyOf", "allOf", "not"].iter().any(|key| schema.get(key).is_some());
            return if is_open { schema } else { json!({ "anyOf": [schema, self.null()] }) };
        };
        match self.version {
            _ if schema.get("enum").is_some() || kind.is_array() => json!({ "anyOf": [schema, self.null()] }),
            OpenApiVersion::V31 => {
                schema["type"] = json!([kind, "null"]);
                schema
            }
            OpenApiVersion::V30 => {
                schema["nullable"] = true.into();
                schema
            }
        }
    }
}

/// An object of these properties.
fn object(properties: Map<String, Value>, required: Vec<&str>, closed: bool) -> Value {
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if closed {
        schema["additionalProperties"] = false.into();
    }
    schema
}

fn with_alternatives(mut schema: Value, alternatives: Vec<Value>) -> Value {
    if !alternatives.is_empty() {
        schema["allOf"] = alternatives.into();
    }
    schema
}

fn one(key: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), value)])
}

/// A number of one of Rust's types: integers with their range.
fn number(name: &str) -> Value {
    let (plain, is_zero_out) = match name.strip_prefix("NonZero") {
        Some(rest) => (rest.to_ascii_lowercase(), true),
        None => (name.to_owned(), false),
    };
    let mut schema = match plain.as_str() {
        "f32" => return json!({ "type": "number", "format": "float" }),
        "f64" => return json!({ "type": "number", "format": "double" }),
        "u8" => json!({ "type": "integer", "minimum": 0, "maximum": u8::MAX }),
        "u16" => json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX }),
        "u32" => json!({ "type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX }),
        "u64" => json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        "u128" => json!({ "type": "integer", "minimum": 0 }),
        "i8" => json!({ "type": "integer", "minimum": i8::MIN, "maximum": i8::MAX }),
        "i16" => json!({ "type": "integer", "minimum": i16::MIN, "maximum": i16::MAX }),
        "i32" => json!({ "type": "integer", "format": "int32" }),
        "i64" => json!({ "type": "integer", "format": "int64" }),
        _ => json!({ "type": "integer" }),
    };
    if is_zero_out {
        match plain.starts_with('u') {
            true => schema["minimum"] = 1.into(),
            false => schema["not"] = json!({ "enum": [0] }),
        }
    }
    schema
}

/// A string that one of Rust's types reads.
fn word(name: &str) -> Value {
    match name {
        "char" => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        "Ipv4Addr" => json!({ "type": "string", "format": "ipv4" }),
        "Ipv6Addr" => json!({ "type": "string", "format": "ipv6" }),
        "IpAddr" => json!({ "type": "string", "description": "An IPv4 or IPv6 address." }),
        _ => json!({ "type": "string", "description": "An address with a port." }),
    }
}

/// The names of the user's types that a schema refers to.
fn references(schema: &Value, place: &str) -> Vec<String> {
    let (mut open, mut names) = (vec![schema], Vec::new());
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                let to = members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(place));
                names.extend(to.map(str::to_owned));
                open.extend(members.values());
            }
            Value::Array(values) => open.extend(values),
            _ => {}
        }
    }
    names
}
