//! The runtime's sources, carried inside `dyn`, so that a file needs no checkout of ours to be built.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{BuildError, io};

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// Writes the runtime's sources to `folder`, and answers the folder of the crate `dyninka`: what a manifest of the user's
/// names by its path. Another `dyn` puts its own in the same place, so that the manifest holds.
pub fn unpack_runtime(folder: &Path) -> Result<PathBuf, BuildError> {
    for (name, text) in FILES {
        let inside = name.strip_prefix("runtime/").unwrap_or(name);
        crate::files::write_changed(&folder.join(inside), text.as_bytes())?;
    }
    folder.canonicalize().map_err(io("find", folder))
}

/// Hash of all that is carried.
pub(crate) fn hash() -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, text) in FILES {
        crate::hash::field(&mut hasher, name.as_bytes());
        crate::hash::field(&mut hasher, text.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Writes the sources below `cache`, under their hash, and answers the folder of the crate `dyninka`.
/// They are written once: cargo judges by time stamps, so files that are right already are not touched.
pub(crate) fn unpack(cache: &Path) -> Result<PathBuf, BuildError> {
    let folder = cache.join("runtime").join(hash());
    for (name, text) in FILES {
        let file = folder.join(name);
        let text = if name.ends_with("Cargo.toml") { with_own_version(text) } else { (*text).to_owned() };
        if fs::read(&file).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        crate::files::write(&file, text.as_bytes())?;
    }
    let crate_folder = folder.join("runtime");
    crate_folder.canonicalize().map_err(io("find", &crate_folder))
}

/// A manifest with a version that no checkout has: cargo's lock file takes two packages of one name and version for
/// one, and the user's package, or one that it depends on, may name `dyninka` by a path of its own.
fn with_own_version(manifest: &str) -> String {
    match manifest.split_once("\nversion = \"") {
        Some((before, after)) => {
            let (version, rest) = after.split_once('"').unwrap_or((after, ""));
            format!("{before}\nversion = \"{version}+dyn\"{rest}")
        }
        None => manifest.to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_has_a_version_of_its_own() {
        let manifest = "[package]\nname = \"a\"\nversion = \"0.1.0\"\n[dependencies]\nb = { version = \"1\" }\n";
        assert_eq!(with_own_version(manifest), manifest.replace("0.1.0", "0.1.0+dyn"));
    }

    #[test]
    fn the_runtime_of_packages_is_a_crate() {
        let home = tempfile::tempdir().unwrap();
        let folder = unpack_runtime(&home.path().join("runtime")).unwrap();
        assert!(folder.join("src/lib.rs").is_file() && folder.join("macros/src/lib.rs").is_file());
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("path = \"macros\"") && !manifest.contains("+dyn"), "{manifest}");
    }

    #[test]
    fn the_runtime_is_written_once() {
        let cache = tempfile::tempdir().unwrap();
        let folder = unpack(cache.path()).unwrap();
        let border = folder.join("src/border.rs");
        let before = fs::metadata(&border).unwrap().modified().unwrap();
        fs::write(folder.join("src/lib.rs"), "spoilt").unwrap();
        assert_eq!(unpack(cache.path()).unwrap(), folder);
        assert_eq!(fs::metadata(&border).unwrap().modified().unwrap(), before);
        assert_ne!(fs::read_to_string(folder.join("src/lib.rs")).unwrap(), "spoilt");
        assert!(folder.join("macros/Cargo.toml").exists());
    }
}
