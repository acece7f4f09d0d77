//! What was read of each file before, so that of an edit only the items it touched are read anew.
//!
//! What stands between two items decides nothing about either: an item ends with its own brace or semicolon, and the
//! tokens before do not reach over it. So where a text begins and ends as the one before, the items in its beginning
//! and in its end are those of before, provided that what is between them is whole items when read by itself. Whatever
//! is not as simple as that is read whole.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::kept::KeptServices;
use crate::nesting;
use crate::sources::Sources;
use crate::text::split_head;
use crate::tokens;
use crate::unit::{Home, Unit};

/// What was read of an app's files before. One that is used for every reading of an app makes the next one quick; the
/// answers are those of [`crate::parse()`] and [`crate::wanted()`].
#[derive(Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Entry>,
    /// The services as they were read last.
    pub(crate) services: Option<KeptServices>,
}

/// A file's text as it was read last.
#[derive(Debug)]
struct Entry {
    raw: Arc<str>,
    modules: PathBuf,
    is_root: bool,
    read: Result<Arc<Known>, Wrong>,
    /// The last one that could be read.
    good: Option<Arc<Known>>,
}

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Known {
    /// Shebang and frontmatter blanked out.
    pub(crate) text: Arc<str>,
    /// The frontmatter.
    pub(crate) manifest: Option<String>,
    /// Hash of `#![…]` attributes.
    pub(crate) inner: String,
    pub(crate) units: Vec<Arc<Unit>>,
}

/// Why a text cannot be read, and where.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    /// What can be taken for the text all the same.
    pub(crate) text: Arc<str>,
    pub(crate) manifest: Option<String>,
    pub(crate) message: String,
    pub(crate) range: Range<usize>,
    pub(crate) help: &'static str,
}

impl Memory {
    /// Forgets the files that an app does not have any more.
    pub(crate) fn keep_only(&mut self, sources: &Sources) {
        self.files.retain(|path, _| sources.texts.contains_key(path));
    }

    /// A file's items, as before where its text is.
    pub(crate) fn read(&mut self, raw: &Arc<str>, home: Home<'_>) -> Result<Arc<Known>, Wrong> {
        let before = self.files.remove(home.file);
        let before = before.filter(|entry| entry.is_root == home.is_root && entry.modules == home.modules);
        let entry = match before {
            Some(entry) if entry.raw == *raw => entry,
            before => {
                let good = before.and_then(|entry| entry.good);
                let read = Known::read(raw, good.as_deref(), home).map(Arc::new);
                let good = read.as_ref().ok().cloned().or(good);
                Entry { raw: raw.clone(), modules: home.modules.to_owned(), is_root: home.is_root, read, good }
            }
        };
        let read = entry.read.clone();
        self.files.insert(home.file.to_owned(), entry);
        read
    }
}

impl Known {
    fn read(raw: &Arc<str>, before: Option<&Self>, home: Home<'_>) -> Result<Self, Wrong> {
        let (text, manifest) = if home.is_root {
            let head = split_head(raw);
            (Arc::from(head.text), head.manifest)
        } else {
            (raw.clone(), None)
        };
        let spliced = before.and_then(|before| before.splice(&text, home));
        let (inner, units) = match spliced {
            Some(spliced) => spliced,
            None => {
                let syntax = syntax(&text).map_err(|(message, range, help)| {
                    let (text, manifest) = (text.clone(), manifest.clone());
                    Wrong { text, manifest, message, range, help }
                })?;
                (inner(&syntax), units(&syntax, &text, 0, home))
            }
        };
        Ok(Self { text, manifest, inner, units })
    }

    /// The items of a text that begins and ends as this one. None where that is for a whole reading to say.
    fn splice(&self, text: &Arc<str>, home: Home<'_>) -> Option<(String, Vec<Arc<Unit>>)> {
        let (old, new) = (self.text.as_bytes(), text.as_bytes());
        let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let front = self.units.partition_point(|unit| unit.end() <= same);
        let left = old.len().min(new.len()) - same;
        let same = old.iter().rev().zip(new.iter().rev()).take(left).take_while(|(a, b)| a == b).count();
        let mut back = self.units.partition_point(|unit| unit.start < old.len() - same).max(front);
        // A comment at the end of a line reaches over whatever follows on it.
        let begin = |unit: &Arc<Unit>| unit.start + new.len() - old.len();
        while self.units.get(back).is_some_and(|unit| begin(unit).checked_sub(1).is_none_or(|at| new[at] != b'\n')) {
            back += 1;
        }
        let from = front.checked_sub(1).map_or(0, |last| self.units[last].end());
        let to = self.units.get(back).map_or(new.len(), begin);
        let middle = text.get(from..to)?;
        let syntax = syntax(middle).ok()?;
        // Attributes of the file stand at its head and nowhere else, and so does the mark of its byte order.
        if from > 0 && (!syntax.attrs.is_empty() || middle.starts_with('\u{feff}')) {
            return None;
        }
        let inner = if from > 0 { self.inner.clone() } else { inner(&syntax) };
        let mut units_now = self.units[..front].to_vec();
        units_now.extend(units(&syntax, middle, from, home));
        units_now.extend(self.units[back..].iter().map(|unit| match begin(unit) {
            start if start == unit.start => unit.clone(),
            start => Arc::new(Unit { start, content: unit.content.clone() }),
        }));
        Some((inner, units_now))
    }
}

fn units(syntax: &syn::File, text: &str, offset: usize, home: Home<'_>) -> Vec<Arc<Unit>> {
    syntax.items.iter().map(|item| Arc::new(Unit::read(item, text, offset, home))).collect()
}

fn inner(syntax: &syn::File) -> String {
    tokens::hash(syntax.attrs.iter().map(ToTokens::to_token_stream).collect())
}

/// syn's reading of a text; else what is wrong, where, and what helps.
fn syntax(text: &str) -> Result<syn::File, (String, Range<usize>, &'static str)> {
    // What is missing at the end of a text has no place of its own; the line after the last one is none.
    let end = text.trim_end().len();
    let range = |span: proc_macro2::Span| Some(span.byte_range()).filter(|range| *range != (0..0)).unwrap_or(end..end);
    // A fence that is never closed reads as minus signs.
    let is_fence = text.trim_start().starts_with("---");
    let open =
        |span| ("the frontmatter is not closed".to_owned(), range(span), "end it with a line of the same dashes");
    let tokens: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
        if is_fence {
            return open(error.span());
        }
        (
            "unmatched bracket or quote, or not a Rust token".to_owned(),
            range(error.span()),
            "look for the bracket or quote that is open or missing here or above",
        )
    })?;
    if let Some(range) = nesting::too_deep(&tokens) {
        let help = "give parts of it names of their own: a function, a const, a let";
        return Err(("this is nested too deeply to be read".to_owned(), range, help));
    }
    syn::parse2(tokens).map_err(|error| {
        if is_fence {
            return open(error.span());
        }
        (format!("syntax error: {error}"), range(error.span()), "the rest of the app is checked once this is fixed")
    })
}

/// The head of a file's text, for whoever has only that to go by.
pub(crate) fn text_of(raw: &str, is_root: bool) -> String {
    if is_root { split_head(raw).text } else { raw.to_owned() }
}

/// The home of an app's root file.
pub(crate) fn root_home<'a>(root: &'a Path, modules: &'a Path) -> Home<'a> {
    Home { file: root, modules, is_root: true }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_edit_touches_is_read_anew() {
        let home = root_home(Path::new("app.rs"), Path::new(""));
        let before = "#![allow(unused)]\nfn a() {}\n\nfn b() { 1 }\n// of c\nfn c() {}\n\nfn main() { }\n";
        let mut memory = Memory::default();
        let first = memory.read(&Arc::from(before), home).unwrap();
        let kept = |text: &str, memory: &mut Memory| {
            let read = memory.read(&Arc::from(text), home).unwrap();
            let is_kept = |unit: &Arc<Unit>| first.units.iter().any(|of| Arc::ptr_eq(&of.content, &unit.content));
            (read.units.iter().filter(|unit| is_kept(unit)).count(), read.units.len())
        };
        assert_eq!(kept(before, &mut memory), (4, 4));
        assert_eq!(kept(&before.replace("{ 1 }", "{ 1 + 1 }"), &mut memory), (3, 4));
        assert_eq!(kept(before, &mut memory), (3, 4), "of the text before that, nothing is known any more");
        assert_eq!(kept(&before.replace("// of c", "// of c, and more"), &mut memory), (3, 4));
        assert_eq!(kept(&before.replace("fn c", "fn d() {}\nfn c"), &mut memory), (3, 5));
        assert_eq!(kept(&before.replace("allow", "deny"), &mut memory), (2, 4));
        assert!(memory.read(&Arc::from(before.replace("{ 1 }", "{ 1 ")), home).is_err());
        assert_eq!(kept(&before.replace("allow", "deny"), &mut memory), (2, 4), "what is broken is not what is known");
    }
}
