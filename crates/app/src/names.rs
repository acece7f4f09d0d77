//! Names to items, resolved as rustc does where that is cheap, and generously where it is not: an item too many costs
//! a build, one too few a wrong answer.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::import::Leaf;
use crate::tree::{Kind, Tree};

/// An item, by number, and which leaf of it when it is a `use`.
pub(crate) type Find = (usize, Option<usize>);

/// The names of every module.
pub(crate) struct Names<'a> {
    tree: &'a Tree,
    /// By module and name.
    named: HashMap<(usize, &'a str), Vec<Find>>,
    macros: HashMap<&'a str, Vec<usize>>,
    /// By module.
    globs: HashMap<usize, Vec<(Find, &'a Leaf)>>,
    /// What the path of each glob leads over, and to.
    ways: HashMap<Find, Way>,
    /// Leaves that bring something from another crate.
    pub(crate) outside: BTreeSet<(usize, usize)>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        let mut names = Self {
            tree,
            named: HashMap::new(),
            macros: HashMap::new(),
            globs: HashMap::new(),
            ways: HashMap::new(),
            outside: BTreeSet::new(),
        };
        for (number, item) in tree.items.iter().enumerate() {
            let Kind::Use { leaves, .. } = &item.kind else {
                for name in &item.names {
                    names.named.entry((item.module, name)).or_default().push((number, None));
                    if matches!(item.kind, Kind::Macro) {
                        names.macros.entry(name).or_default().push(number);
                    }
                }
                continue;
            };
            for (at, leaf) in leaves.iter().enumerate() {
                if leaf.glob {
                    names.globs.entry(item.module).or_default().push(((number, Some(at)), leaf));
                } else {
                    names.named.entry((item.module, &leaf.name)).or_default().push((number, Some(at)));
                }
            }
        }
        names.find_ways();
        let leaves = tree.items.iter().enumerate().flat_map(|(number, item)| match &item.kind {
            Kind::Use { leaves, .. } => leaves.iter().enumerate().map(|(at, leaf)| (number, at, leaf)).collect(),
            _ => Vec::new(),
        });
        names.outside = leaves
            .filter(|(number, _, leaf)| !names.is_local(tree.items[*number].module, leaf))
            .map(|(number, at, _)| (number, at))
            .collect();
        names
    }

    /// Finds where globs lead. The first name of a glob's path may come from another glob: they are looked through
    /// until nothing new is found. Each on its own: to go through globs while going through globs would be to try
    /// every order of them.
    fn find_ways(&mut self) {
        let all =
            self.globs.iter().flat_map(|(module, globs)| globs.iter().map(|(find, leaf)| (*find, *module, *leaf)));
        let all: Vec<_> = all.collect();
        // As many rounds as there are globs do for the longest chain of them.
        for _ in 0..all.len() {
            let ways: HashMap<_, _> = all
                .iter()
                .map(|(find, module, leaf)| {
                    let mut route = Route::default();
                    self.follow(*module, &leaf.path, &mut route, 0);
                    (*find, Way { over: route.found, ends: route.ends })
                })
                .collect();
            if ways == self.ways {
                return;
            }
            self.ways = ways;
        }
    }

    /// Whether a leaf leads into this crate.
    fn is_local(&self, module: usize, leaf: &Leaf) -> bool {
        let Some(first) = leaf.path.first() else { return true };
        if matches!(first.as_str(), "crate" | "self" | "super") {
            return true;
        }
        let found = self.resolve(module, std::slice::from_ref(first));
        found.iter().any(|(number, _)| match self.tree.items[*number].kind {
            Kind::Nameless => !self.tree.items[*number].mentions.made.is_empty(),
            Kind::Module { .. } | Kind::Type { .. } | Kind::Trait { .. } => true,
            Kind::Macro => leaf.path.len() == 1,
            _ => false,
        })
    }

    /// The items a path leads over: every `use` and module on its way, and what it ends at.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<Find> {
        let mut route = Route::default();
        self.follow(module, path, &mut route, 0);
        route.found
    }

    fn follow(&self, module: usize, path: &[String], route: &mut Route, depth: usize) {
        // A circle of `use` statements is rustc's to report.
        const DEEPEST: usize = 32;
        let Some((first, rest)) = path.split_first() else {
            route.ends.insert(module);
            return;
        };
        route.steps += 1;
        if depth > DEEPEST || route.steps > MOST_STEPS {
            return;
        }
        let parent = self.tree.modules[module].parent;
        match first.as_str() {
            "crate" | "$crate" => return self.follow(0, rest, route, depth + 1),
            "self" => return self.follow(module, rest, route, depth + 1),
            "super" => return self.follow(parent.unwrap_or(0), rest, route, depth + 1),
            "Self" | "" => return,
            _ => {}
        }
        let named = self.named.get(&(module, first.as_str()));
        for find in named.into_iter().flatten() {
            route.found.insert(*find);
            match (&self.tree.items[find.0].kind, find.1) {
                (Kind::Use { leaves, .. }, Some(at)) => {
                    let whole: Vec<_> = leaves[at].path.iter().chain(rest).cloned().collect();
                    // `use log;` leads to itself.
                    if whole != path {
                        self.follow(module, &whole, route, depth + 1);
                    }
                }
                (Kind::Module { inside }, _) => self.follow(*inside, rest, route, depth + 1),
                _ => {}
            }
        }
        // A macro is known below its text, and in the root when it is exported.
        if rest.is_empty() && (depth == 0 || module == 0) {
            route.found.extend(self.macros.get(first.as_str()).into_iter().flatten().map(|number| (*number, None)));
        }
        if named.is_none() {
            self.follow_globs(module, path, route, depth);
        }
    }

    fn follow_globs(&self, module: usize, path: &[String], route: &mut Route, depth: usize) {
        for (find, _) in self.globs.get(&module).into_iter().flatten() {
            if !route.globs.insert((*find, path.to_vec())) {
                continue;
            }
            if find.1.is_some_and(|at| self.outside.contains(&(find.0, at))) {
                // Whatever has no other origin may come from here.
                route.found.insert(*find);
                continue;
            }
            let Some(way) = self.ways.get(find) else { continue };
            let before = std::mem::replace(&mut route.found, way.over.clone());
            for end in &way.ends {
                self.follow(*end, path, route, depth + 1);
            }
            let over = std::mem::replace(&mut route.found, before);
            if over.iter().any(|find| self.provides(*find, &path[0])) {
                route.found.insert(*find);
                route.found.extend(over);
            }
        }
    }

    /// Whether a name may come from what a glob led over.
    fn provides(&self, (number, leaf): Find, name: &String) -> bool {
        let item = &self.tree.items[number];
        match (&item.kind, leaf) {
            (Kind::Type { variants, .. }, _) if variants.contains(name) => true,
            (Kind::Use { leaves, .. }, Some(at)) => leaves[at].glob || leaves[at].name == *name,
            _ => item.names.contains(name),
        }
    }
}

/// Steps of one path. No program that compiles needs a hundredth of them; `use` statements that lead through each
/// other in circles could go on for ever.
const MOST_STEPS: usize = 20_000;

/// Where a glob leads.
#[derive(Debug, PartialEq)]
struct Way {
    /// The `use` statements, modules and types on it.
    over: BTreeSet<Find>,
    /// The modules at its end.
    ends: BTreeSet<usize>,
}

/// What a path has led over so far.
#[derive(Default)]
struct Route {
    found: BTreeSet<Find>,
    /// Modules that it ended at.
    ends: BTreeSet<usize>,
    steps: usize,
    /// Globs that were gone through, with what was looked for: modules may import each other.
    globs: HashSet<(Find, Vec<String>)>,
}
