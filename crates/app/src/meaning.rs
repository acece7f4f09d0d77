//! What a service means: a hash for everything that counts, each with a name people know it by.

use std::collections::BTreeMap;

use crate::import::Leaf;
use crate::macros;
use crate::reach::{Index, Reach};
use crate::slice::relative;
use crate::sources::folder;
use crate::tokens;
use crate::tree::{Item, Kind};

/// Modules of the standard library without traits whose methods could be meant: importing from them changes
/// nothing for those who do not name what is imported.
const WITHOUT_TRAITS: [&str; 10] = ["cell", "collections", "env", "mem", "num", "path", "rc", "sync", "thread", "time"];

impl Index<'_> {
    /// What a reach means: label to hash. Equal maps, equal meaning. `own` is the service's function.
    pub(crate) fn meaning(&self, reach: &Reach, own: usize) -> BTreeMap<String, String> {
        let tree = self.tree;
        let mut meaning: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut note = |label: String, hash: &str| meaning.entry(label).or_default().push(hash.to_owned());
        for number in &reach.items {
            let item = &tree.items[*number];
            if !matches!(item.kind, Kind::Use { .. }) {
                note(self.label(*number, own), &self.hash_at_home(item));
            }
            for included in &item.mentions.included {
                let path = tree.looked_for(item, included);
                let hash = tree.included.get(&path).cloned().flatten().unwrap_or_default();
                note(path.display().to_string(), &hash);
            }
            for variable in &item.mentions.variables {
                let value = tree.variables.get(variable).cloned().flatten().unwrap_or_default();
                note(format!("environment variable {variable}"), &value);
            }
        }
        for (number, order) in macros::orders(tree, reach) {
            note(self.label(number, own), &order);
        }
        let entered = |module: usize| tree.modules[module].item.is_none_or(|item| reach.items.contains(&item));
        let unnamed = self.names.outside.iter().filter(|(number, at)| {
            let item = &tree.items[*number];
            matches!(&item.kind, Kind::Use { leaves, .. } if could_matter(&leaves[*at])) && entered(item.module)
        });
        for (number, at) in reach.leaves.iter().chain(unnamed.filter(|find| !reach.leaves.contains(find))) {
            let item = &tree.items[*number];
            if let Kind::Use { leaves, .. } = &item.kind {
                // The same name may mean something else in another module, or under another condition.
                let path = leaves[*at].path.join("::");
                let home = tree.modules[item.module].path.join("::");
                note(format!("use {path}"), &tokens::combine([&*home, &path, &leaves[*at].name, &item.hash]));
            }
        }
        for called in &reach.calls {
            if let Kind::Service { face } = &tree.items[*called].kind {
                note(format!("the signature of {}()", tree.path_of(&tree.items[*called])), &face.hash);
            }
        }
        for (_, module) in tree.modules.iter().enumerate().filter(|(number, _)| entered(*number)) {
            let is_file = module.item.is_none_or(|declared| tree.items[declared].file != module.file);
            if is_file {
                let home = module.path.join("::");
                note("the crate's attributes".to_owned(), &tokens::combine([&*home, &tree.files[module.file].inner]));
            }
        }
        let combined = meaning.into_iter().map(|(label, mut hashes)| {
            // Two of one label are told apart by nothing but their order in the file, which has no meaning.
            hashes.sort_unstable();
            let hash = match hashes.as_slice() {
                [hash] => hash.clone(),
                hashes => tokens::combine(hashes.iter().map(String::as_str)),
            };
            (label, hash)
        });
        combined.collect()
    }

    /// The hash of an item where it stands. Most stand under a name of their own, and any place does for them.
    fn hash_at_home(&self, item: &Item) -> String {
        let tree = self.tree;
        let home = tree.modules[item.module].path.join("::");
        let mut parts = vec![item.hash.as_str()];
        if matches!(item.kind, Kind::Impl { .. } | Kind::Nameless | Kind::Test) {
            parts.push(&home);
        }
        let place = item.mentions.tells_place.then(|| {
            let place = tree.place(item.file, &item.range());
            let file = relative(&folder(&tree.files[0].path), &place.file);
            format!("{}:{}:{}", file.display(), place.line, place.column)
        });
        if let Some(place) = &place {
            parts.extend([place, &tree.files[item.file].text[item.range()]]);
        }
        if let [hash] = parts[..] { hash.to_owned() } else { tokens::combine(parts) }
    }

    fn label(&self, number: usize, own: usize) -> String {
        let item = &self.tree.items[number];
        let path = self.tree.path_of(item);
        match &item.kind {
            _ if number == own => "its function".to_owned(),
            Kind::Function | Kind::Service { .. } | Kind::Main => format!("helper {path}()"),
            Kind::Type { .. } => format!("type {path}"),
            Kind::Constant { .. } if item.placed.is_some() => format!("placed {path}"),
            Kind::Constant { is_static: true } => format!("static {path}"),
            Kind::Constant { is_static: false } => format!("const {path}"),
            Kind::Trait { .. } => format!("trait {path}"),
            Kind::Impl { of, .. } => {
                format!("impl {}", of.as_ref().map_or_else(|| "block".to_owned(), |of| of.join("::")))
            }
            Kind::Use { .. } => format!("use in {path}"),
            Kind::Macro => format!("macro {path}!"),
            Kind::Module { .. } => format!("mod {path}"),
            Kind::Nameless | Kind::Test if path.is_empty() => "a macro call outside functions".to_owned(),
            Kind::Nameless | Kind::Test => format!("item {path}"),
        }
    }
}

/// Whether an import from outside could change the meaning of who does not name it: a glob, or a trait whose methods
/// are called.
pub(crate) fn could_matter(leaf: &Leaf) -> bool {
    let segments: Vec<_> = leaf.path.iter().map(String::as_str).filter(|segment| !segment.is_empty()).collect();
    let harmless = matches!(segments[..], ["std" | "core" | "alloc", module, ..] if WITHOUT_TRAITS.contains(&module));
    // The prelude is part of the runtime, which is part of the version anyway.
    let ours = segments.first() == Some(&"dyninka");
    !ours && !harmless && (leaf.glob || leaf.path.last().is_some_and(|name| name.starts_with(char::is_uppercase)))
}
