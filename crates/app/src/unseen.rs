//! Marks that are there and do not count: a macro makes them, a condition holds them, they go by another name.

use std::ops::Range;

use crate::mention::Hidden;
use crate::reader::Reader;
use crate::tree::{Item, Kind};

/// What a mark that is not followed may be.
const MARKS: [&str; 2] = ["service", "placed"];

impl Reader<'_> {
    /// Finds them. True where there is one: what seems not to be marked may be.
    pub(crate) fn unseen_marks(&mut self) -> bool {
        let before = self.findings.len();
        for item in &self.tree.items {
            for (mark, range) in &item.mentions.hidden {
                match mark {
                    Hidden::InMacro(name) => {
                        let message =
                            format!("a macro makes this #[{name}], and dyn reads the app's text as it stands");
                        let help = format!(
                            "write what is marked out at the top level of the app's file: #[{name}], and let the macro make \
                             its body"
                        );
                        self.wrong(item, range, message, help);
                    }
                    Hidden::Conditional(name) => {
                        let message = format!("#[{name}] is there under a condition, which dyn does not follow");
                        self.wrong(item, range, message, format!("write #[{name}] without cfg_attr"));
                    }
                    Hidden::Named(path) => self.renamed(item, path, range),
                }
            }
        }
        self.findings.len() > before
    }

    /// `#[svc]`, where `use dyninka::service as svc`.
    fn renamed(&mut self, item: &Item, path: &[String], range: &Range<usize>) {
        let Some(first) = path.iter().find(|segment| !segment.is_empty()) else { return };
        let found = self.index.names.resolve(item.module, std::slice::from_ref(first));
        let meant = found.into_iter().find_map(|(number, at)| {
            let Kind::Use { leaves, .. } = &self.tree.items[number].kind else { return None };
            let leaf = &leaves[at?];
            let whole: Vec<&String> = leaf.path.iter().chain(&path[1..]).filter(|part| !part.is_empty()).collect();
            let last = MARKS.into_iter().find(|mark| whole.last().is_some_and(|last| last == mark))?;
            (whole.first().is_some_and(|first| *first == "dyninka") && leaf.name == *first).then_some(last)
        });
        if let Some(mark) = meant {
            let written = path.join("::");
            let message = format!("#[{written}] is dyninka's #[{mark}] under another name, which dyn does not follow");
            self.wrong(item, range, message, format!("write #[{mark}] or #[dyninka::{mark}]"));
        }
    }
}
