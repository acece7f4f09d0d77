//! What one writes, held against what another reads.

use std::collections::BTreeSet;

use app::{Form, SchemaRecord, SchemaVariant, Tag, Variant, Wire};

/// Something that is written and not read, or read and not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What it is about: `reading.value`.
    pub field: String,
    /// In words that follow it.
    pub why: String,
}

/// What keeps a reader from reading what a writer writes; nothing where every value is read. Each comes with the wire
/// whose types its form names. `name` is what the value is called.
pub fn reads(name: &str, writer: (&Wire, &Form), reader: (&Wire, &Form)) -> Vec<Mismatch> {
    let mut comparison = Comparison { writer: writer.0, reader: reader.0, seen: BTreeSet::new(), found: Vec::new() };
    comparison.compare(name, writer.1, reader.1);
    comparison.found
}

struct Comparison<'a> {
    writer: &'a Wire,
    reader: &'a Wire,
    /// Types that are compared already or just now: they may hold themselves.
    seen: BTreeSet<(&'a str, &'a str)>,
    found: Vec<Mismatch>,
}

impl<'a> Comparison<'a> {
    fn wrong(&mut self, field: &str, why: impl Into<String>) {
        self.found.push(Mismatch { field: field.to_owned(), why: why.into() });
    }

    fn compare(&mut self, at: &str, writes: &'a Form, reads: &'a Form) {
        if let (Form::Named(one), Form::Named(other)) = (writes, reads)
            && !self.seen.insert((one, other))
        {
            return;
        }
        let (writes, reads) = (follow(self.writer, writes), follow(self.reader, reads));
        match (writes, reads) {
            (_, Form::Any)
            | (Form::Null, Form::Null | Form::Optional(_))
            | (Form::Bool, Form::Bool)
            | (Form::Text | Form::Word(_), Form::Text) => {}
            (Form::Word(one), Form::Word(other)) if one == other || *other == general(one) => {}
            (Form::Unknown(one), Form::Unknown(other)) if one.hash == other.hash => {}
            (Form::Unknown(unknown), _) | (_, Form::Unknown(unknown)) => {
                self.wrong(at, format!("is a {}, which cannot be seen into ({})", unknown.written, unknown.why));
            }
            (Form::Optional(one), Form::Optional(other)) => self.compare(at, one, other),
            (one, Form::Optional(other)) => self.compare(at, one, other),
            (Form::Optional(_), _) => self.wrong(at, "may be null, and null is not read"),
            (Form::Number(one), Form::Number(other)) => {
                if !holds(other, one) {
                    self.wrong(at, format!("is written as {one} and read as {other}"));
                }
            }
            (Form::List(one), Form::List(other)) => self.compare(&format!("{at}[]"), one, other),
            (Form::Tuple(one), Form::List(other)) => {
                one.iter().for_each(|form| self.compare(&format!("{at}[]"), form, other));
            }
            (Form::Tuple(one), Form::Tuple(other)) if one.len() == other.len() => {
                for (number, (one, other)) in one.iter().zip(other).enumerate() {
                    self.compare(&format!("{at}.{number}"), one, other);
                }
            }
            (Form::Tuple(one), Form::Tuple(other)) => {
                self.wrong(at, format!("is written with {} values and read with {}", one.len(), other.len()));
            }
            (Form::Map(key, value), Form::Map(other_key, other_value)) => {
                // Keys are text in JSON, whatever they are in Rust.
                if !matches!(follow(self.reader, other_key), Form::Text) {
                    self.compare(&format!("{at}'s keys"), key, other_key);
                }
                self.compare(&format!("{at}[]"), value, other_value);
            }
            (Form::Record(record), Form::Map(_, value)) => {
                for field in record.fields.values() {
                    if let Some(name) = &field.written {
                        self.compare(&format!("{at}.{name}"), &field.form, value);
                    }
                }
            }
            (Form::Record(one), Form::Record(other)) => self.records(at, one, other),
            (Form::Choice(one), other) if one.tag == Tag::None => {
                one.variants.values().for_each(|variant| self.compare(at, content(variant), other));
            }
            (one, Form::Choice(other)) if other.tag == Tag::None => self.untagged(at, one, other),
            (Form::Choice(one), Form::Choice(other)) => self.choices(at, one, other),
            (Form::Choice(one), Form::Text)
                if one.tag == Tag::External && one.variants.values().all(|variant| variant.holds.is_none()) => {}
            (one, other) => self.wrong(at, format!("is written as {one} and read as {other}")),
        }
    }

    fn records(&mut self, at: &str, one: &'a SchemaRecord, other: &'a SchemaRecord) {
        for field in other.fields.values().filter(|field| !field.read.is_empty()) {
            let is_read = |name: &Option<String>| name.as_ref().is_some_and(|name| field.read.contains(name));
            let Some(written) = one.fields.values().find(|known| is_read(&known.written)) else {
                if field.needed {
                    self.wrong(&format!("{at}.{}", field.read[0]), "is needed and not written");
                }
                continue;
            };
            let at = format!("{at}.{}", written.written.as_deref().unwrap_or_default());
            if field.needed && !written.always {
                self.wrong(&at, "is needed and left out sometimes");
            }
            self.compare(&at, &written.form, &field.form);
        }
        let known = |name: &String| other.fields.values().any(|field| field.read.contains(name));
        let written = one.fields.values().filter_map(|field| field.written.as_ref());
        if other.closed {
            for name in written.filter(|name| !known(name)) {
                self.wrong(&format!("{at}.{name}"), "is written, and keys that are not known are refused");
            }
        }
    }

    fn choices(&mut self, at: &str, one: &'a SchemaVariant, other: &'a SchemaVariant) {
        if one.tag != other.tag {
            return self.wrong(at, "tells its variants in another way");
        }
        for variant in one.variants.values() {
            let Some(name) = &variant.written else { continue };
            let Some(known) = other.variants.values().find(|known| known.read.contains(name)) else {
                if !other.variants.values().any(|variant| variant.other) {
                    self.wrong(at, format!("may be {name}, which is not read"));
                }
                continue;
            };
            let at = format!("{at}.{name}");
            match (&variant.holds, &known.holds) {
                (None, None) => {}
                (Some(one), Some(other)) => self.compare(&at, one, other),
                (None, Some(_)) => self.wrong(&at, "holds nothing, and something is read"),
                (Some(_), None) => self.wrong(&at, "holds something, and nothing is read"),
            }
        }
    }

    /// A reader that is told nothing tries one variant after another.
    fn untagged(&mut self, at: &str, one: &'a Form, other: &'a SchemaVariant) {
        let reads = |variant: &'a Variant| {
            let (seen, found) = (self.seen.clone(), Vec::new());
            let mut attempt = Comparison { writer: self.writer, reader: self.reader, seen, found };
            attempt.compare(at, one, content(variant));
            attempt.found.is_empty()
        };
        if !other.variants.values().any(reads) {
            self.wrong(at, format!("is written as {one}, and no variant reads that"));
        }
    }
}

/// The type that reads what another writes, of those that are written as text.
fn general(word: &str) -> &str {
    match word {
        "Ipv4Addr" | "Ipv6Addr" => "IpAddr",
        "SocketAddrV4" | "SocketAddrV6" => "SocketAddr",
        word => word,
    }
}

/// The form behind a name.
fn follow<'a>(wire: &'a Wire, form: &'a Form) -> &'a Form {
    match form {
        Form::Named(name) => wire.types.get(name).unwrap_or(form),
        form => form,
    }
}

/// What a variant that is not told is written as.
fn content(variant: &Variant) -> &Form {
    variant.holds.as_ref().unwrap_or(&Form::Null)
}

/// Whether a type of number has room for every value of another. What has a point takes all of them, as serde does.
fn holds(reader: &str, writer: &str) -> bool {
    let of_any = |name: &str| name.strip_prefix("NonZero").map_or_else(|| name.to_owned(), str::to_ascii_lowercase);
    if reader.starts_with("NonZero") && !writer.starts_with("NonZero") {
        return false;
    }
    let (reader, writer) = (of_any(reader).as_str().to_owned(), of_any(writer));
    let (reader, writer) = (reader.as_str(), writer.as_str());
    let parse = |name: &str| {
        let (kind, bits) = name.split_at_checked(1)?;
        Some((kind.to_owned(), bits.parse::<u32>().ok()?))
    };
    match (parse(reader), parse(writer)) {
        _ if reader == writer => true,
        (Some((kind, _)), _) if kind == "f" => true,
        (Some((kind, room)), Some((other, bits))) if kind == other => room >= bits,
        (Some((kind, room)), Some((other, bits))) => kind == "i" && other == "u" && room > bits,
        _ => false,
    }
}
