//! Bundles and their libraries as files of a node: what the next start runs again.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bundle::{NodeBundle, is_hash};
use crate::folder::write_whole;

/// A push may take so long from its first library to its bundle.
const UPLOAD: Duration = Duration::from_secs(3600);

/// Libraries by their hashes, bundles by their apps.
pub(crate) struct KeptBundles {
    folder: PathBuf,
    /// When libraries came: those of a push that goes on are in no bundle yet.
    came: Mutex<BTreeMap<String, Instant>>,
}

impl KeptBundles {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, came: Mutex::default() }
    }

    /// The bundles that ran when the agent ended.
    pub(crate) fn bundles(&self) -> Vec<NodeBundle> {
        let folder = self.folder.join("bundles");
        if !folder.exists() {
            return Vec::new();
        }
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.unwrap_or_else(|error| {
            tracing::warn!(folder = %folder.display(), %error, "no app is started again: push them again");
            Vec::new()
        });
        // Others are what was being written when the agent was killed.
        let is_bundle = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
        let read = |path: PathBuf| {
            let bundle = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
            let failed = |error: &io::Error| {
                tracing::warn!(file = %path.display(), %error, "an app is not started again: push it again");
            };
            bundle.inspect_err(failed).ok()
        };
        entries.into_iter().map(|entry| entry.path()).filter(is_bundle).filter_map(read).collect()
    }

    /// Keeps a bundle for the next start.
    pub(crate) fn keep(&self, bundle: &NodeBundle) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(bundle)?;
        fs::create_dir_all(self.folder.join("bundles"))?;
        write_whole(&self.bundle(&bundle.app), &text)
    }

    /// Where the bundle of an app is kept.
    pub(crate) fn bundle(&self, app: &str) -> PathBuf {
        self.folder.join("bundles").join(format!("{app}.json"))
    }

    /// The libraries of these that are not here.
    pub(crate) fn missing(&self, hashes: &[String]) -> Vec<String> {
        let is_missing = |hash: &&String| !is_hash(hash) || !self.library(hash).is_file();
        hashes.iter().filter(is_missing).cloned().collect()
    }

    /// Keeps a library, if it is what its name says.
    pub(crate) fn keep_library(&self, hash: &str, bytes: &[u8]) -> Result<(), String> {
        if blake3::hash(bytes).to_hex().as_str() != hash {
            return Err("the content has another hash than its name says".to_owned());
        }
        // Before it is there, so that it is not cleared away.
        self.came.lock().insert(hash.to_owned(), Instant::now());
        let written =
            fs::create_dir_all(self.folder.join("blobs")).and_then(|()| write_whole(&self.library(hash), bytes));
        written.map_err(|error| format!("cannot keep it: {error}"))
    }

    /// Where a library is kept.
    pub(crate) fn library(&self, hash: &str) -> PathBuf {
        self.folder.join("blobs").join(hash)
    }

    /// Removes libraries that no bundle has any more.
    pub(crate) fn clear(&self, is_used: impl Fn(&str) -> bool) {
        let mut came = self.came.lock();
        came.retain(|_, at| at.elapsed() < UPLOAD);
        let is_old = |entry: &DirEntry| {
            let changed = entry.metadata().and_then(|about| about.modified());
            changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|ago| ago > UPLOAD))
        };
        let is_left = |entry: &DirEntry| match entry.file_name().to_string_lossy() {
            name if is_hash(&name) => !is_used(&name) && !came.contains_key(&*name),
            // Being written, or left by an agent that was killed.
            _ => is_old(entry),
        };
        let Ok(entries) = fs::read_dir(self.folder.join("blobs")) else { return };
        for entry in entries.filter_map(Result::ok).filter(is_left) {
            if let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(file = %entry.path().display(), %error, "a library could not be removed");
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_was_being_written_is_no_bundle_and_what_cannot_be_read_costs_no_other() {
        let home = tempfile::tempdir().unwrap();
        let kept = KeptBundles::new(home.path().to_owned());
        assert_eq!(kept.bundles().len(), 0);
        kept.keep(&NodeBundle::new("banner", 1)).unwrap();
        fs::copy(kept.bundle("banner"), home.path().join("bundles/.tmpAbCdEf")).unwrap();
        fs::write(kept.bundle("half"), "{ \"app\": ").unwrap();
        let apps: Vec<_> = kept.bundles().into_iter().map(|bundle| bundle.app).collect();
        assert_eq!(apps, ["banner"]);
    }

    #[test]
    fn libraries_go_that_nobody_uses_sends_or_writes() {
        let home = tempfile::tempdir().unwrap();
        let kept = KeptBundles::new(home.path().to_owned());
        let blobs = home.path().join("blobs");
        fs::create_dir_all(&blobs).unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * UPLOAD;
        let (used, unused) = ("a".repeat(64), "b".repeat(64));
        for name in [used.as_str(), unused.as_str(), ".tmpNew", ".tmpOld"] {
            fs::write(blobs.join(name), name).unwrap();
            if name != ".tmpNew" {
                fs::File::options().write(true).open(blobs.join(name)).unwrap().set_modified(long_ago).unwrap();
            }
        }
        let sent = blake3::hash(b"sent").to_hex().to_string();
        kept.keep_library(&sent, b"sent").unwrap();
        kept.clear(|name| name == used);
        let is_there = |name: &str| blobs.join(name).exists();
        assert_eq!(
            [used.as_str(), unused.as_str(), ".tmpNew", ".tmpOld", sent.as_str()].map(is_there),
            [true, false, true, false, true]
        );
        assert_eq!(kept.missing(&[used, unused.clone()]), [unused]);
    }
}
