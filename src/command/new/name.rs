//! Names of files and packages.

/// A name that will not do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadName {
    pub(super) why: String,
    /// A name like it that will.
    pub(super) suggestion: String,
}

/// Words of Rust, which cargo refuses as the name of a package.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Folders of cargo, and crates that a package cannot be called like.
const TAKEN: [&str; 14] = [
    "alloc",
    "build",
    "core",
    "deps",
    "dyninka",
    "dyninka-macros",
    "examples",
    "incremental",
    "proc_macro",
    "serde",
    "serde_json",
    "std",
    "test",
    "tokio",
];

/// Whether a package may have this name.
pub(super) fn check_package(name: &str) -> Result<(), BadName> {
    check_stem(name)?;
    let why = if KEYWORDS.contains(&name) {
        "it is a keyword of Rust"
    } else if TAKEN.contains(&name.replace("proc-macro", "proc_macro").as_str()) {
        "cargo or a dependency uses it"
    } else {
        return Ok(());
    };
    Err(BadName { why: why.to_owned(), suggestion: format!("my-{name}") })
}

/// Whether the file of an app may have this name, before `.rs`.
pub(super) fn check_stem(name: &str) -> Result<(), BadName> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let why = if name.is_empty() {
        "it is empty".to_owned()
    } else if let Some(other) = name.chars().find(|c| !is_plain(*c)) {
        let other = if other == ' ' { "a space".to_owned() } else { format!("{other:?}") };
        format!("it holds {other}; letters, digits, - and _ may stand in it")
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "it begins with no letter".to_owned()
    } else {
        return Ok(());
    };
    Err(BadName { why, suggestion: suggestion(name) })
}

/// A name of letters and digits that is like this one.
fn suggestion(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let plain: String = name.chars().map(plain).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let name = words.join("-");
    let name = name.trim_start_matches('_');
    match name.chars().next() {
        None => "app".to_owned(),
        Some(first) if first.is_ascii_alphabetic() => name.to_owned(),
        Some(_) => format!("app-{name}"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn bad_names_have_a_reason_and_a_suggestion_that_is_good() {
        for (name, why, suggested) in [
            ("has space", "a space", "has-space"),
            ("1st", "no letter", "app-1st"),
            ("grün", "'ü'", "gr-n"),
            ("", "empty", "app"),
            ("..", "'.'", "app"),
            ("-x", "no letter", "x"),
            ("match", "keyword", "my-match"),
            ("serde", "dependency", "my-serde"),
            ("a;b", "';'", "a-b"),
        ] {
            let bad = check_package(name).unwrap_err();
            assert!(bad.why.contains(why), "{name}: {bad:?}");
            assert_eq!(bad.suggestion, suggested);
            assert_eq!(check_package(&bad.suggestion), Ok(()));
        }
    }

    #[test]
    fn good_names_pass() {
        for name in ["plant", "my-app", "my_app", "App2"] {
            assert_eq!(check_package(name), Ok(()));
        }
        // A file may be called like a crate.
        assert_eq!(check_stem("core"), Ok(()));
    }
}
