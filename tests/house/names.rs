//! One word, one thing: no two crates have a public type of one name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::collect;

/// Folders of crates; in `crates` each folder is one.
const FOLDERS: [&str; 6] = ["crates", "local-cluster", "recordings", "shell", "tui", "watcher"];

/// The crate that a file below the root belongs to.
fn crate_of(path: &str) -> &str {
    let mut words = path.split('/');
    match words.next() {
        Some("crates") => words.next().unwrap_or_default(),
        other => other.unwrap_or_default(),
    }
}

/// The name that a line declares as a public type.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let rest = ["struct ", "enum ", "trait ", "type "].into_iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end]).filter(|name| name.starts_with(char::is_uppercase))
}

#[test]
fn public_types_have_names_of_their_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut files);
    }
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (file, text) in &files {
        let path = file.strip_prefix(&format!("{}/", root.display())).unwrap_or(file);
        if !path.contains("/src/") {
            continue;
        }
        for name in text.lines().filter_map(declared) {
            owners.entry(name).or_default().insert(crate_of(path));
        }
    }
    assert!(owners.len() > 200, "{}", owners.len());
    let shared: Vec<_> = owners.iter().filter(|(_, crates)| crates.len() > 1).collect();
    assert!(shared.is_empty(), "name one of each anew: {shared:?}");
}
