//! What goes along with services though nothing names it: code that registers itself.

use std::collections::BTreeSet;

use super::{Index, Search};
use crate::acts::Acts;
use crate::tree::Kind;

/// What has to be there for what registers itself to go along.
#[derive(Debug)]
pub(super) enum Needs {
    Nothing,
    /// One of these items is reached.
    Reached(BTreeSet<usize>),
    /// One of these statics is placed on the service.
    Placed(BTreeSet<usize>),
}

impl Index<'_> {
    /// Items that act, with what they need.
    pub(super) fn all_acting(&self) -> Vec<(usize, Needs)> {
        let acting = (0..self.tree.items.len()).filter(|number| self.acts(*number));
        acting.map(|number| (number, self.needs(number))).collect()
    }

    /// Whether an item may have an effect though nothing names it.
    pub(crate) fn acts(&self, number: usize) -> bool {
        let item = &self.tree.items[number];
        match &item.acts {
            // A trait does nothing where nobody names it, whatever an attribute makes of it.
            _ if matches!(item.kind, Kind::Service { .. } | Kind::Main | Kind::Test | Kind::Trait { .. }) => false,
            Acts::No | Acts::Makes => false,
            Acts::Alone => true,
            Acts::Called(path) => {
                let found = self.names.resolve(item.module, path);
                let own = found.iter().map(|(number, _)| &self.tree.items[*number]);
                let mut own = own.filter(|found| matches!(found.kind, Kind::Macro)).peekable();
                own.peek().is_none() || own.any(|found| found.acts == Acts::Makes)
            }
        }
    }

    /// What has to be there for an item that acts to go along with a service. In doubt it goes along with every one.
    fn needs(&self, number: usize) -> Needs {
        let item = &self.tree.items[number];
        let reach = self.reach_apart(number);
        if !reach.placed.is_empty() {
            return Needs::Placed(reach.placed.into_keys().collect());
        }
        if item.placed.is_some() {
            return Needs::Placed(BTreeSet::from([number]));
        }
        let Kind::Impl { head, .. } = &item.kind else { return Needs::Nothing };
        let named = head.iter().flat_map(|path| self.names.resolve(item.module, path)).map(|(found, _)| found);
        let traits: BTreeSet<usize> =
            named.filter(|found| matches!(self.tree.items[*found].kind, Kind::Trait { .. })).collect();
        if traits.is_empty() { Needs::Nothing } else { Needs::Reached(traits) }
    }
}

impl Search<'_, '_> {
    /// What registers itself where there is what it needs.
    pub(super) fn acting(&mut self) {
        let index = self.index;
        for (number, needs) in if self.with_acting { index.acting.as_slice() } else { &[] } {
            let goes_along = match needs {
                Needs::Nothing => true,
                Needs::Reached(items) => !self.reach.items.is_disjoint(items),
                Needs::Placed(statics) => self.roots.iter().any(|root| statics.contains(root)),
            };
            if goes_along {
                self.go(*number, index.tree.items[*number].module);
                if let Kind::Module { inside } = index.tree.items[*number].kind {
                    index.all_in(inside).into_iter().for_each(|number| self.go(number, 0));
                }
            }
        }
    }
}
