//! What an item mentions, not yet resolved.

use std::collections::BTreeSet;
use std::ops::Range;

use syn::visit::Visit;

use crate::unit::back;
use crate::walk::Walk;

/// A path somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// `a::b::c`; the first is empty for `::a`.
    pub(crate) segments: Vec<String>,
    /// Where, in bytes of its file.
    pub(crate) range: Range<usize>,
    pub(crate) manner: Manner,
}

/// How a path is written, and so how sure it is that it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In code, or called in a macro's tokens.
    Code,
    /// A name in a macro's tokens that make no code by themselves: it may be a field's, or one the macro brings in.
    Tokens,
    /// In a string of an attribute, as `#[serde(with = "iso")]`, where it may be a module for all that is in it.
    Text,
}

/// Everything an item mentions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mentions {
    /// Paths.
    pub(crate) paths: Vec<Mention>,
    /// Methods called.
    pub(crate) methods: BTreeSet<String>,
    /// Files of `include_str!` and friends, as written.
    pub(crate) included: BTreeSet<String>,
    /// Variables that `env!` and `option_env!` read when the item is compiled.
    pub(crate) variables: BTreeSet<String>,
    /// Whether it asks where it stands, as `line!()` does.
    pub(crate) tells_place: bool,
    /// Crates named where only a path can be: by `extern crate`, `#[serde(with = "…")]`.
    pub(crate) crates: BTreeSet<String>,
    /// `#[service]` and `#[placed]`, wherever they stand in it.
    pub(crate) marks: Vec<Range<usize>>,
    /// Macros called, by the last name of their path.
    pub(crate) macros: BTreeSet<String>,
    /// Whether there is an `impl` inside it, in a body or in tokens: it counts wherever it stands.
    pub(crate) has_impl: bool,
    /// Marks that are there and do not count, or may be some.
    pub(crate) hidden: Vec<(Hidden, Range<usize>)>,
    /// Types that stand among the tokens a macro is called with, as `bitflags! { struct Flags … }`: it makes them.
    pub(crate) made: Vec<String>,
    /// Statics inside it: in a function, or among a macro's tokens.
    pub(crate) statics: Vec<(String, Range<usize>)>,
}

/// A mark that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// `#[service]` in tokens that a macro makes items of.
    InMacro(String),
    /// `#[cfg_attr(…, service)]`.
    Conditional(String),
    /// An attribute on a function or static that is neither ours nor the compiler's, by its path: maybe ours by another
    /// name.
    Named(Vec<String>),
}

impl Mentions {
    /// With ranges as counted from a later byte.
    pub(crate) fn shifted(mut self, start: usize) -> Self {
        let paths = self.paths.iter_mut().map(|mention| &mut mention.range);
        let hidden = self.hidden.iter_mut().map(|(_, range)| range);
        let statics = self.statics.iter_mut().map(|(_, range)| range);
        for range in paths.chain(&mut self.marks).chain(hidden).chain(statics) {
            *range = back(range.clone(), start);
        }
        self
    }
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

/// What an expression mentions.
pub(crate) fn of_expression(expression: &syn::Expr) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_expr(expression);
    walk.found
}

/// What a signature mentions.
pub(crate) fn of_signature(signature: &syn::Signature) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_signature(signature);
    walk.found
}

/// What the head of an `impl` mentions: generics, trait and type.
pub(crate) fn of_head(item: &syn::ItemImpl) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_generics(&item.generics);
    if let Some((path, _)) = &item.trait_ {
        walk.visit_path(path);
    }
    walk.visit_type(&item.self_ty);
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
        let is_date = |mention: &Mention| mention.segments == ["iso", "date"] && mention.manner == Manner::Text;
        assert!(found.paths.iter().any(is_date), "{found:?}");
        assert!(!paths(r#"struct S { #[serde(rename = "get", alias = "a")] b: u8 }"#).contains(&"get".to_owned()));
        assert!(paths(r#"#[serde(bound = "T: Local")] struct S { b: u8 }"#).contains(&"Local".to_owned()));
        let found = of_item(&syn::parse_str(r#"const A: &str = std::include_str!("a.csv");"#).unwrap());
        assert!(found.included.contains("a.csv"));
        let found = of_item(&syn::parse_str(r#"fn f() { w!(include_bytes!("b.bin")) }"#).unwrap());
        assert!(found.included.contains("b.bin"));
    }

    #[test]
    fn imports_in_a_function_are_its_own() {
        assert_eq!(paths("fn f() { use a::b as c; c(1) }"), ["a::b"]);
        assert_eq!(paths("fn f() { use a::m; m::x() }"), ["a::m", "a::m::x"]);
        assert_eq!(paths("fn f() { use a::*; x() }"), ["a", "a::x", "x"]);
        assert_eq!(paths("fn f() { { use a::b; } b() }"), ["a::b", "b"]);
    }

    #[test]
    fn a_nested_function_does_not_see_the_names_around_it() {
        assert_eq!(paths("fn f() { let price = 1; fn g() { price(2) } g() }"), ["price"]);
    }

    #[test]
    fn calls_in_macros_are_told_from_names() {
        let calls = |text: &str| {
            let found = of_item(&syn::parse_str(&format!("fn f() {{ {text} }}")).unwrap());
            found.paths.iter().any(|mention| mention.segments == ["lookup"] && mention.manner == Manner::Code)
        };
        for text in [
            "format!(\"{}\", lookup(k).await?)",
            "json!({ \"a\": lookup(k) })",
            "vec![a.map(lookup)]",
            "x!(0..lookup(1))",
            "json!([1, { \"a\": 0..lookup(1) }])",
            "m!(let a = lookup(1); a)",
        ] {
            assert!(calls(text), "{text}");
        }
        for text in [
            "format!(\"{lookup}\")",
            "format!(\"{lookup}\", lookup = 1)",
            "matches!(x, Some(lookup) if lookup > 1)",
            "json!({ lookup: 1 })",
            "let lookup = 1; json!({ \"a\": lookup })",
            "x.lookup()",
            "json!({ \"a\": x.lookup() })",
            "select! { lookup = f() => lookup }",
        ] {
            assert!(!calls(text), "{text}");
        }
    }
}
