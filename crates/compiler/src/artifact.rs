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
    /// How many services that one call of rustc compiled, this one among them; 1 where it was compiled alone or was kept.
    pub with: usize,
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

/// The folder of built libraries: `lib-CONTENT.so`, and for each key a record of the content it stands for. A library that
/// needs shared objects of this folder beside it has their names in `lib-CONTENT.needs`.
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

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
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

    /// The library that was used last of those whose keys begin so: they differ in lines, or in what they are linked with.
    pub(crate) fn begins(&self, key: &str) -> Option<PathBuf> {
        let mut labels = self.labels().ok()?;
        labels.sort_by_key(|(_, _, used)| std::cmp::Reverse(*used));
        let keys = labels.iter().filter_map(|(file, ..)| file.file_stem()?.to_str()).filter(|one| one.starts_with(key));
        keys.into_iter().find_map(|key| self.find(key)).map(|(library, _)| library)
    }

    /// Takes a library in that needs these of the folder. `file` must be on the same file system and is gone afterwards.
    pub(crate) fn put(&self, key: &str, file: &Path, needs: &[&str]) -> Result<(PathBuf, u64), BuildError> {
        fs::create_dir_all(&self.folder).map_err(io("create", &self.folder))?;
        let content = fs::read(file).map_err(io("read", file))?;
        let label = Label { content: hash(&content), bytes: content.len() as u64 };
        let library = self.library(&label.content);
        if !needs.is_empty() {
            files::write(&list_of_needs(&library), needs.join("\n").as_bytes())?;
        }
        fs::rename(file, &library).map_err(io("write", &library))?;
        let text = serde_json::to_vec(&label)
            .map_err(|error| BuildError::Unreadable { program: "the label".to_owned(), words: error.to_string() })?;
        files::write(&self.label(key), &text)?;
        Ok((library, label.bytes))
    }

    /// Takes in a library that is that of several keys.
    pub(crate) fn put_all(&self, keys: &[String], file: &Path, needs: &[&str]) -> Result<(), BuildError> {
        let Some((first, rest)) = keys.split_first() else { return Ok(()) };
        self.put(first, file, needs)?;
        let first = self.label(first);
        let label = fs::read(&first).map_err(io("read", &first))?;
        rest.iter().try_for_each(|key| files::write(&self.label(key), &label))
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
        self.prune_needs()?;
        Ok(freed)
    }

    /// Removes what no library needs any more: one whose library has not come for long will get none.
    fn prune_needs(&self) -> Result<(), BuildError> {
        let mut needed = BTreeSet::new();
        for list in self.files("needs")? {
            if list.with_extension("so").exists() || age(&list) < ABANDONED {
                needed.extend(needs(&list.with_extension("so")));
            } else {
                fs::remove_file(&list).map_err(io("remove", &list))?;
            }
        }
        let objects = self.files("so")?.into_iter().filter(|file| !is_library(file)).chain(self.files("base")?);
        // A base may be made at this moment, for a library that comes.
        for file in objects.filter(|file| !needed.contains(file) && age(file) > FORGOTTEN) {
            fs::remove_file(&file).map_err(io("remove", &file))?;
        }
        Ok(())
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
        Ok(self.files("so")?.into_iter().filter(|file| is_library(file)).filter_map(size).collect())
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

/// The shared objects that a library needs beside it, to be put wherever it is put.
pub fn needs(library: &Path) -> Vec<PathBuf> {
    let names = fs::read_to_string(list_of_needs(library)).unwrap_or_default();
    names.lines().map(|name| library.with_file_name(name)).collect()
}

fn list_of_needs(library: &Path) -> PathBuf {
    library.with_extension("needs")
}

/// Puts a file into a folder under its own name, and answers that. It takes no more of the disk where that can be.
pub(crate) fn put_beside(folder: &Path, file: &Path) -> std::io::Result<String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let place = folder.join(&name);
    let aside = tempfile::Builder::new().tempdir_in(folder)?;
    let made = aside.path().join(&name);
    if fs::hard_link(file, &made).is_err() {
        fs::copy(file, &made)?;
    }
    fs::rename(made, &place)?;
    Ok(name)
}

/// What no library needs is removed after this.
const FORGOTTEN: Duration = Duration::from_secs(30 * 24 * 3600);

/// A library whose label has not come within this will get none.
const ABANDONED: Duration = Duration::from_secs(3600);

fn age(file: &Path) -> Duration {
    let modified = fs::metadata(file).and_then(|data| data.modified());
    modified.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default()
}

fn is_library(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lib-"))
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
        artifacts.put(key, &file, &[]).unwrap();
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
    fn of_libraries_whose_keys_begin_alike_the_last_used_is_found() {
        let cache = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(cache.path());
        put(&artifacts, "12345678aa", "older", 100);
        put(&artifacts, "12345678bb", "newer", 10);
        put(&artifacts, "12345679cc", "other", 0);
        let found = artifacts.begins("12345678").unwrap();
        assert_eq!(fs::read(found).unwrap(), b"newer");
        assert_eq!(artifacts.begins("00000000"), None);
    }

    #[test]
    fn what_a_library_needs_is_known_and_kept_with_it() {
        let cache = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(cache.path());
        put(&artifacts, "plain", "plain", 0);
        let [one, other] = ["libbase-1.so", "libbase-2.so"].map(|name| artifacts.folder.join(name));
        for file in [&one, &other] {
            fs::write(file, "object").unwrap();
            let at = SystemTime::now() - 2 * FORGOTTEN;
            fs::File::options().append(true).open(file).unwrap().set_modified(at).unwrap();
        }
        let made = cache.path().join("made");
        fs::write(&made, "library").unwrap();
        let (library, _) = artifacts.put("key", &made, &["libbase-1.so"]).unwrap();
        assert_eq!(needs(&library), std::slice::from_ref(&one));
        assert_eq!(artifacts.usage().unwrap().0, 2, "libraries of services alone are counted");
        artifacts.prune(u64::MAX).unwrap();
        assert_eq!((one.exists(), other.exists()), (true, false));
        let list = list_of_needs(&library);
        fs::File::options().append(true).open(&list).unwrap().set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
        artifacts.prune(0).unwrap();
        assert!(!library.exists() && !list.exists() && !one.exists());
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
