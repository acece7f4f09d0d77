//! What an item mentions, not yet resolved.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::text::back;

/// A path somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// `a::b::c`; the first is empty for `::a`.
    pub(crate) segments: Vec<String>,
    /// Where, in bytes of its file.
    pub(crate) range: Range<usize>,
    pub(crate) manner: Manner,
}

/// How a path is written, and so how sure it is that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In code, or called in a macro's tokens.
    Code,
    /// A name in a macro's tokens that make no code by themselves: it may be a field's, or one the macro brings in.
    Tokens,
    /// In a string of an attribute, as `#[serde(with = "iso")]`, where it may be a module for all that is in it.
    Text,
}

/// Everything an item mentions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mentions {
    /// Paths.
    pub(crate) paths: Vec<Mention>,
    /// Methods called.
    pub(crate) methods: BTreeSet<String>,
    /// Files of `include_str!` and friends, as written.
    pub(crate) included: BTreeSet<String>,
    /// Variables that `env!` and `option_env!` read when the item is compiled.
    pub(crate) variables: BTreeSet<String>,
    /// Whether it asks where it stands, as `line!()` does.
    pub(crate) tells_place: bool,
    /// Crates named where only a path can be: by `extern crate`, `#[serde(with = "…")]`.
    pub(crate) crates: BTreeSet<String>,
    /// `#[service]` and `#[placed]`, wherever they stand in it.
    pub(crate) marks: Vec<Range<usize>>,
    /// Macros called, by the last name of their path.
    pub(crate) macros: BTreeSet<String>,
    /// Whether there is an `impl` inside it, in a body or in tokens: it counts wherever it stands.
    pub(crate) has_impl: bool,
    /// Marks that are there and do not count, or may be some.
    pub(crate) hidden: Vec<(Hidden, Range<usize>)>,
    /// Types that stand among the tokens a macro is called with, as `bitflags! { struct Flags … }`: it makes them.
    pub(crate) made: Vec<String>,
    /// Statics inside it: in a function, or among a macro's tokens.
    pub(crate) statics: Vec<(String, Range<usize>)>,
}

/// A mark that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// `#[service]` in tokens that a macro makes items of.
    InMacro(String),
    /// `#[cfg_attr(…, service)]`.
    Conditional(String),
    /// An attribute on a function or static that is neither ours nor the compiler's, by its path: maybe ours by another
    /// name.
    Named(Vec<String>),
}

impl Mentions {
    /// With ranges as counted from a later byte.
    pub(crate) fn shifted(mut self, start: usize) -> Self {
        let paths = self.paths.iter_mut().map(|mention| &mut mention.range);
        let hidden = self.hidden.iter_mut().map(|(_, range)| range);
        let statics = self.statics.iter_mut().map(|(_, range)| range);
        for range in paths.chain(&mut self.marks).chain(hidden).chain(statics) {
            *range = back(range.clone(), start);
        }
        self
    }
}
