//! Whether two versions of a service may use one cell of a placed value.
//!
//! What a version does with the memory of another is undefined unless both mean the same by it, in layout and in
//! behaviour. So a cell is shared only where that is proven: `layout` follows a type down to what it is made of, and
//! whatever it cannot follow keeps the cell apart; the fingerprint is a hash over everything that the type reaches,
//! functions and `impl` blocks included. A value whose cell is kept apart goes through JSON.

mod layout;
mod standard;

use std::collections::BTreeSet;

use crate::import::Leaf;
use crate::meaning;
use crate::mention::Mentions;
use crate::reach::{Index, Reach};
use crate::tokens;
use crate::tree::{Item, Kind};

/// What decides whether the cell of a placed value is shared.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Equal fingerprints: the same source, for all that has a say in layout and behaviour.
    pub(crate) fingerprint: String,
    /// Why the cell is never shared.
    pub(crate) apart: Option<String>,
    /// The items that both were found out from.
    pub(crate) decides: BTreeSet<usize>,
}

/// Macros whose expansion another version's may differ from though the text is the same: it depends on where they
/// stand, on the environment, or on a file.
const ELSEWHERE: [&str; 8] = ["line", "column", "file", "module_path", "env", "option_env", "include", "$"];

/// Macros of the standard library that define no item, and whose value rests on their arguments alone.
const PLAIN: [&str; 26] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "include_bytes",
    "include_str",
    "matches",
    "panic",
    "print",
    "println",
    "stringify",
    "thread_local",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
];

impl Index<'_> {
    /// What decides whether the cell of a static is shared. `written` is the type of its value, which mentions `mentions`.
    pub(crate) fn cell(&self, number: usize, written: &str, mentions: &Mentions) -> Cell {
        let reach = self.reach_value(self.tree.items[number].module, mentions);
        let apart =
            layout::why_unknown(self, self.tree.items[number].module, written).or_else(|| self.why_apart(&reach));
        let mut words = self.words(&reach);
        words.sort_unstable();
        let words = [written].into_iter().chain(words.iter().map(String::as_str));
        Cell { fingerprint: tokens::combine(words), apart, decides: reach.items }
    }

    /// Why equal text does not make equal values of what is reached.
    fn why_apart(&self, reach: &Reach) -> Option<String> {
        let tree = self.tree;
        let items = || reach.items.iter().map(|number| &tree.items[*number]);
        if *self.has_allocator.get_or_init(|| tree.has_allocator()) {
            return Some("the app has an allocator of its own, which each version has a copy of".to_owned());
        }
        let mut macros = BTreeSet::new();
        for item in items() {
            let name = || tree.path_of(item);
            if matches!(item.kind, Kind::Constant { is_static: true }) && item.placed.is_none() {
                return Some(format!("its code uses the static {}, which each version has a copy of", name()));
            }
            if matches!(item.kind, Kind::Macro) && !macros.insert(&item.names) {
                return Some(format!("there are two macros {}!, and which one counts depends on their order", name()));
            }
            if let Some(called) = item.mentions.macros.iter().find(|called| ELSEWHERE.contains(&called.as_str())) {
                return Some(format!("{} depends on {called}!, which may change without the text", self.called(item)));
            }
            if item.mentions.paths.iter().any(|path| path.segments.last().is_some_and(|last| last == "caller")) {
                return Some(format!("{} depends on where it is called", self.called(item)));
            }
        }
        if items().any(|item| matches!(item.kind, Kind::Type { .. }))
            && tree.items.iter().any(|item| matches!(item.kind, Kind::Nameless) && includes(item))
        {
            return Some("a file that the app includes may hold code of its type".to_owned());
        }
        None
    }

    /// An item as a person calls it.
    fn called(&self, item: &Item) -> String {
        match &item.kind {
            Kind::Impl { of: Some(of), .. } => format!("an impl of {}", of.join("::")),
            _ if item.names.is_empty() => "a macro call outside functions".to_owned(),
            _ => self.tree.path_of(item),
        }
    }

    /// All that counts, in words: of each item its tokens and where it stands, of imports what they bring.
    fn words(&self, reach: &Reach) -> Vec<String> {
        let tree = self.tree;
        let module = |number: usize| tree.modules[number].path.join("::");
        let text = |item: &Item| tree.files[item.file].text.get(item.range()).unwrap_or_default();
        let mut words = Vec::new();
        let mut modules = BTreeSet::from([0]);
        for item in reach.items.iter().map(|number| &tree.items[*number]) {
            modules.insert(item.module);
            if matches!(item.kind, Kind::Use { .. }) {
                continue;
            }
            words.push(format!("{}\0{}\0{}", module(item.module), item.names.join(","), item.hash));
            // A macro sees more than tokens: documentation, too, is something to be matched.
            let is_plain = item.mentions.macros.iter().all(|called| is_plain(called));
            if matches!(item.kind, Kind::Macro | Kind::Nameless) || !is_plain {
                words.push(text(item).to_owned());
            }
            for included in &item.mentions.included {
                let path = tree.looked_for(item, included);
                let content = tree.included.get(&path).cloned().flatten().unwrap_or_default();
                words.push(format!("{}\0{content}", path.display()));
            }
        }
        // Traits that come in from outside matter where methods are called.
        let called: BTreeSet<&str> =
            reach.items.iter().flat_map(|number| &tree.items[*number].mentions.methods).map(String::as_str).collect();
        let unnamed = self.names.outside.iter().filter(|(number, at)| {
            let item = &tree.items[*number];
            matches!(&item.kind, Kind::Use { leaves, .. } if could_matter(&leaves[*at], &called))
                && modules.contains(&item.module)
        });
        for (number, at) in reach.leaves.iter().chain(unnamed) {
            let item = &tree.items[*number];
            if let Kind::Use { leaves, .. } = &item.kind {
                let leaf = &leaves[*at];
                words.push(format!("use\0{}\0{}\0{}", module(item.module), leaf.path.join("::"), leaf.name));
                if text(item).contains('#') {
                    words.push(text(item).to_owned());
                }
            }
        }
        for called in &reach.calls {
            if let Kind::Service { face } = &tree.items[*called].kind {
                words.push(face.hash.clone());
            }
        }
        let files: BTreeSet<usize> = modules.iter().map(|number| tree.modules[*number].file).collect();
        words.extend(files.into_iter().map(|file| tree.files[file].inner.clone()));
        words.dedup();
        words
    }

    /// Whether a macro call outside functions could bring in any name.
    pub(super) fn is_opaque(&self, item: &Item) -> bool {
        matches!(item.kind, Kind::Nameless) && item.mentions.macros.iter().any(|called| !is_plain(called))
    }
}

/// Whether an import from outside could change which method is called.
fn could_matter(leaf: &Leaf, called: &BTreeSet<&str>) -> bool {
    let segments: Vec<&str> = leaf.path.iter().map(String::as_str).filter(|segment| !segment.is_empty()).collect();
    let methods: &[&str] = match segments[..] {
        ["std" | "core" | "alloc", "fmt", ..] => &["fmt", "write_str", "write_char", "write_fmt"],
        ["std" | "core" | "alloc", "convert", ..] => &["as_ref", "as_mut", "into", "try_into"],
        ["std" | "core" | "alloc", "error", ..] => &["source", "description", "cause", "provide"],
        ["std" | "core" | "alloc", "str", ..] => &[],
        _ => return !called.is_empty() && meaning::could_matter(leaf),
    };
    methods.iter().any(|method| called.contains(method))
}

fn includes(item: &Item) -> bool {
    item.mentions.macros.contains("include")
}

/// Whether a macro, by the last name of its path, is one of those that rest on their arguments alone.
fn is_plain(called: &str) -> bool {
    PLAIN.contains(&called)
}
