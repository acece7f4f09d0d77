//! `cfg` conditions that this machine decides: services run on the machine that reads the file.

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, Meta, Token};

/// The path in `#[path = "…"]`, or in a `#[cfg_attr(…, path = "…")]` whose condition holds, or may hold.
pub(crate) fn path(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| path_in(&attribute.meta))
}

/// The same of one attribute's inside: `path = "…"` or `cfg_attr(…)`.
pub(crate) fn path_in(meta: &Meta) -> Option<String> {
    match meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => text(&pair.value),
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
            let mut parts = parts.iter();
            let holds = holds(parts.next()?);
            parts.find_map(path_in).filter(|_| holds != Some(false))
        }
        _ => None,
    }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// Whether a condition holds; `None` where this room does not know, as of features.
fn holds(condition: &Meta) -> Option<bool> {
    match condition {
        Meta::Path(path) if path.is_ident("unix") => Some(cfg!(unix)),
        Meta::Path(path) if path.is_ident("windows") => Some(cfg!(windows)),
        Meta::Path(path) if path.is_ident("test") => Some(false),
        Meta::NameValue(pair) => is_own(&pair.path.get_ident()?.to_string(), &text(&pair.value)?),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
            let parts: Vec<Option<bool>> = parts.iter().map(holds).collect();
            match list.path.get_ident()?.to_string().as_str() {
                "not" => parts.first().copied().flatten().map(|holds| !holds),
                "all" if parts.contains(&Some(false)) => Some(false),
                "all" => parts.iter().all(Option::is_some).then_some(true),
                "any" if parts.contains(&Some(true)) => Some(true),
                "any" => parts.iter().all(Option::is_some).then_some(false),
                _ => None,
            }
        }
        Meta::Path(_) => None,
    }
}

/// Whether this machine is what a condition names.
fn is_own(name: &str, value: &str) -> Option<bool> {
    let own: &[(&str, bool)] = match name {
        "target_os" => &[
            ("linux", cfg!(target_os = "linux")),
            ("macos", cfg!(target_os = "macos")),
            ("windows", cfg!(target_os = "windows")),
        ],
        "target_arch" => &[("x86_64", cfg!(target_arch = "x86_64")), ("aarch64", cfg!(target_arch = "aarch64"))],
        "target_family" => &[("unix", cfg!(unix)), ("windows", cfg!(windows))],
        _ => return None,
    };
    own.iter().find(|(known, _)| *known == value).map(|(_, is_own)| *is_own)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_path_behind_a_condition_counts_unless_the_condition_fails_here() {
        let of = |text: &str| path(&syn::parse_str::<syn::ItemMod>(text).unwrap().attrs);
        for text in [
            "#[path = \"a.rs\"] mod m;",
            "#[cfg_attr(unix, path = \"a.rs\")] mod m;",
            "#[cfg_attr(windows, path = \"w.rs\")] #[cfg_attr(not(windows), path = \"a.rs\")] mod m;",
            "#[cfg_attr(any(windows, unix), allow(unused), path = \"a.rs\")] mod m;",
            "#[cfg_attr(feature = \"maybe\", path = \"a.rs\")] mod m;",
            "#[cfg_attr(unix, cfg_attr(not(test), path = \"a.rs\"))] mod m;",
        ] {
            assert_eq!(of(text).as_deref(), Some("a.rs"), "{text}");
        }
        for text in [
            "mod m;",
            "#[cfg_attr(windows, path = \"a.rs\")] mod m;",
            "#[cfg_attr(all(feature = \"maybe\", target_family = \"windows\"), path = \"a.rs\")] mod m;",
            "#[cfg_attr(test, path = \"a.rs\")] mod m;",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
