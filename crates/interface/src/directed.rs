//! A form seen from one side: as it is read or as it is written.

use app::{Form, SchemaRecord, SchemaVariant};

/// The way that a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Into a service: names that are read.
    Input,
    /// Out of a service: names that are written.
    Output,
}

/// A field as one side sees it.
pub(crate) struct DirectedField<'a> {
    /// Its name in Rust.
    pub(crate) name: &'a str,
    /// Its key in JSON.
    pub(crate) key: &'a str,
    /// Other keys that are read, too.
    pub(crate) aliases: &'a [String],
    /// Whether the key is always there.
    pub(crate) required: bool,
    pub(crate) form: &'a Form,
}

/// A variant as one side sees it.
pub(crate) struct DirectedVariant<'a> {
    /// Its name in Rust.
    pub(crate) name: &'a str,
    /// Its name in JSON, and other names that are read.
    pub(crate) keys: Vec<&'a str>,
    /// Whether it is read from any other name, too.
    pub(crate) other: bool,
    pub(crate) holds: Option<&'a Form>,
}

/// Fields that are there in a direction.
pub(crate) fn fields(record: &SchemaRecord, direction: Direction) -> Vec<DirectedField<'_>> {
    let seen = record.fields.iter().filter_map(|(name, field)| {
        let (key, aliases, required) = match direction {
            Direction::Input => {
                let (key, aliases) = field.read.split_first()?;
                (key, aliases, field.needed)
            }
            Direction::Output => (field.written.as_ref()?, &[][..], field.always),
        };
        Some(DirectedField { name, key, aliases, required, form: &field.form })
    });
    seen.collect()
}

/// Variants that are there in a direction.
pub(crate) fn variants(choice: &SchemaVariant, direction: Direction) -> Vec<DirectedVariant<'_>> {
    let seen = choice.variants.iter().filter_map(|(name, variant)| {
        let keys: Vec<&str> = match direction {
            Direction::Input => variant.read.iter().map(String::as_str).collect(),
            Direction::Output => variant.written.iter().map(String::as_str).collect(),
        };
        let other = variant.other && direction == Direction::Input;
        (!keys.is_empty()).then_some(DirectedVariant { name, keys, other, holds: variant.holds.as_ref() })
    });
    seen.collect()
}

/// The forms that a form is made of in a direction, named ones not followed.
pub(crate) fn parts(form: &Form, direction: Direction) -> Vec<&Form> {
    match form {
        Form::Record(record) => fields(record, direction).iter().map(|field| field.form).collect(),
        Form::Choice(choice) => variants(choice, direction).iter().filter_map(|variant| variant.holds).collect(),
        form => form.parts(),
    }
}

/// The names of the user's types in a form.
pub(crate) fn mentioned(form: &Form, direction: Direction) -> Vec<&str> {
    let (mut open, mut names) = (vec![form], Vec::new());
    while let Some(form) = open.pop() {
        match form {
            Form::Named(name) => names.push(name.as_str()),
            form => open.extend(parts(form, direction)),
        }
    }
    names
}

/// Whether a form is read as it is written, named ones not followed.
pub(crate) fn is_symmetric(form: &Form) -> bool {
    let is_same = match form {
        Form::Record(record) => record.fields.values().all(|field| {
            let is_one = field.read.len() == 1 && field.written.as_ref() == field.read.first();
            is_one && field.needed == field.always
        }),
        Form::Choice(choice) => choice.variants.values().all(|variant| {
            variant.read.len() == 1 && variant.written.as_ref() == variant.read.first() && !variant.other
        }),
        _ => true,
    };
    is_same && form.parts().into_iter().all(is_symmetric)
}
