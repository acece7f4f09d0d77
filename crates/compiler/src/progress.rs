//! What is waited for.

use std::sync::Arc;

/// What is waited for, in words for a status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Crates come over the network; cargo's words, such as `Downloaded serde v1.0.229`.
    Fetching(String),
    /// A dependency is compiled; its name and version.
    Compiling(String),
    /// Something was done another way than usual, and why.
    Notice(String),
}

/// Whoever wants to know.
pub type BuildListener = Arc<dyn Fn(Progress) + Send + Sync>;

/// Reads a line that cargo writes to stderr.
pub(crate) fn of_cargo(line: &str) -> Option<Progress> {
    let (verb, rest) = line.trim().split_once(' ')?;
    let package = rest.split(" (").next().unwrap_or(rest).trim();
    match verb {
        "Updating" | "Downloading" | "Downloaded" => Some(Progress::Fetching(format!("{verb} {}", rest.trim()))),
        "Compiling" if !package.starts_with(crate::manifest::LEAF) => Some(Progress::Compiling(package.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_lines_are_read() {
        let compiling = of_cargo("   Compiling dyninka v0.1.0 (/cache/runtime/1/runtime)");
        assert_eq!(compiling, Some(Progress::Compiling("dyninka v0.1.0".to_owned())));
        assert_eq!(
            of_cargo("  Downloaded serde v1.0.229"),
            Some(Progress::Fetching("Downloaded serde v1.0.229".to_owned()))
        );
        assert_eq!(of_cargo("    Finished `release` profile"), None);
        assert_eq!(of_cargo("   Compiling dyninka_leaf v0.0.0 (/cache/deps/1)"), None);
    }
}
