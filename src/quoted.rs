//! Words for a shell: commands that are printed are run as they stand.

use std::path::Path;

/// A path as one word of a POSIX shell.
pub(crate) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./+=:@%,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_quoted_where_a_shell_would_split_it() {
        for (path, expected) in [
            ("plant/app.rs", "plant/app.rs"),
            ("my plants/app.rs", "'my plants/app.rs'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(word(Path::new(path)), expected);
        }
    }
}
