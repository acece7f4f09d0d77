//! What in a line's JSON does not look like the types it is for. A doubt refuses nothing: serde may know better.

use std::ops::Range;

use super::cursor::value_types;
use super::mistake::characters;
use super::shape::{Ty, Types, of};
use super::token::{Token, TokenKind, tokens};
use crate::snapshot::{Snapshot, StateField};

/// Deeper than JSON is read here; nothing is said of what lies deeper, and the stack is safe.
const DEEPEST: usize = 64;

/// Something that may be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The place in characters of the line.
    pub at: Range<usize>,
    /// The doubt, in words.
    pub message: String,
}

/// Lists the doubts about the line's values, from left to right.
pub fn doubts(line: &str, snapshot: &Snapshot) -> Vec<Doubt> {
    let tokens = tokens(line);
    let mut doubts = Vec::new();
    for (first, ty) in value_types(line, &tokens, snapshot) {
        let mut check = Check { line, tokens: &tokens[first..], types: &snapshot.types, depth: 0, doubts: &mut doubts };
        check.value(ty);
    }
    for doubt in &mut doubts {
        doubt.at = characters(line, doubt.at.clone());
    }
    doubts
}

struct Check<'c> {
    line: &'c str,
    tokens: &'c [Token],
    types: &'c Types,
    depth: usize,
    doubts: &'c mut Vec<Doubt>,
}

impl<'c> Check<'c> {
    fn take(&mut self) -> Option<&'c Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn doubt(&mut self, at: &Range<usize>, message: String) {
        self.doubts.push(Doubt { at: at.clone(), message });
    }

    /// Checks one value and passes over it.
    fn value(&mut self, written: &str) {
        let Some(token) = self.take() else { return };
        let mut ty = of(written, self.types);
        let null = token.text(self.line) == "null";
        while let Ty::Optional(inner) = ty {
            if null {
                return;
            }
            ty = of(inner, self.types);
        }
        let at = &token.at;
        match (token.kind, ty) {
            (TokenKind::Mark('{' | '['), _) if self.depth == DEEPEST => self.tokens = &[],
            (TokenKind::Mark(open @ ('{' | '[')), ty) => {
                self.depth += 1;
                if open == '{' {
                    self.object(ty, at)
                } else {
                    self.list(ty, written, at)
                }
                self.depth -= 1;
            }
            (_, Ty::Unknown) | (TokenKind::Number, Ty::Number) | (TokenKind::Text { .. }, Ty::Text) => {}
            (TokenKind::Word, Ty::Flag) if !null => {}
            (TokenKind::Text { .. }, Ty::Enum(name, variants)) => {
                let variant = token.text(self.line).trim_matches('"');
                if !variants.iter().any(|known| known == variant) {
                    let near = meant(variant, variants.iter().map(String::as_str));
                    self.doubt(at, format!("{name} has no variant {variant}{near}"));
                }
            }
            _ => self.doubt(at, format!("{} is expected", words(ty, written))),
        }
    }

    fn object(&mut self, ty: Ty<'_>, open: &Range<usize>) {
        if matches!(ty, Ty::List(_) | Ty::Number | Ty::Text | Ty::Flag) {
            self.doubt(open, format!("{} is expected", words(ty, "")));
        }
        let mut there = Vec::new();
        while let Some(token) = self.take() {
            match token.kind {
                TokenKind::Mark('}') => {
                    self.missing(ty, &there, &token.at);
                    return;
                }
                TokenKind::Key => {
                    let key = token.text(self.line).trim_matches('"');
                    there.push(key);
                    self.take();
                    let within = self.field(ty, key, &token.at).to_owned();
                    self.value(&within);
                }
                _ => {}
            }
        }
    }

    /// The type of a field as written; empty where nothing is known of it.
    fn field<'t>(&mut self, ty: Ty<'t>, key: &str, at: &Range<usize>) -> &'t str {
        match ty {
            Ty::Struct(name, fields) => {
                if let Some(field) = fields.iter().find(|field| field.name == key) {
                    return &field.ty;
                }
                let near = meant(key, fields.iter().map(|field| field.name.as_str()));
                self.doubt(at, format!("{name} has no field {key}{near}"));
                ""
            }
            Ty::Map(inner) => inner,
            _ => "",
        }
    }

    fn missing(&mut self, ty: Ty<'_>, there: &[&str], close: &Range<usize>) {
        let Ty::Struct(name, fields) = ty else { return };
        let required = |field: &&StateField| !matches!(of(&field.ty, self.types), Ty::Optional(_));
        let missing = fields.iter().filter(|field| !there.contains(&field.name.as_str())).filter(required);
        let missing: Vec<_> = missing.map(|field| field.name.as_str()).collect();
        if !missing.is_empty() {
            self.doubt(close, format!("{name} lacks {}", missing.join(", ")));
        }
    }

    fn list(&mut self, ty: Ty<'_>, written: &str, open: &Range<usize>) {
        // A struct may be written as a list of its fields, and a type that is not known may be anything.
        if matches!(ty, Ty::Number | Ty::Text | Ty::Flag | Ty::Map(_)) {
            self.doubt(open, format!("{} is expected", words(ty, written)));
        }
        let inner = if let Ty::List(inner) = ty { inner.to_owned() } else { String::new() };
        while let Some(token) = self.tokens.first() {
            match token.kind {
                TokenKind::Mark(']') => {
                    self.take();
                    return;
                }
                TokenKind::Mark(',') => drop(self.take()),
                _ => self.value(&inner),
            }
        }
    }
}

fn meant<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> String {
    app::nearest(wrong, names).map_or_else(String::new, |name| format!(", did you mean {name}?"))
}

fn words(ty: Ty<'_>, written: &str) -> String {
    match ty {
        Ty::Struct(name, _) => format!("an object ({name})"),
        Ty::Enum(name, _) => format!("a variant of {name}"),
        Ty::List(_) => "a list".to_owned(),
        Ty::Map(_) => "an object".to_owned(),
        Ty::Number if written.is_empty() => "a number".to_owned(),
        Ty::Number => format!("a number ({written})"),
        Ty::Text => "a text".to_owned(),
        Ty::Flag => "true or false".to_owned(),
        Ty::Optional(inner) => inner.to_owned(),
        Ty::Unknown => "something else".to_owned(),
    }
}
