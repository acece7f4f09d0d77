//! Pages of a listing.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::open;
use crate::bucket::BucketPage;

/// Objects of a page.
const MOST: usize = 1_000;

/// Objects whose keys begin with a prefix, after a key, in the order of their bytes.
pub(super) fn page(bucket: &Path, prefix: &str, after: &str) -> io::Result<BucketPage> {
    let mut found = Found { prefix, after, keys: BTreeSet::new() };
    found.walk(bucket, "")?;
    let is_more = found.keys.len() > MOST;
    let keys: Vec<String> = found.keys.into_iter().take(MOST).collect();
    let next = if is_more { keys.last().cloned() } else { None };
    // One that was deleted meanwhile is left out.
    let objects = keys.iter().filter_map(|key| open(&bucket.join(key), key).ok()).map(|(_, info)| info).collect();
    Ok(BucketPage { objects, next })
}

struct Found<'a> {
    prefix: &'a str,
    after: &'a str,
    /// The first of all, and one more than a page has.
    keys: BTreeSet<String>,
}

impl Found<'_> {
    fn walk(&mut self, folder: &Path, above: &str) -> io::Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            // A bucket that nobody wrote to, or a folder that was emptied meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // A name that is no text is no key.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (key, kind) = (format!("{above}{name}"), entry.file_type()?);
            if kind.is_dir() {
                let inside = format!("{key}/");
                if self.may_hold(&inside) {
                    self.walk(&entry.path(), &inside)?;
                }
            } else if kind.is_file() && key.starts_with(self.prefix) && key.as_str() > self.after {
                self.keys.insert(key);
                if self.keys.len() > MOST + 1 {
                    self.keys.pop_last();
                }
            }
        }
        Ok(())
    }

    /// Whether keys that begin so may belong to the page.
    fn may_hold(&self, inside: &str) -> bool {
        let is_wanted = inside.starts_with(self.prefix) || self.prefix.starts_with(inside);
        let is_before = self.after >= inside && !self.after.starts_with(inside);
        let is_behind = self.keys.len() > MOST && self.keys.last().is_some_and(|last| last.as_str() < inside);
        is_wanted && !is_before && !is_behind
    }
}
