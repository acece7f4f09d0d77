//! Disk to settled batches of changes.
//!
//! Folders are watched, not files: an editor that writes aside and renames makes a new file of the same name. A
//! batch begins with the first event, ends when nothing came for [`SETTLE`], and lasts [`LONGEST`] at most. What a
//! batch says is only "look again": whoever reads the files decides by their content whether anything changed, so
//! an event too many costs a look and a loop cannot start from reading.

mod filter;
mod settle;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Config, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use filter::Filter;
pub use settle::{Batch, LONGEST, SETTLE};

/// How often folders are looked through where the system tells of no changes.
const POLL: Duration = Duration::from_millis(200);

/// Watches a set of files.
pub struct Watcher {
    watcher: Box<dyn notify::Watcher + Send>,
    folders: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
    events: UnboundedReceiver<notify::Result<notify::Event>>,
    /// What came of a batch whose wait was given up.
    gathering: settle::Gathering,
    polling: Option<String>,
}

/// Watching is not possible.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system refuses, and so does looking by ourselves.
    #[error("watch {}: {source}", path.display())]
    Refused {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: notify::Error,
    },
}

impl Watcher {
    /// Watches these files. Where the system cannot tell of changes (no inotify watches left, a network file
    /// system), folders are looked through instead, and [`Watcher::polling`] says why.
    pub fn new(files: &BTreeSet<PathBuf>) -> Result<Self, WatchError> {
        match Self::native(files) {
            Ok(watcher) => Ok(watcher),
            Err(WatchError::Refused { path, source }) => {
                let why = format!("{}: {source}", path.display());
                let mut watcher = Self::by_polling(files)?;
                watcher.polling = Some(why);
                Ok(watcher)
            }
        }
    }

    /// Looks through folders by ourselves, whatever the system offers.
    pub fn by_polling(files: &BTreeSet<PathBuf>) -> Result<Self, WatchError> {
        // Contents are compared too: two saves within one tick of the file system's clock have one time.
        let config = Config::default().with_poll_interval(POLL).with_compare_contents(true);
        Self::with(files, |sender| {
            let watcher = PollWatcher::new(move |event| drop(sender.send(event)), config)?;
            Ok(Box::new(watcher))
        })
    }

    fn native(files: &BTreeSet<PathBuf>) -> Result<Self, WatchError> {
        if let Some(path) = files.iter().find(|path| filter::on_network(path)) {
            let source = notify::Error::generic("a network file system does not tell of changes made elsewhere");
            return Err(WatchError::Refused { path: path.clone(), source });
        }
        Self::with(files, |sender| {
            let watcher = RecommendedWatcher::new(move |event| drop(sender.send(event)), Config::default())?;
            Ok(Box::new(watcher))
        })
    }

    fn with<F>(files: &BTreeSet<PathBuf>, make: F) -> Result<Self, WatchError>
    where
        F: FnOnce(
            tokio::sync::mpsc::UnboundedSender<notify::Result<notify::Event>>,
        ) -> notify::Result<Box<dyn notify::Watcher + Send>>,
    {
        let (sender, events) = unbounded_channel();
        let refused = |source| WatchError::Refused { path: PathBuf::from("."), source };
        let watcher = make(sender).map_err(refused)?;
        let mut watcher = Self {
            watcher,
            folders: BTreeSet::new(),
            files: BTreeSet::new(),
            events,
            gathering: settle::Gathering::default(),
            polling: None,
        };
        watcher.watch(files)?;
        Ok(watcher)
    }

    /// Why folders are looked through instead of waiting to be told, where that is so.
    pub fn polling(&self) -> Option<&str> {
        self.polling.as_deref()
    }

    /// Watches these files from now on, and no others.
    pub fn watch(&mut self, files: &BTreeSet<PathBuf>) -> Result<(), WatchError> {
        let folders = filter::folders(files);
        for folder in self.folders.difference(&folders) {
            // A folder that is gone has no watch left to remove.
            drop(self.watcher.unwatch(folder));
        }
        for folder in folders.difference(&self.folders) {
            let refused = |source| WatchError::Refused { path: folder.clone(), source };
            self.watcher.watch(folder, RecursiveMode::NonRecursive).map_err(refused)?;
        }
        self.folders = folders;
        self.files = files.clone();
        Ok(())
    }

    /// The next batch: watched files that something happened to. Cancel safe: what came before is in the next one.
    pub async fn next(&mut self) -> Option<Batch> {
        let filter = Filter::new(&self.files);
        settle::next(&mut self.events, &mut self.gathering, |event| filter.touched(event)).await
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("folders", &self.folders)
            .field("polling", &self.polling)
            .finish_non_exhaustive()
    }
}

/// The folder a file is in, `.` for a bare name.
fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
