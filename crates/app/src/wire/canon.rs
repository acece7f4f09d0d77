//! A wire without what has no part in it: the names of types.

use std::collections::BTreeMap;

use super::{Form, Wire};

/// Hash over a wire, types by number in the order they are met in.
pub(super) fn hash(wire: &Wire) -> String {
    let mut canon = Canon { wire, numbers: BTreeMap::new(), text: String::new() };
    for input in &wire.inputs {
        canon.word(&input.name);
        canon.form(&input.form);
    }
    canon.word(if wire.optional { "to optional" } else { "to" });
    canon.form(&wire.output);
    blake3::hash(canon.text.as_bytes()).to_hex()[..16].to_owned()
}

struct Canon<'a> {
    wire: &'a Wire,
    numbers: BTreeMap<&'a str, usize>,
    text: String,
}

impl<'a> Canon<'a> {
    /// Words are quoted: none runs into the next.
    fn word(&mut self, word: &str) {
        self.text.push_str(&format!("{word:?} "));
    }

    fn form(&mut self, form: &'a Form) {
        let named = match form {
            Form::Named(name) => self.wire.types.get_key_value(name),
            _ => None,
        };
        if let Some((name, form)) = named {
            if let Some(number) = self.numbers.get(name.as_str()) {
                self.text.push_str(&format!("#{number} "));
                return;
            }
            let number = self.numbers.len();
            self.numbers.insert(name, number);
            return self.form(form);
        }
        match form {
            Form::Number(name) | Form::Named(name) => self.word(name),
            Form::Null => self.word("null"),
            Form::Bool => self.word("bool"),
            Form::Text => self.word("text"),
            Form::Word(name) => self.word(&format!("text of {name}")),
            Form::Any => self.word("any"),
            Form::Optional(_) => self.word("optional"),
            Form::List(_) => self.word("list"),
            Form::Tuple(forms) => self.word(&format!("tuple {}", forms.len())),
            Form::Map(..) => self.word("map"),
            Form::Unknown(unknown) => self.word(&unknown.hash),
            Form::Record(record) => {
                self.word(&format!("record {} {}", record.fields.len(), record.closed));
                let mut fields: Vec<_> = record.fields.values().collect();
                fields.sort_by_key(|field| (&field.written, &field.read));
                for field in fields {
                    let keys = (&field.written, &field.read, field.needed, field.always);
                    self.word(&format!("{keys:?}"));
                    self.form(&field.form);
                }
                return;
            }
            Form::Choice(choice) => {
                self.word(&format!("choice {:?} {}", choice.tag, choice.variants.len()));
                let mut variants: Vec<_> = choice.variants.values().collect();
                variants.sort_by_key(|variant| (&variant.written, &variant.read));
                for variant in variants {
                    let keys = (&variant.written, &variant.read, variant.other, variant.holds.is_some());
                    self.word(&format!("{keys:?}"));
                    if let Some(form) = &variant.holds {
                        self.form(form);
                    }
                }
                return;
            }
        }
        for part in form.parts() {
            self.form(part);
        }
    }
}
