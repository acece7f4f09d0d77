//! Which `macro_rules!` of a name an item means: the last one above it, so order counts where it counts nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use crate::reach::Reach;
use crate::tokens;
use crate::tree::{Item, Kind, Tree};

/// For each item and `use` that names a macro with a definition that is not the only one, or not above it: a hash over
/// the definitions above it, in their order. Items are numbered in the order of their text, module by module.
pub(crate) fn orders(tree: &Tree, reach: &Reach) -> Vec<(usize, String)> {
    let mut defined: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for number in &reach.items {
        let item = &tree.items[*number];
        if matches!(item.kind, Kind::Macro) {
            item.names.iter().for_each(|name| defined.entry(name).or_default().push(*number));
        }
    }
    if defined.is_empty() {
        return Vec::new();
    }
    let mentioned = |item: &Item| -> BTreeSet<&str> {
        let names = item.mentions.paths.iter().filter_map(|mention| mention.segments.last());
        names.filter_map(|name| defined.get_key_value(name.as_str()).map(|(name, _)| *name)).collect()
    };
    // A macro in a macro is the one above the outer one's call.
    let within: BTreeMap<&str, BTreeSet<&str>> = defined
        .iter()
        .map(|(name, numbers)| (*name, numbers.iter().flat_map(|number| mentioned(&tree.items[*number])).collect()))
        .collect();
    let mut orders = Vec::new();
    let leaves = reach.leaves.iter().filter_map(|(number, at)| match &tree.items[*number].kind {
        Kind::Use { leaves, .. } => {
            let name = defined.get_key_value(leaves[*at].path.last()?.as_str()).map(|(name, _)| *name)?;
            Some((*number, BTreeSet::from([name])))
        }
        _ => None,
    });
    let items = reach.items.iter().map(|number| (*number, mentioned(&tree.items[*number])));
    let items = items.filter(|(number, _)| !matches!(tree.items[*number].kind, Kind::Macro | Kind::Use { .. }));
    for (number, mut names) in items.chain(leaves) {
        let mut open: Vec<&str> = names.iter().copied().collect();
        while let Some(inner) = open.pop().and_then(|name| within.get(name)) {
            open.extend(inner.iter().filter(|name| names.insert(name)));
        }
        let doubtful = names.iter().filter(|name| !matches!(defined[*name][..], [only] if only < number));
        let words: Vec<&str> = doubtful
            .flat_map(|name| {
                let above = defined[name].iter().filter(|definition| **definition < number);
                [*name].into_iter().chain(above.map(|definition| tree.items[*definition].hash.as_str()))
            })
            .collect();
        if !words.is_empty() {
            orders.push((number, tokens::combine(words)));
        }
    }
    orders
}
