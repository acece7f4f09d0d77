//! Statics that several services use, each on its own: there is one in every library.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Severity};
use crate::model::Service;
use crate::reader::Reader;
use crate::tree::{Item, Kind};

/// Types that change while they are shared. `LazyLock` is none: what it makes is the same in every service.
const CHANGING: [&str; 19] = [
    "ArcSwap",
    "ArcSwapOption",
    "Barrier",
    "Cache",
    "Cell",
    "Condvar",
    "DashMap",
    "DashSet",
    "Mutex",
    "Notify",
    "OnceCell",
    "OnceLock",
    "Placed",
    "RefCell",
    "ReentrantLock",
    "RwLock",
    "Semaphore",
    "SyncUnsafeCell",
    "UnsafeCell",
];

impl Reader<'_> {
    /// Warns of a static that can change and that more than one service uses.
    pub(crate) fn shared_statics(&mut self, services: &[Service]) {
        let tree = self.tree;
        for (number, item) in tree.items.iter().enumerate() {
            let whole = [(item.names.first().cloned().unwrap_or_default(), item.name_range.clone())];
            let statics = match &item.kind {
                Kind::Constant { is_static: true } if item.placed.is_none() => whole.to_vec(),
                Kind::Function | Kind::Impl { .. } | Kind::Trait { .. } => item.mentions.statics.clone(),
                Kind::Nameless if item.mentions.statics.is_empty() => continue,
                Kind::Nameless => item.mentions.statics.clone(),
                _ => continue,
            };
            if statics.is_empty() || !self.can_change(number) {
                continue;
            }
            for (name, range) in statics {
                let users = services.iter().filter(|service| self.uses(service, number, &name));
                let users: Vec<&str> = users.map(|service| service.name.as_str()).collect();
                let [users @ .., last] = users.as_slice() else { continue };
                if users.is_empty() {
                    continue;
                }
                let message = format!(
                    "static {name} is used by the services {} and {last}: each has one of its own, and they differ once one \
                     changes it",
                    users.join(", ")
                );
                let finding = Diagnostic::error(message, tree.place(item.file, &item.at(&range)));
                let help =
                    format!("let one service own it, with #[placed({last})], and let the others call that service");
                self.findings.push(Diagnostic { severity: Severity::Warning, ..finding.help(help) });
            }
        }
    }

    /// Whether a service uses a static. What nobody names goes along with every service: there the name decides.
    fn uses(&self, service: &Service, number: usize, name: &str) -> bool {
        let items = &service.reach.items;
        let names =
            |item: &Item| item.mentions.paths.iter().any(|path| path.segments.last().is_some_and(|of| of == name));
        // What registers itself uses a static in every service, which says nothing of the services.
        items.contains(&number)
            && !service.reach.along.contains(&number)
            && (!matches!(self.tree.items[number].kind, Kind::Nameless)
                || items.iter().any(|other| *other != number && names(&self.tree.items[*other])))
    }

    /// Whether what an item holds can change: it says so, or a type of the app's that it is made of does.
    fn can_change(&self, number: usize) -> bool {
        let mut open = vec![number];
        let mut seen = BTreeSet::new();
        while let Some(number) = open.pop() {
            let item = &self.tree.items[number];
            if !seen.insert(number) {
                continue;
            }
            let text = &self.tree.files[item.file].text[item.range()];
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
            if text.contains("static mut ") || words.any(|word| CHANGING.contains(&word) || word.starts_with("Atomic"))
            {
                return true;
            }
            let paths = item.mentions.paths.iter();
            let found = paths.flat_map(|path| self.index.names.resolve(item.module, &path.segments));
            open.extend(
                found.map(|(found, _)| found).filter(|found| matches!(self.tree.items[*found].kind, Kind::Type { .. })),
            );
        }
        false
    }
}
