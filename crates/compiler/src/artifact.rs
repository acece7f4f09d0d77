//! Built libraries, kept by what they are built from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{BuildError, io};
use crate::files;

/// A library that holds one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// The service's Rust name.
    pub service: String,
    /// `service@hash` of what it is built from.
    pub version: String,
    /// The library. Its name is its content hash: another content is never found under the same path.
    pub path: PathBuf,
    /// Size of the library.
    pub bytes: u64,
    /// Whether it was compiled just now; else it was kept from earlier.
    pub built: bool,
    /// Files that it rests on beside the app's own and those of its dependencies.
    pub rests_on: BTreeSet<PathBuf>,
    /// As [`crate::Recipe::outside`] has it for the service.
    pub outside: String,
    /// Time from the request to the library, in milliseconds.
    pub ms: f64,
}

/// What the cache takes of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Number of kept libraries.
    pub artifacts: u64,
    pub artifact_bytes: u64,
    /// Bytes of compiled dependencies, sources carried along and records.
    pub dependency_bytes: u64,
}

/// The folder of built libraries: `lib-CONTENT.so`, and for each key a record of the content it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Artifacts {
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Label {
    content: String,
    bytes: u64,
}

impl Artifacts {
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("artifacts") }
    }

    /// The library kept under a key. One that was cut short by a power failure or a full disk has another content
    /// than its name says and is as good as none; that is why no time is spent on forcing bytes to the disk.
    pub(crate) fn find(&self, key: &str) -> Option<(PathBuf, u64)> {
        let file = self.label(key);
        let label: Label = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
        let library = self.library(&label.content);
        let content = fs::read(&library).ok()?;
        if content.len() as u64 != label.bytes || hash(&content) != label.content {
            tracing::warn!(library = %library.display(), "a kept library is damaged and is built anew");
            return None;
        }
        // What is used is kept longest. That it cannot be marked costs a build some day, no more.
        if let Err(error) = fs::File::open(&file).and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!(%error, "a kept library could not be marked as used");
        }
        Some((library, label.bytes))
    }

    /// The library kept under the one key that begins so.
    pub(crate) fn begins(&self, key: &str) -> Option<PathBuf> {
        let files = self.files("json").ok()?.into_iter();
        let mut keys = files.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()));
        let found = keys.find(|one| one.starts_with(key))?;
        // Of two that begin so nobody can say which is meant.
        if keys.any(|one| one.starts_with(key)) {
            return None;
        }
        self.find(&found).map(|(library, _)| library)
    }

    /// Takes a library in. `file` must be on the same file system and is gone afterwards.
    pub(crate) fn put(&self, key: &str, file: &Path) -> Result<(PathBuf, u64), BuildError> {
        fs::create_dir_all(&self.folder).map_err(io("create", &self.folder))?;
        let content = fs::read(file).map_err(io("read", file))?;
        let label = Label { content: hash(&content), bytes: content.len() as u64 };
        let library = self.library(&label.content);
        fs::rename(file, &library).map_err(io("write", &library))?;
        let text = serde_json::to_vec(&label)
            .map_err(|error| BuildError::Unreadable { program: "the label".to_owned(), words: error.to_string() })?;
        files::write(&self.label(key), &text)?;
        Ok((library, label.bytes))
    }

    /// Takes in a library that is that of several keys.
    pub(crate) fn put_all<'k>(&self, mut keys: impl Iterator<Item = &'k str>, file: &Path) -> Result<(), BuildError> {
        let Some(first) = keys.next() else { return Ok(()) };
        self.put(first, file)?;
        let first = self.label(first);
        let label = fs::read(&first).map_err(io("read", &first))?;
        keys.try_for_each(|key| files::write(&self.label(key), &label))
    }

    /// Removes what was not used for longest until at most `limit` bytes are left. Answers the bytes freed.
    pub(crate) fn prune(&self, limit: u64) -> Result<u64, BuildError> {
        // In this order: a library that another session puts here meanwhile is not in the list.
        let libraries = self.libraries()?;
        let mut labels = self.labels()?;
        let labelled: BTreeSet<String> = labels.iter().map(|(_, label, _)| library_name(&label.content)).collect();
        labels.sort_by_key(|(_, _, used)| std::cmp::Reverse(*used));
        let (mut kept, mut used) = (Vec::new(), 0);
        for (file, label, _) in labels {
            if kept.contains(&label.content) {
                continue;
            }
            if used + label.bytes <= limit {
                used += label.bytes;
                kept.push(label.content);
            } else {
                fs::remove_file(&file).map_err(io("remove", &file))?;
            }
        }
        let mut freed = 0;
        for (library, bytes) in libraries {
            let name = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_kept = kept.iter().any(|content| name == library_name(content));
            // One without a label is just being put here, unless it has been so for long: then its build was killed.
            let is_coming = !labelled.contains(&name) && age(&library) < ABANDONED;
            if !is_kept && !is_coming {
                fs::remove_file(&library).map_err(io("remove", &library))?;
                freed += bytes;
            }
        }
        Ok(freed)
    }

    pub(crate) fn usage(&self) -> Result<(u64, u64), BuildError> {
        let libraries = self.libraries()?;
        Ok((libraries.len() as u64, libraries.iter().map(|(_, bytes)| bytes).sum()))
    }

    fn labels(&self) -> Result<Vec<(PathBuf, Label, SystemTime)>, BuildError> {
        let files = self.files("json")?.into_iter();
        let read = |file: PathBuf| {
            let label = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
            let used = fs::metadata(&file).ok()?.modified().ok()?;
            Some((file, label, used))
        };
        Ok(files.filter_map(read).collect())
    }

    fn libraries(&self) -> Result<Vec<(PathBuf, u64)>, BuildError> {
        let size = |file: PathBuf| fs::metadata(&file).ok().map(|data| (file, data.len()));
        Ok(self.files("so")?.into_iter().filter_map(size).collect())
    }

    fn files(&self, extension: &str) -> Result<Vec<PathBuf>, BuildError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(io("list", &self.folder))?,
        };
        let files = entries.flatten().map(|entry| entry.path());
        Ok(files.filter(|file| file.extension().is_some_and(|it| it == extension)).collect())
    }

    fn label(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    fn library(&self, content: &str) -> PathBuf {
        self.folder.join(library_name(content))
    }
}

/// A library whose label has not come within this will get none.
const ABANDONED: Duration = Duration::from_secs(3600);

fn age(file: &Path) -> Duration {
    let modified = fs::metadata(file).and_then(|data| data.modified());
    modified.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

fn library_name(content: &str) -> String {
    format!("lib-{content}.so")
}

fn hash(content: &[u8]) -> String {
    blake3::hash(content).to_hex()[..32].to_owned()
}

/// Bytes below a folder; what cannot be read takes none.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn put(artifacts: &Artifacts, key: &str, content: &str, age: u64) {
        let file = artifacts.folder.with_file_name("made");
        fs::write(&file, content).unwrap();
        artifacts.put(key, &file).unwrap();
        let label = fs::File::open(artifacts.label(key)).unwrap();
        label.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }

    #[test]
    fn a_library_is_found_under_its_key() {
        let cache = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(cache.path());
        assert_eq!(artifacts.find("key"), None);
        put(&artifacts, "key", "library", 0);
        let (library, bytes) = artifacts.find("key").unwrap();
        assert_eq!((fs::read(&library).unwrap(), bytes), (b"library".to_vec(), 7));
        assert_eq!(artifacts.find("other"), None);
    }

    #[test]
    fn a_library_cut_short_is_not_found() {
        let cache = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(cache.path());
        put(&artifacts, "key", "library", 0);
        let (library, _) = artifacts.find("key").unwrap();
        fs::write(&library, "lib").unwrap();
        assert_eq!(artifacts.find("key"), None);
        fs::write(&library, "liBrary").unwrap();
        assert_eq!(artifacts.find("key"), None);
    }

    #[test]
    fn a_library_that_is_just_being_put_here_is_nobodys_to_remove() {
        let cache = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(cache.path());
        fs::create_dir_all(&artifacts.folder).unwrap();
        let library = artifacts.library("coming");
        fs::write(&library, "library").unwrap();
        assert_eq!(artifacts.prune(0).unwrap(), 0);
        assert!(library.exists());
        let hours_ago = SystemTime::now() - 2 * ABANDONED;
        fs::File::options().append(true).open(&library).unwrap().set_modified(hours_ago).unwrap();
        assert_eq!(artifacts.prune(0).unwrap(), 7);
    }

    #[test]
    fn what_was_used_last_is_kept() {
        let cache = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(cache.path());
        for (key, content, age) in
            [("old", "aaaa", 300), ("new", "bbbb", 100), ("older", "cccc", 400), ("same", "aaaa", 500)]
        {
            put(&artifacts, key, content, age);
        }
        assert_eq!(artifacts.usage().unwrap(), (3, 12));
        assert!(artifacts.find("older").is_some(), "and is marked as used");
        assert_eq!(artifacts.prune(8).unwrap(), 4);
        assert!(artifacts.find("older").is_some() && artifacts.find("new").is_some());
        assert!(artifacts.find("old").is_none() && artifacts.find("same").is_none());
        assert_eq!(artifacts.prune(0).unwrap(), 8);
        assert_eq!(artifacts.usage().unwrap(), (0, 0));
    }
}
