//! The outside crates an app mentions.

use std::collections::BTreeSet;

use crate::names::Names;
use crate::tree::{Kind, Tree};

/// What a path may begin with that is no crate to be brought.
const NO_CRATES: [&str; 29] = [
    "",
    "crate",
    "self",
    "super",
    "Self",
    "$crate",
    "std",
    "core",
    "alloc",
    "proc_macro",
    "dyninka",
    "bool",
    "char",
    "str",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "diagnostic",
];

/// Outside crates that are mentioned anywhere, `-` as `_`.
pub(crate) fn mentioned(tree: &Tree, names: &Names<'_>) -> BTreeSet<String> {
    let mut crates = BTreeSet::new();
    for (number, item) in tree.items.iter().enumerate() {
        let paths = item.mentions.paths.iter().map(|mention| mention.segments.as_slice());
        for path in paths.filter(|path| path.len() > 1) {
            match path {
                // `::name` is an outside crate whatever stands here by that name.
                [nothing, named, ..] if nothing.is_empty() => drop(crates.insert(named.clone())),
                [first, ..] if is_foreign(tree, names, item.module, first) => drop(crates.insert(first.clone())),
                _ => {}
            }
        }
        let others = item.mentions.crates.iter();
        crates.extend(others.filter(|named| is_foreign(tree, names, item.module, named)).cloned());
        if let Kind::Use { leaves, .. } = &item.kind {
            let outside = leaves.iter().enumerate().filter(|(at, _)| names.outside.contains(&(number, *at)));
            crates
                .extend(outside.filter_map(|(_, leaf)| leaf.path.iter().find(|segment| !segment.is_empty())).cloned());
        }
    }
    crates.retain(|named| !NO_CRATES.contains(&named.as_str()));
    crates
}

/// Whether what a path begins with is neither this crate's nor brought in by a `use`, whose own path counts then.
fn is_foreign(tree: &Tree, names: &Names<'_>, module: usize, first: &String) -> bool {
    if first.starts_with(char::is_uppercase) {
        return false;
    }
    !names.resolve(module, std::slice::from_ref(first)).into_iter().any(|(number, leaf)| {
        match (&tree.items[number].kind, leaf) {
            (Kind::Use { leaves, .. }, Some(at)) => leaves[at].name == *first,
            (Kind::Function | Kind::Service { .. } | Kind::Main | Kind::Constant { .. }, _) => false,
            _ => true,
        }
    })
}
