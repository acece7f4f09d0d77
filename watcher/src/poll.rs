//! Looking at files by ourselves, where the system does not tell of changes.
//!
//! Only the watched files are looked at, whatever else is in their folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How often files are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// A file that changed is read for this long: two saves within one tick of the file system's clock have one time. The
/// coarsest clock in use (FAT's) ticks every two seconds.
const DOUBTED: Duration = Duration::from_secs(3);

/// A longer file is known by its size and times alone.
const READ: u64 = 1 << 20;

/// Looks at files from a thread of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Poller {
    files: Arc<Mutex<BTreeMap<PathBuf, Seen>>>,
    /// Hung up by dropping it.
    _alive: mpsc::Sender<()>,
}

impl Poller {
    /// Tells of every file that is not what it was when it was last looked at.
    pub(crate) fn start(tell: impl Fn(BTreeSet<PathBuf>) + Send + 'static) -> io::Result<Self> {
        let files = Arc::<Mutex<BTreeMap<PathBuf, Seen>>>::default();
        let (alive, ended) = mpsc::channel();
        let looked_at = Arc::clone(&files);
        thread::Builder::new().name("dyn-poll".to_owned()).spawn(move || {
            while ended.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                let touched = look(&mut looked_at.lock());
                if !touched.is_empty() {
                    tell(touched);
                }
            }
        })?;
        Ok(Self { files, _alive: alive })
    }

    /// Looks at these files from now on, and at no others.
    pub(crate) fn watch(&self, files: &BTreeSet<PathBuf>) {
        let mut known = self.files.lock();
        known.retain(|file, _| files.contains(file));
        for file in files {
            known.entry(file.clone()).or_insert_with(|| Seen::of(file));
        }
    }
}

fn look(files: &mut BTreeMap<PathBuf, Seen>) -> BTreeSet<PathBuf> {
    let changed = files.iter_mut().filter_map(|(file, seen)| seen.changes(file).then(|| file.clone()));
    changed.collect()
}

/// What is known of a file.
#[derive(Debug)]
struct Seen {
    /// Device, inode, size, and the times of its content and of itself. None: there is no such file.
    state: Option<[i128; 5]>,
    content: Option<u64>,
    /// When it was last seen to change.
    changed: Instant,
}

impl Seen {
    fn of(file: &Path) -> Self {
        let state = state(file);
        Self { state, content: content(file, state), changed: Instant::now() }
    }

    /// Looks again, and says whether it is another.
    fn changes(&mut self, file: &Path) -> bool {
        let state = state(file);
        if state == self.state && self.changed.elapsed() > DOUBTED {
            return false;
        }
        let content = content(file, state);
        let changes = state != self.state || content != self.content;
        if changes {
            *self = Self { state, content, changed: Instant::now() };
        }
        changes
    }
}

fn state(file: &Path) -> Option<[i128; 5]> {
    let metadata = fs::metadata(file).ok()?;
    let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    Some([
        i128::from(metadata.dev()),
        i128::from(metadata.ino()),
        i128::from(metadata.size()),
        time(metadata.mtime(), metadata.mtime_nsec()),
        time(metadata.ctime(), metadata.ctime_nsec()),
    ])
}

/// A hash of a file's content, where it is a short one.
fn content(file: &Path, state: Option<[i128; 5]>) -> Option<u64> {
    if state?[2] > i128::from(READ) || !fs::metadata(file).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(READ).read_to_end(&mut bytes).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Some(hasher.finish())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_save_of_one_size_and_time_is_seen_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.rs");
        fs::write(&file, "one").unwrap();
        let mut seen = Seen::of(&file);
        assert!(!seen.changes(&file));
        fs::write(&file, "two").unwrap();
        // As if the file system's clock had not moved on.
        seen.state = state(&file);
        assert!(seen.changes(&file));
        assert!(!seen.changes(&file));
        fs::remove_file(&file).unwrap();
        assert!(seen.changes(&file) && !seen.changes(&file));
    }

    #[test]
    fn a_long_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.bin");
        File::create(&file).unwrap().set_len(READ + 1).unwrap();
        let mut seen = Seen::of(&file);
        assert_eq!((seen.content, seen.changes(&file)), (None, false));
        File::options().append(true).open(&file).unwrap().set_len(READ + 2).unwrap();
        assert!(seen.changes(&file));
    }
}
