//! What an item mentions, not yet resolved.

use std::collections::BTreeSet;
use std::ops::Range;

use syn::visit::Visit;

use crate::scope::Walk;

/// A path somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// `a::b::c`; the first is empty for `::a`.
    pub(crate) segments: Vec<String>,
    /// Where, in bytes of its file.
    pub(crate) range: Range<usize>,
}

/// Everything an item mentions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mentions {
    /// Paths.
    pub(crate) paths: Vec<Mention>,
    /// Paths that stand for all that is in them.
    pub(crate) whole: Vec<Mention>,
    /// Methods called.
    pub(crate) methods: BTreeSet<String>,
    /// Files of `include_str!` and friends, as written.
    pub(crate) included: BTreeSet<String>,
}

/// What an item mentions.
pub(crate) fn of_item(item: &syn::Item) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_item(item);
    walk.found
}

/// What a type mentions.
pub(crate) fn of_type(ty: &syn::Type) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_type(ty);
    walk.found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let found = of_item(&syn::parse_str(text).unwrap());
        let mut paths: Vec<String> = found.paths.iter().map(|mention| mention.segments.join("::")).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    #[test]
    fn a_name_of_its_own_is_no_mention_and_an_initialiser_is() {
        assert_eq!(paths("fn f(a: u8) { let price = price(a); price.x; }"), ["price", "u8"]);
        assert_eq!(paths("fn f() { let map = |x| x; map(1) }"), [""; 0]);
        assert_eq!(paths("fn f() { if let Some(map) = y() { map(1) } map(2) }"), ["Some", "map", "y"]);
        assert_eq!(paths("fn f() { for map in all() { map(1) } }"), ["all"]);
        assert_eq!(paths("fn f() { match a() { Some(map) => map(1), LIMIT => z() } }"), ["LIMIT", "Some", "a", "z"]);
        assert_eq!(paths("fn f() { fn map() {} map() }"), [""; 0]);
    }

    #[test]
    fn methods_and_fields_are_no_paths() {
        let found = of_item(&syn::parse_str("fn f(x: X) { x.map().filter; X { filter: 1 } }").unwrap());
        assert!(found.paths.iter().all(|mention| mention.segments == ["X"]), "{found:?}");
        assert!(found.methods.contains("map"));
    }

    #[test]
    fn macros_are_looked_into() {
        assert_eq!(
            paths(r#"fn f() { println!("{} {LIMIT:>3}", lookup(k::A).await?) }"#),
            ["LIMIT", "k::A", "lookup", "println"]
        );
        assert!(paths("fn f() { let a = 1; vec![a, b] }").contains(&"b".to_owned()));
        assert!(!paths("fn f() { let a = 1; vec![a, b.map()] }").contains(&"map".to_owned()));
    }

    #[test]
    fn attributes_name_functions_in_strings_and_files_are_found() {
        let found = of_item(&syn::parse_str(r#"struct S { #[serde(with = "iso::date")] a: u8 }"#).unwrap());
        assert!(found.whole.iter().any(|mention| mention.segments == ["iso", "date"]));
        let found = of_item(&syn::parse_str(r#"const A: &str = std::include_str!("a.csv");"#).unwrap());
        assert!(found.included.contains("a.csv"));
        let found = of_item(&syn::parse_str(r#"fn f() { w!(include_bytes!("b.bin")) }"#).unwrap());
        assert!(found.included.contains("b.bin"));
    }
}
