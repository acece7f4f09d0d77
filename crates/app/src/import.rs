//! `use` statements, leaf by leaf.

use std::ops::Range;

use syn::UseTree;
use syn::spanned::Spanned;

/// One name a `use` brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// What it is called here; empty for a glob.
    pub(crate) name: String,
    /// `a::b::c`; the first is empty for `::a`.
    pub(crate) path: Vec<String>,
    pub(crate) glob: bool,
}

/// A part of a `use` that can be cut out with the comma behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) range: Range<usize>,
    /// The leaves in it, by number.
    pub(crate) leaves: Range<usize>,
}

/// What a `use` brings, and the parts it can be cut into.
pub(crate) fn read(item: &syn::ItemUse) -> (Vec<Leaf>, Vec<Part>) {
    let mut reader = Reader::default();
    let begin = item.leading_colon.map(|_| String::new()).into_iter().collect();
    reader.tree(&item.tree, begin);
    (reader.leaves, reader.parts)
}

#[derive(Default)]
struct Reader {
    leaves: Vec<Leaf>,
    parts: Vec<Part>,
}

impl Reader {
    fn tree(&mut self, tree: &UseTree, mut path: Vec<String>) {
        match tree {
            UseTree::Path(next) => {
                path.push(next.ident.to_string());
                self.tree(&next.tree, path);
            }
            UseTree::Name(name) => self.leaf(name.ident.to_string(), name.ident.to_string(), path),
            UseTree::Rename(renamed) => self.leaf(renamed.rename.to_string(), renamed.ident.to_string(), path),
            UseTree::Glob(_) => self.leaves.push(Leaf { name: String::new(), path, glob: true }),
            UseTree::Group(group) => {
                for pair in group.items.pairs() {
                    let first = self.leaves.len();
                    self.tree(pair.value(), path.clone());
                    let whole = pair.value().span().byte_range();
                    let end = pair.punct().map_or(whole.end, |comma| comma.span().byte_range().end);
                    self.parts.push(Part { range: whole.start..end, leaves: first..self.leaves.len() });
                }
            }
        }
    }

    fn leaf(&mut self, name: String, last: String, mut path: Vec<String>) {
        // `use a::{self}` is `use a`, and `use self::a` keeps its `self`.
        if last != "self" || path.is_empty() {
            path.push(last);
        }
        let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name };
        self.leaves.push(Leaf { name, path, glob: false });
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let (leaves, _) = read(&syn::parse_str(text).unwrap());
        let tell =
            |leaf: &Leaf| format!("{}={}{}", leaf.name, leaf.path.join("::"), if leaf.glob { "::*" } else { "" });
        leaves.iter().map(tell).collect()
    }

    #[test]
    fn leaves_know_their_names_and_paths() {
        assert_eq!(told("use a::{self, b as c, d::{e, f::*}};"), ["a=a", "c=a::b", "e=a::d::e", "=a::d::f::*"]);
        assert_eq!(told("use ::a::B as _;"), ["_=::a::B"]);
        assert_eq!(told("use a::{self as b};"), ["b=a"]);
    }

    #[test]
    fn parts_take_their_comma_along() {
        let text = "use a::{b, c::{d, e}};";
        let (_, parts) = read(&syn::parse_str(text).unwrap());
        let texts: Vec<_> = parts.iter().map(|part| (&text[part.range.clone()], part.leaves.clone())).collect();
        // A part's span begins where the text of this thread does.
        assert_eq!(texts, [("b,", 0..1), ("d,", 1..2), ("e", 2..3), ("c::{d, e}", 1..3)]);
    }
}
