//! What travels into a service and out of it: the user's types as serde writes and reads them.
//!
//! Names of types have no part in it, nor has the order of fields: equal wires, and any pod of one reads what any pod of
//! the other writes. What this room cannot see into (a type of another crate, serde code written by hand) is
//! [`Form::Unknown`], with the reason and a hash over all that could matter: it is equal to itself alone.

mod attribute;
mod canon;
mod container;
mod outside;
mod reader;

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::model::App;
use crate::reach::Index;

/// What travels into a service and out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<WireInput>,
    /// What it returns, `Result` and `Option` taken off.
    pub output: Form,
    /// Whether it may return nothing: filtered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The user's types in it, by the name that [`Form::Named`] has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, Form>,
}

/// An input of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireInput {
    /// Parameter name.
    pub name: String,
    pub form: Form,
}

/// A form of JSON values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool,
    /// A number of one of Rust's types, by its name: `u8`, `f64`.
    Number(String),
    /// A string.
    Text,
    /// A string that one of Rust's types reads, by the type's name, which does not read every string: `char`, `IpAddr`.
    Word(String),
    /// A value or `null`.
    Optional(Box<Form>),
    /// An array of any length.
    List(Box<Form>),
    /// An array of one length.
    Tuple(Vec<Form>),
    /// An object with any keys.
    Map(Box<Form>, Box<Form>),
    /// An object with known keys.
    Record(SchemaRecord),
    /// One of several variants.
    Choice(SchemaVariant),
    /// A type of the user's, in [`Wire::types`].
    Named(String),
    /// Any JSON value, as `serde_json::Value` has it.
    Any,
    /// Something that cannot be seen into.
    Unknown(Unknown),
}

/// An object with known keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRecord {
    /// By the name in Rust.
    #[serde(default)]
    pub fields: BTreeMap<String, Field>,
    /// Keys that are not known are an error (`deny_unknown_fields`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The key it is written under; none: it is not written.
    pub written: Option<String>,
    /// The keys it is read from; none: it is not read.
    pub read: Vec<String>,
    /// Whether reading fails where it is not there.
    pub needed: bool,
    /// Whether it is written always.
    pub always: bool,
    pub form: Form,
}

/// One of several variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaVariant {
    pub tag: Tag,
    /// By the name in Rust.
    pub variants: BTreeMap<String, Variant>,
}

/// How a variant is told: <https://serde.rs/enum-representations.html>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tag {
    /// The variant is the key, or the text where it holds nothing.
    External,
    /// The variant is under a key beside what it holds.
    Internal(String),
    /// The variant is under one key and what it holds under another.
    Adjacent(String, String),
    None,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// What it is written as; none: it is not written.
    pub written: Option<String>,
    /// What it is read from; none: it is not read.
    pub read: Vec<String>,
    /// Whether it is read from whatever no other variant is (`#[serde(other)]`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other: bool,
    /// What it holds; none: nothing.
    pub holds: Option<Form>,
}

/// Something that cannot be seen into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// The type as written.
    pub written: String,
    /// Why it cannot be seen into.
    pub why: String,
    /// Hash over all that could matter.
    pub hash: String,
}

impl App {
    /// What travels into each service and out of it, by Rust name.
    pub fn wires(&self) -> BTreeMap<String, Wire> {
        let index = Index::new(&self.tree);
        let crates = self.frontmatter.as_deref().unwrap_or_default();
        let wire = |service| reader::wire(&index, crates, service);
        self.services.iter().map(|service| (service.name.clone(), wire(service))).collect()
    }
}

impl Wire {
    /// Stands for it: equal, and what travels is the same. Sixteen hex digits.
    pub fn hash(&self) -> String {
        canon::hash(self)
    }

    /// Has what cannot be seen into rest on the versions of what the app depends on, too: `dependencies` stands for them.
    pub fn depend_on(&mut self, dependencies: &str) {
        let inputs = self.inputs.iter_mut().map(|input| &mut input.form);
        let mut open: Vec<&mut Form> = inputs.chain([&mut self.output]).chain(self.types.values_mut()).collect();
        while let Some(form) = open.pop() {
            match form {
                Form::Unknown(unknown) => unknown.hash = crate::tokens::combine([&*unknown.hash, dependencies]),
                Form::Optional(form) | Form::List(form) => open.push(form),
                Form::Map(key, value) => open.extend([&mut **key, &mut **value]),
                Form::Tuple(forms) => open.extend(forms),
                Form::Record(record) => open.extend(record.fields.values_mut().map(|field| &mut field.form)),
                Form::Choice(choice) => {
                    open.extend(choice.variants.values_mut().filter_map(|variant| variant.holds.as_mut()));
                }
                Form::Null | Form::Bool | Form::Number(_) | Form::Text | Form::Word(_) | Form::Named(_) | Form::Any => {
                }
            }
        }
    }

    /// What of it cannot be seen into, each once: the type and why.
    pub fn unknown(&self) -> Vec<&Unknown> {
        let inputs = self.inputs.iter().map(|input| &input.form);
        let mut open: Vec<&Form> = inputs.chain([&self.output]).chain(self.types.values()).collect();
        let mut unknown: Vec<&Unknown> = Vec::new();
        while let Some(form) = open.pop() {
            match form {
                Form::Unknown(form) if !unknown.contains(&form) => unknown.push(form),
                form => open.extend(form.parts()),
            }
        }
        unknown.sort_by(|one, other| one.written.cmp(&other.written));
        unknown
    }
}

impl Form {
    /// The forms it is made of, named ones not followed.
    pub fn parts(&self) -> Vec<&Form> {
        match self {
            Self::Null
            | Self::Bool
            | Self::Number(_)
            | Self::Text
            | Self::Word(_)
            | Self::Named(_)
            | Self::Any
            | Self::Unknown(_) => Vec::new(),
            Self::Optional(form) | Self::List(form) => vec![form],
            Self::Map(key, value) => vec![key, value],
            Self::Tuple(forms) => forms.iter().collect(),
            Self::Record(record) => record.fields.values().map(|field| &field.form).collect(),
            Self::Choice(choice) => choice.variants.values().filter_map(|variant| variant.holds.as_ref()).collect(),
        }
    }
}

impl Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Text => f.write_str("text"),
            Self::Any => f.write_str("any JSON"),
            Self::Number(name) | Self::Word(name) | Self::Named(name) => f.write_str(name),
            Self::Optional(form) => write!(f, "{form} or null"),
            Self::List(form) => write!(f, "a list of {form}"),
            Self::Tuple(forms) => {
                let forms: Vec<_> = forms.iter().map(Self::to_string).collect();
                write!(f, "({})", forms.join(", "))
            }
            Self::Map(key, value) => write!(f, "a map of {key} to {value}"),
            Self::Record(_) => f.write_str("an object"),
            Self::Choice(_) => f.write_str("one of several variants"),
            Self::Unknown(unknown) => f.write_str(&unknown.written),
        }
    }
}
