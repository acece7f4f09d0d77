//! What is asked of syn's items, whatever their kind.

use std::ops::Range;

use syn::Item as Syntax;
use syn::spanned::Spanned;

/// The names an item brings into its module.
pub(crate) fn names(syntax: &Syntax) -> Vec<String> {
    identifier(syntax).map(|name| name.to_string()).into_iter().collect()
}

fn identifier(syntax: &Syntax) -> Option<&syn::Ident> {
    match syntax {
        Syntax::Const(item) => Some(&item.ident),
        Syntax::Enum(item) => Some(&item.ident),
        Syntax::Fn(item) => Some(&item.sig.ident),
        Syntax::Macro(item) => item.ident.as_ref(),
        Syntax::Mod(item) => Some(&item.ident),
        Syntax::Static(item) => Some(&item.ident),
        Syntax::Struct(item) => Some(&item.ident),
        Syntax::Trait(item) => Some(&item.ident),
        Syntax::TraitAlias(item) => Some(&item.ident),
        Syntax::Type(item) => Some(&item.ident),
        Syntax::Union(item) => Some(&item.ident),
        Syntax::ExternCrate(item) => Some(item.rename.as_ref().map_or(&item.ident, |(_, name)| name)),
        _ => None,
    }
}

/// Where its name stands; all of it when it has none.
pub(crate) fn name_range(syntax: &Syntax) -> Range<usize> {
    identifier(syntax).map_or_else(|| syntax.span().byte_range(), |name| name.span().byte_range())
}

/// An item's attributes.
pub(crate) fn attributes(syntax: &Syntax) -> &[syn::Attribute] {
    match syntax {
        Syntax::Const(item) => &item.attrs,
        Syntax::Enum(item) => &item.attrs,
        Syntax::ExternCrate(item) => &item.attrs,
        Syntax::Fn(item) => &item.attrs,
        Syntax::ForeignMod(item) => &item.attrs,
        Syntax::Impl(item) => &item.attrs,
        Syntax::Macro(item) => &item.attrs,
        Syntax::Mod(item) => &item.attrs,
        Syntax::Static(item) => &item.attrs,
        Syntax::Struct(item) => &item.attrs,
        Syntax::Trait(item) => &item.attrs,
        Syntax::TraitAlias(item) => &item.attrs,
        Syntax::Type(item) => &item.attrs,
        Syntax::Union(item) => &item.attrs,
        Syntax::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an attribute is `#[name]` or `#[dyninka::name]`.
pub(crate) fn is_named(attribute: &syn::Attribute, name: &str) -> bool {
    is_path(attribute.path(), name)
}

/// Whether a path is `name` or `dyninka::name`.
pub(crate) fn is_path(path: &syn::Path, name: &str) -> bool {
    path.is_ident(name)
        || path.segments.len() == 2 && path.segments[0].ident == "dyninka" && path.segments[1].ident == name
}

/// The attributes that are ours.
pub(crate) const OURS: [&str; 3] = ["service", "placed", "main"];

/// Whether an attribute is one of ours.
pub(crate) fn is_ours(attribute: &syn::Attribute) -> bool {
    OURS.iter().any(|name| is_named(attribute, name))
}

/// Whether an item is there for `cargo test` only.
pub(crate) fn is_for_tests(syntax: &Syntax) -> bool {
    let needs_test = |attribute: &syn::Attribute| {
        attribute.parse_args::<syn::Meta>().is_ok_and(|condition| match condition {
            syn::Meta::Path(path) => path.is_ident("test"),
            syn::Meta::List(list) if list.path.is_ident("all") => {
                list.tokens.into_iter().any(|token| token.to_string() == "test")
            }
            _ => false,
        })
    };
    attributes(syntax)
        .iter()
        .any(|attribute| attribute.path().is_ident("test") || attribute.path().is_ident("cfg") && needs_test(attribute))
}
