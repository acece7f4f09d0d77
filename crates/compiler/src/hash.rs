//! Hashes over parts: each part with its length, so that no two lists of parts meet in one hash.

use std::fs;
use std::path::{Path, PathBuf};

/// Adds a part.
pub(crate) fn field(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

/// Hex over parts, 32 digits.
pub(crate) fn parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        field(&mut hasher, part);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Hex over a file's content; `None` where it cannot be read, which is a state to compare with like any other.
pub(crate) fn file(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| blake3::hash(&bytes).to_hex()[..32].to_owned())
}

/// Hex over every source file below a folder but those of `except`. Hidden files and `target` are no sources.
pub(crate) fn tree(folder: &Path, except: &dyn Fn(&Path) -> bool) -> String {
    let mut hasher = blake3::Hasher::new();
    for path in files(folder, except) {
        if let Some(content) = file(&path) {
            field(&mut hasher, path.as_os_str().as_encoded_bytes());
            field(&mut hasher, content.as_bytes());
        }
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// The files that [`tree`] looks at, in its order.
pub(crate) fn files(folder: &Path, except: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder, except, &mut found);
    found
}

fn walk(folder: &Path, except: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") || except(&path) {
            continue;
        }
        if path.is_dir() {
            // Links to folders may lead round in a circle; cargo does not follow them either.
            if name != "target" && entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                walk(&path, except, found);
            }
        } else {
            found.push(path);
        }
    }
}
