//! Properties over any types.

use std::collections::BTreeMap;

use app::{Field, Form, SchemaRecord, SchemaVariant, Tag, Unknown, Variant};
use proptest::prelude::*;
use serde_json::Value;

use crate::type_names::TypeNames;
use crate::{CallInput, Direction, Interface, Language, OpenApiVersion, ServiceOperation};

const TYPES: [&str; 4] = ["A", "model::A", "Page<A>", "Problem"];

fn leaf() -> impl Strategy<Value = Form> {
    let number = prop_oneof![Just("u8"), Just("i64"), Just("f32"), Just("u128"), Just("NonZeroI8"), Just("NonZeroU64")];
    let word = prop_oneof![Just("char"), Just("IpAddr"), Just("SocketAddr")];
    let unknown = Unknown { written: "X".to_owned(), why: "it comes from x".to_owned(), hash: String::new() };
    prop_oneof![
        Just(Form::Null),
        Just(Form::Bool),
        Just(Form::Text),
        Just(Form::Any),
        Just(Form::Unknown(unknown)),
        number.prop_map(|name| Form::Number(name.to_owned())),
        word.prop_map(|name| Form::Word(name.to_owned())),
        (0..TYPES.len()).prop_map(|at| Form::Named(TYPES[at].to_owned())),
    ]
}

fn form() -> impl Strategy<Value = Form> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let tag = prop_oneof![
            Just(Tag::External),
            Just(Tag::None),
            Just(Tag::Internal("kind".to_owned())),
            Just(Tag::Adjacent("t".to_owned(), "c".to_owned())),
        ];
        let sides = || (any::<bool>(), 0..3_usize, any::<bool>(), any::<bool>());
        let field = (sides(), inner.clone()).prop_map(|((is_written, read, needed, always), form)| Field {
            written: is_written.then(|| "key".to_owned()),
            read: (0..read).map(|at| format!("key-{at}")).collect(),
            needed,
            always,
            form,
        });
        let variant =
            (sides(), proptest::option::of(inner.clone())).prop_map(|((is_written, read, other, _), holds)| Variant {
                written: is_written.then(|| "name".to_owned()),
                read: (0..read).map(|at| format!("name {at}")).collect(),
                other,
                holds,
            });
        let named = |at: usize| format!("r{at}");
        prop_oneof![
            inner.clone().prop_map(|form| Form::Optional(Box::new(form))),
            inner.clone().prop_map(|form| Form::List(Box::new(form))),
            inner.clone().prop_map(|form| Form::Map(Box::new(Form::Text), Box::new(form))),
            proptest::collection::vec(inner, 0..4).prop_map(Form::Tuple),
            (proptest::collection::vec(field, 0..4), any::<bool>()).prop_map(move |(fields, closed)| {
                let fields = fields.into_iter().enumerate().map(|(at, field)| (named(at), field)).collect();
                Form::Record(SchemaRecord { fields, closed })
            }),
            (tag, proptest::collection::vec(variant, 0..4)).prop_map(|(tag, variants)| {
                let variants =
                    variants.into_iter().enumerate().map(|(at, variant)| (format!("V{at}"), variant)).collect();
                Form::Choice(SchemaVariant { tag, variants })
            }),
        ]
    })
}

fn interface() -> impl Strategy<Value = Interface> {
    let forms = || proptest::collection::vec(form(), TYPES.len());
    (forms(), form(), form(), any::<bool>()).prop_map(|(forms, input, output, needed)| {
        let types: BTreeMap<String, Form> = TYPES.iter().map(|name| (*name).to_owned()).zip(forms).collect();
        let call = ServiceOperation {
            service: "type".to_owned(),
            inputs: vec![CallInput { name: "fn".to_owned(), form: input, needed }],
            output,
            may_filter: needed,
            hash: "0".to_owned(),
        };
        let calls = vec![call];
        let names = TypeNames::of(&calls, &types);
        Interface { app: "x".to_owned(), entry: Some("type".to_owned()), calls, types, names }
    })
}

/// Every object of a document.
fn objects(value: &Value) -> Vec<&serde_json::Map<String, Value>> {
    let (mut open, mut found) = (vec![value], Vec::new());
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                found.push(members);
                open.extend(members.values());
            }
            Value::Array(values) => open.extend(values),
            _ => {}
        }
    }
    found
}

proptest! {
    #[test]
    fn every_reference_of_a_document_leads_somewhere(interface in interface()) {
        for version in [OpenApiVersion::V30, OpenApiVersion::V31] {
            let document = interface.openapi(None, version).expect("an entry");
            for object in objects(&document) {
                if let Some(to) = object.get("$ref").and_then(Value::as_str) {
                    prop_assert!(document.pointer(&to[1..]).is_some(), "{} in {:#}", to, document);
                }
                if version == OpenApiVersion::V30 && object.contains_key("type") {
                    let is_old = object["type"].is_string() || !object["type"].is_array() && object["type"].is_object();
                    prop_assert!(is_old && object["type"] != "null" && !object.contains_key("prefixItems"), "{:?}", object);
                }
            }
        }
        let call = &interface.calls[0];
        for schema in [interface.input_schema(call), interface.output_schema(call)] {
            for object in objects(&schema) {
                if let Some(to) = object.get("$ref").and_then(Value::as_str) {
                    prop_assert!(schema.pointer(&to[1..]).is_some(), "{} in {:#}", to, schema);
                }
            }
        }
    }

    #[test]
    fn every_type_that_travels_has_one_name_which_clients_declare_once(interface in interface()) {
        let typescript = interface.client(Language::TypeScript);
        let rust = interface.client(Language::Rust);
        let mut names = std::collections::BTreeMap::new();
        for direction in [Direction::Input, Direction::Output] {
            for (name, form) in interface.types(direction) {
                let known = names.insert(name, std::ptr::from_ref(form));
                prop_assert!(known.is_none_or(|known| std::ptr::eq(known, form)), "{} is two types", name);
            }
        }
        for name in names.keys() {
            prop_assert_eq!(typescript.matches(&format!("export type {name} =")).count(), 1, "{}", name);
            let declared = ["struct", "enum", "type"].map(|kind| {
                [" {", "(", " ="].map(|end| rust.matches(&format!("pub {kind} {name}{end}")).count()).iter().sum::<usize>()
            });
            prop_assert_eq!(declared.iter().sum::<usize>(), 1, "{}", name);
        }
        // Braces of both are whole, whatever stands in them.
        for text in [&typescript, &rust] {
            prop_assert_eq!(text.matches('{').count(), text.matches('}').count());
        }
    }
}
