//! What is at hand while services are read.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::kept::{Differences, KeptService, KeptServices};
use crate::reach::Index;
use crate::tree::{Item, Tree};

/// A tree with its index, and what was found wrong so far.
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) index: &'a Index<'a>,
    pub(crate) findings: &'a mut Vec<Diagnostic>,
    /// The services as they were read before, with what an edit made different.
    pub(crate) before: Option<(&'a KeptServices, Differences)>,
    /// The services as they are read now.
    pub(crate) kept: Vec<KeptService>,
    /// Services by name: their item.
    pub(crate) functions: BTreeMap<String, usize>,
    /// Whether something is marked in a way that does not count.
    pub(crate) has_unseen_marks: bool,
}

impl Reader<'_> {
    /// Notes what is wrong at a range of an item's.
    pub(crate) fn wrong(&mut self, item: &Item, range: &Range<usize>, message: String, help: impl Into<String>) {
        self.findings.push(Diagnostic::error(message, self.tree.place(item.file, &item.at(range))).help(help));
    }
}
