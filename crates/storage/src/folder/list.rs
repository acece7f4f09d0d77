//! Listings of a folder, in the order of keys.

use std::fs;
use std::path::Path;

use super::sidecar;
use crate::error::StorageError;
use crate::object::{ListPage, ListedObject};

/// Objects of a page.
const PAGE: usize = 1_000;

struct Walk<'a> {
    bucket: &'a Path,
    sidecars: &'a Path,
    prefix: &'a str,
    after: &'a str,
    found: Vec<ListedObject>,
}

/// A page of the objects after a key.
pub(super) fn page(bucket: &Path, sidecars: &Path, prefix: &str, after: &str) -> Result<ListPage, StorageError> {
    let mut walk = Walk { bucket, sidecars, prefix, after, found: Vec::new() };
    walk.folder("")?;
    let mut objects = walk.found;
    let next = (objects.len() > PAGE).then(|| {
        objects.truncate(PAGE);
        objects.last().map(|last| last.key.clone()).unwrap_or_default()
    });
    Ok(ListPage { objects, next })
}

impl Walk<'_> {
    /// Walks a folder, whose path in the bucket ends with a slash or is empty.
    fn folder(&mut self, path: &str) -> Result<(), StorageError> {
        let entries = match fs::read_dir(self.bucket.join(path)) {
            Ok(entries) => entries,
            // Its last object was deleted meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !path.is_empty() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // What is no UTF-8 is no key.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                names.push(format!("{path}{name}/"));
            } else if kind.is_file() {
                names.push(format!("{path}{name}"));
            }
        }
        // As keys are ordered: the slash of a folder counts.
        names.sort_unstable();
        for name in names {
            if self.found.len() > PAGE {
                break;
            }
            if name.ends_with('/') {
                let may_follow = name.as_str() > self.after || self.after.starts_with(&name);
                if may_follow && (name.starts_with(self.prefix) || self.prefix.starts_with(&name)) {
                    self.folder(&name)?;
                }
            } else if name.as_str() > self.after && name.starts_with(self.prefix) {
                self.file(name)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, key: String) -> Result<(), StorageError> {
        let about = match fs::symlink_metadata(self.bucket.join(&key)) {
            Ok(about) => about,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let head = sidecar::head(sidecar::of(self.sidecars, &key, &about), &about);
        self.found.push(ListedObject { key, tag: head.tag, size: head.size });
        Ok(())
    }
}
