//! What a service needs: from its function over everything that is mentioned, item by item.
//!
//! Names are resolved as rustc does where that is cheap, and generously where it is not: an item too many costs a
//! build, one too few a wrong answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use crate::mention::{Mention, Mentions};
use crate::tokens;
use crate::tree::{Item, Kind, Leaf, Tree};

/// Modules of the standard library without traits whose methods could be meant: importing from them changes
/// nothing for those who do not name what is imported.
const WITHOUT_TRAITS: [&str; 12] =
    ["cell", "collections", "env", "mem", "net", "num", "path", "process", "rc", "sync", "thread", "time"];

/// Types of the language whose associated items paths lead to.
const PRIMITIVE: [&str; 17] = [
    "bool", "char", "str", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize",
];

/// Crates that are always there.
const ALWAYS_THERE: [&str; 5] = ["std", "core", "alloc", "dyninka", "proc_macro"];

/// Names to items, for every module.
pub(crate) struct Index<'a> {
    tree: &'a Tree,
    /// By module and name.
    names: HashMap<(usize, &'a str), Vec<usize>>,
    macros: HashMap<&'a str, Vec<usize>>,
    /// `impl` blocks by an item of their head.
    impls: HashMap<usize, Vec<usize>>,
    /// Local traits by a method of theirs.
    methods: HashMap<&'a str, Vec<usize>>,
    globs: HashMap<usize, Vec<(usize, &'a Leaf)>>,
}

/// What something needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Items, by number.
    pub(crate) items: BTreeSet<usize>,
    /// Services called, with where the first call stands.
    pub(crate) calls: BTreeMap<usize, (usize, Range<usize>)>,
    /// Statics placed somewhere that are used, with where.
    pub(crate) placed: BTreeMap<usize, (usize, Range<usize>)>,
}

impl<'a> Index<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        let mut index = Self {
            tree,
            names: HashMap::new(),
            macros: HashMap::new(),
            impls: HashMap::new(),
            methods: HashMap::new(),
            globs: HashMap::new(),
        };
        for (number, item) in tree.items.iter().enumerate() {
            for name in &item.names {
                index.names.entry((item.module, name)).or_default().push(number);
            }
            match &item.kind {
                Kind::Macro => item.names.iter().for_each(|name| index.macros.entry(name).or_default().push(number)),
                Kind::Trait { methods } => {
                    methods.iter().for_each(|name| index.methods.entry(name).or_default().push(number))
                }
                Kind::Use { leaves } => {
                    let globs = leaves.iter().filter(|leaf| leaf.glob).map(|leaf| (number, leaf));
                    index.globs.entry(item.module).or_default().extend(globs);
                }
                _ => {}
            }
        }
        for (number, item) in tree.items.iter().enumerate() {
            let Kind::Impl { of, head } = &item.kind else { continue };
            let own = of.as_ref().map(|path| index.resolve(item.module, path)).unwrap_or_default();
            let own: BTreeSet<_> = own
                .into_iter()
                .filter(|found| matches!(tree.items[*found].kind, Kind::Type | Kind::Trait { .. }))
                .collect();
            let keys = if own.is_empty() {
                head.iter().flat_map(|path| index.resolve(item.module, path)).collect()
            } else {
                own
            };
            for key in keys {
                index.impls.entry(key).or_default().push(number);
            }
        }
        index
    }

    /// The items a path leads over: every `use` on its way, and what it ends at.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        self.follow(module, path, &mut found, 0);
        found
    }

    fn follow(&self, module: usize, path: &[String], found: &mut BTreeSet<usize>, depth: usize) {
        // A circle of `use` statements is rustc's to report.
        const DEEPEST: usize = 32;
        let Some((first, rest)) = path.split_first() else { return };
        if depth > DEEPEST {
            return;
        }
        let parent = self.tree.modules[module].parent;
        match first.as_str() {
            "crate" | "$crate" => return self.follow(0, rest, found, depth + 1),
            "self" => return self.follow(module, rest, found, depth + 1),
            "super" => return self.follow(parent.unwrap_or(0), rest, found, depth + 1),
            "Self" | "" => return,
            _ => {}
        }
        let named = self.names.get(&(module, first.as_str()));
        for &number in named.into_iter().flatten().chain(self.macros.get(first.as_str()).into_iter().flatten()) {
            let item = &self.tree.items[number];
            match &item.kind {
                Kind::Use { leaves } => {
                    for leaf in leaves.iter().filter(|leaf| leaf.name == *first) {
                        found.insert(number);
                        // `use serde_json::json` may stand beside a module of that name; `use x::x` would not end.
                        let whole: Vec<_> = leaf.path.iter().chain(rest).cloned().collect();
                        if whole != path {
                            self.follow(module, &whole, found, depth + 1);
                        }
                    }
                }
                Kind::Module { inside } if !rest.is_empty() => {
                    found.insert(number);
                    self.follow(*inside, rest, found, depth + 1);
                }
                _ => {
                    found.insert(number);
                }
            }
        }
        if named.is_none() {
            for (number, leaf) in self.globs.get(&module).into_iter().flatten() {
                let through: Vec<_> = leaf.path.iter().chain(path).cloned().collect();
                let mut over = BTreeSet::new();
                if !through.starts_with(path) {
                    self.follow(module, &through, &mut over, depth + 1);
                }
                // The module on the way is no find; what is in it is.
                if over.iter().any(|found| self.tree.items[*found].names.contains(first)) {
                    found.insert(*number);
                    found.extend(over);
                }
            }
        }
    }

    /// Everything that is needed where `mentions` stand, in a module and file.
    pub(crate) fn reach(&self, roots: &[usize]) -> Reach {
        let mut reach = Reach::default();
        let mut open: Vec<usize> = roots.to_vec();
        let mut methods = BTreeSet::new();
        while let Some(number) = open.pop() {
            if !reach.items.insert(number) {
                continue;
            }
            let item = &self.tree.items[number];
            methods.extend(item.mentions.methods.iter().map(String::as_str));
            open.extend(self.impls.get(&number).into_iter().flatten());
            open.extend(self.mentioned(item, roots, &mut reach));
            if open.is_empty() {
                let called = methods.iter().filter_map(|name| self.methods.get(name)).flatten();
                open.extend(called.filter(|number| !reach.items.contains(number)));
            }
        }
        reach
    }

    fn mentioned(&self, item: &Item, roots: &[usize], reach: &mut Reach) -> Vec<usize> {
        let mut next = Vec::new();
        let mut go = |found: usize, range: &Range<usize>| match &self.tree.items[found] {
            Item { kind: Kind::Function { service: true }, .. } if !roots.contains(&found) => {
                reach.calls.entry(found).or_insert_with(|| (item.file, range.clone()));
            }
            Item { kind: Kind::Function { service: true }, .. } if item.range.start <= range.start => {
                // A service that names itself.
                reach.calls.entry(found).or_insert_with(|| (item.file, range.clone()));
            }
            Item { kind: Kind::Main, .. } => {}
            Item { placed: Some(_), .. } if !roots.contains(&found) => {
                reach.placed.entry(found).or_insert_with(|| (item.file, range.clone()));
            }
            _ => next.push(found),
        };
        for Mention { segments, range } in &item.mentions.paths {
            self.resolve(item.module, segments).into_iter().for_each(|found| go(found, range));
        }
        for Mention { segments, range } in &item.mentions.whole {
            for found in self.resolve(item.module, segments) {
                go(found, range);
                if let Kind::Module { inside } = self.tree.items[found].kind {
                    self.all_in(inside).into_iter().for_each(|found| go(found, range));
                }
            }
        }
        if let Kind::Use { leaves } = &item.kind {
            // A statement that is kept needs all its leaves.
            for leaf in leaves.iter().filter(|leaf| !leaf.glob) {
                for found in self.resolve(item.module, &leaf.path) {
                    go(found, &item.range);
                }
            }
        }
        next
    }

    fn all_in(&self, module: usize) -> Vec<usize> {
        let inside = |number: &usize| match self.tree.items[*number].kind {
            Kind::Module { inside } => self.all_in(inside),
            _ => vec![*number],
        };
        self.tree.modules[module].items.iter().flat_map(inside).collect()
    }

    /// Whether all of a `use` comes from outside crates.
    pub(crate) fn is_outside(&self, item: &Item) -> bool {
        let Kind::Use { leaves } = &item.kind else { return false };
        leaves.iter().all(|leaf| {
            let first = leaf.path.first().map_or("", String::as_str);
            let local = matches!(first, "crate" | "self" | "super")
                || self
                    .names
                    .get(&(item.module, first))
                    .into_iter()
                    .flatten()
                    .any(|number| !matches!(self.tree.items[*number].kind, Kind::Use { .. }));
            !local
        })
    }

    /// Items that are in every slice, whoever mentions them: what cannot be told apart.
    pub(crate) fn always(&self) -> BTreeSet<usize> {
        let kept = |(number, item): (usize, &Item)| {
            (matches!(item.kind, Kind::Always) || self.is_outside(item)).then_some(number)
        };
        self.tree.items.iter().enumerate().filter_map(kept).collect()
    }

    /// What a reach means: label to hash. Equal maps, equal meaning.
    pub(crate) fn meaning(&self, reach: &Reach, own: usize) -> BTreeMap<String, String> {
        let mut meaning = BTreeMap::new();
        let mut note = |label: String, hash: &str| {
            let entry = meaning.entry(label).or_insert_with(String::new);
            *entry = if entry.is_empty() { hash.to_owned() } else { tokens::combine([entry.as_str(), hash]) };
        };
        let mut files = BTreeSet::new();
        for number in
            reach.items.iter().copied().chain(self.always().into_iter().filter(|number| self.could_matter(*number)))
        {
            let item = &self.tree.items[number];
            files.insert(item.file);
            if !reach.items.contains(&number) || !matches!(item.kind, Kind::Module { .. }) {
                note(self.label(number, own), &item.hash);
            }
            for path in &item.mentions.included {
                let path = crate::sources::folder(&self.tree.files[item.file].path).join(path);
                let hash = self.tree.included.get(&path).cloned().flatten().unwrap_or_default();
                note(path.display().to_string(), &hash);
            }
        }
        for file in files.iter().copied().chain([0]).collect::<BTreeSet<_>>() {
            note("the crate's attributes".to_owned(), &self.tree.files[file].inner);
        }
        meaning
    }

    /// Whether an import from outside could change the meaning of who does not name it: a glob, or a trait whose
    /// methods are called.
    fn could_matter(&self, number: usize) -> bool {
        let Kind::Use { leaves } = &self.tree.items[number].kind else { return true };
        leaves.iter().any(|leaf| {
            let segments: Vec<_> = leaf.path.iter().map(String::as_str).filter(|segment| !segment.is_empty()).collect();
            let harmless =
                matches!(segments[..], ["std" | "core" | "alloc", module, ..] if WITHOUT_TRAITS.contains(&module));
            // The prelude is part of the runtime, which is part of the version anyway.
            let ours = segments.first() == Some(&"dyninka");
            !ours
                && !harmless
                && (leaf.glob || leaf.path.last().is_some_and(|name| name.starts_with(char::is_uppercase)))
        })
    }

    fn label(&self, number: usize, own: usize) -> String {
        let item = &self.tree.items[number];
        let path = self.tree.path_of(item);
        match &item.kind {
            _ if number == own => "its function".to_owned(),
            Kind::Function { .. } => format!("helper {path}()"),
            Kind::Type => format!("type {path}"),
            Kind::Constant { .. } if item.placed.is_some() => format!("placed {path}"),
            Kind::Constant { word } => format!("{word} {path}"),
            Kind::Trait { .. } => format!("trait {path}"),
            Kind::Impl { of, .. } => {
                format!("impl {}", of.as_ref().map_or_else(|| "block".to_owned(), |path| path.join("::")))
            }
            Kind::Use { leaves } => {
                format!("use {}", leaves.first().map_or_else(String::new, |leaf| leaf.path.join("::")))
            }
            Kind::Macro => format!("macro {path}!"),
            Kind::Module { .. } => format!("mod {path}"),
            Kind::Main | Kind::Always => format!("item {path}"),
        }
    }

    /// Hash of a type and of everything local it is made of: equal, the same bytes mean the same.
    pub(crate) fn fingerprint(&self, module: usize, written: &str, mentions: &Mentions) -> String {
        let roots: BTreeSet<_> =
            mentions.paths.iter().flat_map(|mention| self.resolve(module, &mention.segments)).collect();
        let reach = self.reach(&roots.into_iter().collect::<Vec<_>>());
        // How a type behaves may change; only what it is made of decides its bytes. Its serde code does not.
        let types = reach.items.iter().filter(|number| {
            matches!(
                self.tree.items[**number].kind,
                Kind::Type | Kind::Constant { .. } | Kind::Macro | Kind::Use { .. }
            )
        });
        let hashes = types.map(|number| self.tree.items[*number].hash.as_str());
        tokens::combine([written].into_iter().chain(hashes))
    }

    /// Outside crates that are mentioned anywhere, `-` as `_`.
    pub(crate) fn crates(&self) -> BTreeSet<String> {
        let mut crates = BTreeSet::new();
        for item in &self.tree.items {
            let paths = item.mentions.paths.iter().map(|mention| &mention.segments).filter(|path| path.len() > 1);
            let leaves = match &item.kind {
                Kind::Use { leaves } => leaves.as_slice(),
                _ => &[],
            };
            for path in paths.chain(leaves.iter().map(|leaf| &leaf.path)) {
                let named = path.iter().find(|segment| !segment.is_empty()).map_or("", String::as_str);
                let local = matches!(named, "crate" | "self" | "super" | "Self" | "$crate")
                    || self.names.contains_key(&(item.module, named));
                // Types of the standard prelude (`Vec::new`) and of the language (`usize::MAX`) come from no crate.
                let is_type = named.starts_with(char::is_uppercase) || PRIMITIVE.contains(&named);
                if !named.is_empty() && !is_type && (!local || path[0].is_empty()) && !ALWAYS_THERE.contains(&named) {
                    crates.insert(named.to_owned());
                }
            }
            if matches!(item.kind, Kind::Always) {
                crates.extend(item.names.iter().cloned());
            }
        }
        crates
    }
}
