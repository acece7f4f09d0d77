//! Items that may have an effect though nothing names them: code that registers itself by an attribute or a macro of
//! another crate (ctor, linkme, inventory, typetag), and code that the linker or C finds.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Item as Syntax;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

use crate::syntax::{attributes, is_ours};

/// Whether an item may have an effect though nothing names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Acts {
    /// It has none.
    #[default]
    No,
    /// It may have one.
    Alone,
    /// It is a macro call that makes items: as the macro of this path does. One of another crate may do anything.
    Called(Vec<String>),
    /// It is a macro whose calls may make such items.
    Makes,
}

/// Attributes of the language, and tools' own, that have no effect by themselves.
const PASSIVE: [&str; 40] = [
    "allow",
    "automatically_derived",
    "bench",
    "cfg",
    "clippy",
    "cold",
    "debugger_visualizer",
    "default",
    "deny",
    "deprecated",
    "derive",
    "diagnostic",
    "doc",
    "expect",
    "feature",
    "forbid",
    "global_asm",
    "ignore",
    "inline",
    "instruction_set",
    "link",
    "link_name",
    "link_ordinal",
    "macro_export",
    "macro_use",
    "must_use",
    "naked",
    "no_implicit_prelude",
    "no_link",
    "non_exhaustive",
    "path",
    "recursion_limit",
    "repr",
    "rustdoc",
    "rustfmt",
    "should_panic",
    "target_feature",
    "track_caller",
    "type_length_limit",
    "warn",
];

/// Attributes of the language by which the linker, C or the runtime find an item.
const FOUND: [&str; 6] = ["export_name", "global_allocator", "link_section", "no_mangle", "panic_handler", "used"];

/// Attributes of well-known crates that change the item they stand on and register nothing, and those of tests, which
/// are not compiled. An attribute that is missing here costs a longer slice, no more.
const HARMLESS: [&str; 16] = [
    "async_recursion",
    "async_stream",
    "async_trait",
    "bench",
    "bon",
    "builder",
    "derive_where",
    "educe",
    "instrument",
    "pin_project",
    "proptest",
    "rstest",
    "serde_as",
    "skip_serializing_none",
    "test",
    "test_case",
];

/// Macros that make items and register nothing.
const PLAIN_MACROS: [&str; 12] = [
    "assert_impl_all",
    "assert_obj_safe",
    "assert_type_eq_all",
    "bitflags",
    "cfg_if",
    "compile_error",
    "const_assert",
    "const_assert_eq",
    "include",
    "lazy_static",
    "pin_project",
    "thread_local",
];

/// Attributes that register what they stand on, where they are named without their crate.
const REGISTERING: [&str; 3] = ["ctor", "distributed_slice", "dtor"];

/// Reads it of an item.
pub(crate) fn read(syntax: &Syntax) -> Acts {
    if let Syntax::Macro(item) = syntax {
        return match &item.ident {
            Some(_) if makes(item.mac.tokens.clone()) => Acts::Makes,
            Some(_) => Acts::No,
            None => of_call(&item.mac),
        };
    }
    let attributes = attributes(syntax);
    let is_type = matches!(syntax, Syntax::Struct(_) | Syntax::Enum(_) | Syntax::Union(_));
    let has_helpers = is_type && attributes.iter().any(|attribute| attribute.path().is_ident("derive"));
    let acts = attributes.iter().filter(|attribute| !is_ours(attribute)).any(|attribute| acts(attribute, has_helpers));
    if acts { Acts::Alone } else { Acts::No }
}

fn of_call(called: &syn::Macro) -> Acts {
    let path: Vec<String> = called.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let is_plain = path.last().is_some_and(|name| PLAIN_MACROS.contains(&name.as_str()));
    match makes(called.tokens.clone()) {
        true => Acts::Alone,
        false if is_plain => Acts::No,
        false => Acts::Called(path),
    }
}

fn acts(attribute: &Attribute, has_helpers: bool) -> bool {
    meta_acts(&attribute.meta, has_helpers)
}

fn meta_acts(meta: &Meta, has_helpers: bool) -> bool {
    let inside = |meta: &Meta| match meta {
        Meta::List(list) => {
            list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).into_iter().flatten().collect()
        }
        _ => Vec::new(),
    };
    let path = meta.path();
    if path.is_ident("unsafe") {
        return inside(meta).iter().any(|meta| meta_acts(meta, has_helpers));
    }
    if path.is_ident("cfg_attr") {
        // The first is the condition.
        return inside(meta).iter().skip(1).any(|meta| meta_acts(meta, has_helpers));
    }
    let path: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    path_acts(&path, has_helpers)
}

/// `has_helpers`: single names may be helpers of a derived trait.
fn path_acts(path: &[String], has_helpers: bool) -> bool {
    let [first, ..] = path else { return false };
    let is_single = path.len() == 1;
    if is_single && FOUND.contains(&first.as_str()) {
        return true;
    }
    if PASSIVE.contains(&first.as_str()) || path.last().is_some_and(|last| HARMLESS.contains(&last.as_str())) {
        return false;
    }
    !(is_single && has_helpers && !REGISTERING.contains(&first.as_str()))
}

/// Whether tokens hold an attribute or a call that may register something. Single names may be helpers of derived
/// traits there.
fn makes(tokens: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Group(group) => {
            let is_attribute = group.delimiter() == Delimiter::Bracket
                && at.checked_sub(1).is_some_and(|before| is_punct(&tokens[before], '#'));
            match is_attribute.then(|| syn::parse2::<Meta>(group.stream())) {
                Some(Ok(meta)) => meta_acts(&meta, true),
                _ => makes(group.stream()),
            }
        }
        // `krate::name!` of another crate.
        TokenTree::Punct(bang) if bang.as_char() == '!' => calls_another_crate(&tokens[..at], tokens.get(at + 1)),
        _ => false,
    })
}

fn calls_another_crate(before: &[TokenTree], after: Option<&TokenTree>) -> bool {
    let [.., first, colon, other, TokenTree::Ident(_)] = before else { return false };
    let is_path = is_punct(colon, ':') && is_punct(other, ':') && matches!(after, Some(TokenTree::Group(_)));
    let TokenTree::Ident(first) = first else { return false };
    is_path && !["std", "core", "alloc", "crate", "self", "super"].contains(&first.to_string().as_str())
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn of(text: &str) -> Acts {
        read(&syn::parse_str(text).unwrap())
    }

    #[test]
    fn attributes_of_other_crates_may_register_and_those_of_the_language_do_not() {
        for text in [
            "#[ctor::ctor] fn f() {}",
            "#[ctor(unsafe)] fn f() {}",
            "#[linkme::distributed_slice(ALL)] static A: fn() = f;",
            "#[typetag::serde] impl Shape for Circle {}",
            "#[cfg_attr(unix, ctor::ctor)] fn f() {}",
            "#[used] #[unsafe(link_section = \".init_array\")] static A: extern \"C\" fn() = f;",
            "#[unsafe(no_mangle)] extern \"C\" fn f() {}",
            "#[global_allocator] static A: System = System;",
            "#[derive(Debug)] #[plugin::register] struct S;",
        ] {
            assert_eq!(of(text), Acts::Alone, "{text}");
        }
        for text in [
            "fn f() {}",
            "#[inline] #[allow(x)] #[doc = \"a\"] #[clippy::x] #[must_use] fn f() {}",
            "#[cfg_attr(unix, inline)] fn f() {}",
            "#[service] fn f() {}",
            "#[dyninka::placed(f)] static A: u8 = 1;",
            "#[derive(Serialize)] #[serde(default)] struct S { #[serde(skip)] a: u8 }",
            "#[rstest::rstest] async fn f() {}",
            "#[tracing::instrument] fn f() {}",
            "#[async_trait] impl A for B {}",
        ] {
            assert_eq!(of(text), Acts::No, "{text}");
        }
    }

    #[test]
    fn a_macro_that_makes_what_registers_itself_is_told_from_others() {
        for text in [
            "macro_rules! init { ($f:ident) => { #[ctor::ctor] fn $f() {} } }",
            "macro_rules! plugin { ($e:expr) => { inventory::submit! { $e } } }",
            "macro_rules! c { () => { #[unsafe(no_mangle)] extern \"C\" fn f() {} } }",
        ] {
            assert_eq!(of(text), Acts::Makes, "{text}");
        }
        for text in [
            "macro_rules! record { ($n:ident) => { #[derive(Serialize)] #[serde(default)] struct $n { a: u8 } } }",
            "macro_rules! say { ($e:expr) => { std::println!(\"{}\", $e) } }",
            "macro_rules! f { (#[$m:meta] $n:ident) => { #[$m] fn $n() {} } }",
        ] {
            assert_eq!(of(text), Acts::No, "{text}");
        }
        assert_eq!(of("inventory::submit! { A }"), Acts::Called(vec!["inventory".to_owned(), "submit".to_owned()]));
        assert_eq!(of("cfg_if! { if #[cfg(unix)] { #[ctor::ctor] fn f() {} } }"), Acts::Alone);
        assert_eq!(of("thread_local! { static A: u8 = 1; }"), Acts::No);
    }
}
