//! What a type's name says of its JSON. Types are known as they are written, so this is a good guess and no more.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::token::is_name;
use crate::snapshot::{StateField, TypeShape};

/// The user's types by name.
pub(super) type Types = BTreeMap<String, TypeShape>;

/// A type as JSON sees it. Types within are names again, so that one that holds itself is no trouble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ty<'s> {
    Struct(&'s str, &'s [StateField]),
    Enum(&'s str, &'s [String]),
    Optional(&'s str),
    List(&'s str),
    /// By a text.
    Map(&'s str),
    Number,
    Text,
    Flag,
    Unknown,
}

/// Reads the kind of a written type.
pub(super) fn of<'s>(written: &'s str, types: &'s Types) -> Ty<'s> {
    let written = unreferenced(written);
    if let Some(inner) = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Ty::List(inner.split(';').next().unwrap_or(inner));
    }
    let (path, arguments) = match written.split_once('<') {
        Some((path, rest)) => (path.trim_end(), rest.trim_end().strip_suffix('>').unwrap_or(rest)),
        None => (written, ""),
    };
    let name = path.rsplit("::").next().unwrap_or(path).trim();
    if let Some((name, shape)) = types.get_key_value(name) {
        return match shape {
            TypeShape::Struct(fields) => Ty::Struct(name, fields),
            TypeShape::Enum(variants) => Ty::Enum(name, variants),
        };
    }
    let last = arguments_of(arguments).last().unwrap_or("");
    match name {
        "Option" => Ty::Optional(last),
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" | "BinaryHeap" | "LinkedList" => {
            Ty::List(arguments_of(arguments).next().unwrap_or(""))
        }
        "HashMap" | "BTreeMap" => Ty::Map(arguments_of(arguments).nth(1).unwrap_or("")),
        "Box" | "Arc" | "Rc" | "Cow" | "Mutex" | "RwLock" if !last.is_empty() => of(last, types),
        "String" | "str" | "char" | "PathBuf" => Ty::Text,
        "bool" => Ty::Flag,
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "f32"
        | "f64" => Ty::Number,
        _ => Ty::Unknown,
    }
}

/// `&'static str` without what JSON does not see.
fn unreferenced(written: &str) -> &str {
    let mut written = written.trim();
    while let Some(rest) = written.strip_prefix('&') {
        written = rest.trim_start();
        if let Some(lifetime) = written.strip_prefix('\'') {
            written = lifetime.trim_start_matches(is_name).trim_start();
        }
    }
    written
}

/// Splits the text between the angle brackets at its own commas.
fn arguments_of(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |c| {
        depth += i32::from(matches!(c, '<' | '(' | '[')) - i32::from(matches!(c, '>' | ')' | ']'));
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|argument| !argument.is_empty())
}

/// An example of a type, to be filled in; none where nothing is known of it.
pub(super) fn skeleton(written: &str, types: &Types) -> Option<String> {
    let Ty::Struct(_, fields) = of(written, types) else { return None };
    // By hand, because a map would put the fields into the order of the alphabet.
    let fields = fields.iter().map(|field| {
        let value = example(&field.ty, types, 3);
        format!("{}: {value}", Value::from(field.name.as_str()))
    });
    Some(format!("{{{}}}", fields.collect::<Vec<_>>().join(", ")))
}

fn example(written: &str, types: &Types, depth: usize) -> Value {
    match of(written, types) {
        Ty::Struct(_, fields) if depth > 0 => {
            let fields = fields.iter().map(|field| (field.name.clone(), example(&field.ty, types, depth - 1)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Ty::Enum(_, variants) => variants.first().map_or(Value::Null, |first| Value::from(first.as_str())),
        Ty::Struct(..) | Ty::Map(_) => json!({}),
        Ty::List(_) => json!([]),
        Ty::Number => json!(0),
        Ty::Text => json!(""),
        Ty::Flag => json!(false),
        Ty::Optional(_) | Ty::Unknown => Value::Null,
    }
}
