//! Disk to settled batches of changes.
//!
//! Folders are watched, not files: an editor that writes aside and renames makes a new file of the same name. A
//! batch begins with the first event and ends once each file of it was closed after writing or moved to its name. One
//! that may still be written ends when nothing came for [`SETTLE`], and lasts [`LONGEST`] at most. What a
//! batch says is only "look again": whoever reads the files decides by their content whether anything changed, so
//! an event too many costs a look and a loop cannot start from reading.
//!
//! The system's watch is on a folder, whatever its name, and no event says that a folder above was moved or that a link
//! above leads elsewhere. So the names are looked up five times a second; where one leads to another folder than the one
//! that is watched, that one is watched instead, and its files are told as changed. The working folder is followed by its
//! name likewise, since the names may be relative to it.

mod filter;
mod here;
mod mount;
mod poll;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use filter::{Filter, Identity};
use here::Here;
use poll::Poller;
pub use settle::{ChangeBatch, LONGEST, SETTLE};
use settle::{Stage, Touched};

/// How often the names of folders are looked up.
const LOOK: Duration = Duration::from_millis(200);

/// Watches a set of files.
pub struct Watcher {
    source: Source,
    here: Here,
    files: BTreeSet<PathBuf>,
    /// Shared with the thread the system's events come to.
    filter: Arc<Mutex<Filter>>,
    /// Where the names of the folders led when they were last looked up.
    leads: BTreeMap<PathBuf, Option<Identity>>,
    /// Kept, so that another source can take over.
    sender: UnboundedSender<Touched>,
    events: UnboundedReceiver<Touched>,
    /// What came of a batch whose wait was given up.
    gathering: settle::Gathering,
    polling: Option<String>,
    look: Instant,
}

/// Where news of files comes from.
enum Source {
    System(RecommendedWatcher),
    Polling(Poller),
}

/// Watching is not possible.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system refuses, and so does looking by ourselves.
    #[error("cannot watch {}: {source}", path.display())]
    Refused {
        /// The folder.
        path: PathBuf,
        source: notify::Error,
    },
}

impl Watcher {
    /// Watches these files. Where the system cannot tell of changes (no inotify watches left, a network file
    /// system), the files are looked at instead, and [`Watcher::polling`] says why.
    pub fn new(files: &BTreeSet<PathBuf>) -> Result<Self, WatchError> {
        let (sender, events) = unbounded_channel();
        let filter = Arc::<Mutex<Filter>>::default();
        let (source, polling) = match system(&sender, &filter) {
            Ok(watcher) => (Source::System(watcher), None),
            Err(error) => (Source::Polling(poller(&sender)?), Some(error.to_string())),
        };
        Self::with(files, source, polling, filter, (sender, events))
    }

    /// Looks at files by ourselves, whatever the system offers.
    pub fn by_polling(files: &BTreeSet<PathBuf>) -> Result<Self, WatchError> {
        let (sender, events) = unbounded_channel();
        let source = Source::Polling(poller(&sender)?);
        Self::with(files, source, None, Arc::default(), (sender, events))
    }

    fn with(
        files: &BTreeSet<PathBuf>,
        source: Source,
        polling: Option<String>,
        filter: Arc<Mutex<Filter>>,
        (sender, events): (UnboundedSender<Touched>, UnboundedReceiver<Touched>),
    ) -> Result<Self, WatchError> {
        let mut watcher = Self {
            source,
            here: Here::find(),
            files: BTreeSet::new(),
            filter,
            leads: BTreeMap::new(),
            sender,
            events,
            gathering: settle::Gathering::default(),
            polling,
            look: Instant::now() + LOOK,
        };
        watcher.watch(files)?;
        Ok(watcher)
    }

    /// Why files are looked at instead of waiting to be told, where that is so. May come to be so later.
    pub fn polling(&self) -> Option<&str> {
        self.polling.as_deref()
    }

    /// Watches these files from now on, and no others.
    pub fn watch(&mut self, files: &BTreeSet<PathBuf>) -> Result<(), WatchError> {
        self.files = files.clone();
        self.watch_folders().map(drop)
    }

    /// The next batch: watched files that something happened to. Cancel safe: what came before is in the next one.
    pub async fn next(&mut self) -> Option<ChangeBatch> {
        loop {
            tokio::select! {
                biased;
                batch = settle::next(&mut self.events, &mut self.gathering, Clone::clone) => {
                    let batch = batch?;
                    // A link that leads elsewhere now: what it leads to is watched before anybody reads it.
                    let swapped = { let filter = self.filter(); batch.files.iter().any(|file| !filter.knows(file)) };
                    if swapped {
                        self.look_again();
                    }
                    return Some(batch);
                }
                () = sleep_until(self.look) => {
                    self.look = Instant::now() + LOOK;
                    self.here.follow();
                    if self.astray() {
                        self.look_again();
                    }
                }
            }
        }
    }

    /// Whether a name leads to another folder than the one that is watched, or a watch was lost.
    fn astray(&self) -> bool {
        if matches!(self.source, Source::Polling(_)) {
            return false;
        }
        let lost = {
            let filter = self.filter();
            self.leads.values().flatten().any(|lead| !filter.watched.values().any(|watched| watched == lead))
        };
        lost || filter::leads(&self.files) != self.leads
    }

    /// Watches the folders that the names lead to now; their files are told, since what happened in between was not seen.
    fn look_again(&mut self) {
        match self.watch_folders() {
            Ok(files) => self.gathering.add(Touched { files, stage: Stage::Begun }),
            // A folder that goes while it is being watched: the next look finds it gone.
            Err(WatchError::Refused { .. }) => {}
        }
    }

    /// Watches the folders of the files. Returns the files in those that were not watched before.
    fn watch_folders(&mut self) -> Result<BTreeSet<PathBuf>, WatchError> {
        self.leads = filter::leads(&self.files);
        let folders = filter::folders(&self.files);
        let stale = {
            let mut filter = self.filter();
            filter.set(&self.files);
            let stale = filter.watched.iter().filter(|(folder, id)| folders.get(*folder) != Some(id));
            let stale: Vec<PathBuf> = stale.map(|(folder, _)| folder.clone()).collect();
            for folder in &stale {
                filter.watched.remove(folder);
            }
            stale
        };
        if let Source::System(watcher) = &mut self.source {
            for folder in stale {
                // A folder that is gone has no watch left to remove.
                drop(watcher.unwatch(&folder));
            }
        }
        let silent = folders.keys().find_map(|folder| mount::silent(folder).map(|kind| (folder.clone(), kind)));
        if let Some((folder, kind)) = silent {
            self.poll(format!("{}: {kind} does not tell of changes made elsewhere", folder.display()))?;
        }
        let mut touched = BTreeSet::new();
        for (folder, identity) in folders {
            if !self.filter().watched.contains_key(&folder) {
                self.watch_folder(&folder, identity)?;
                touched.extend(self.filter().within(&folder));
            }
        }
        if let Source::Polling(poller) = &self.source {
            poller.watch(&self.files);
        }
        Ok(touched)
    }

    fn watch_folder(&mut self, folder: &Path, identity: Identity) -> Result<(), WatchError> {
        let Source::System(watcher) = &mut self.source else { return Ok(()) };
        // Entered first: an event that takes it out again may come before this returns. The lock is not held meanwhile,
        // since the thread that would answer may be waiting for it.
        lock(&self.filter).watched.insert(folder.to_owned(), identity);
        // A watch that is left under this path (its folder went, and no event has said so yet) gives way.
        drop(watcher.unwatch(folder));
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => Ok(()),
            Err(source) => {
                self.filter().watched.remove(folder);
                if Identity::of(folder).is_none() {
                    // It has gone meanwhile: the next look finds out what becomes of it.
                    return Ok(());
                }
                self.poll(format!("{}: {source}", folder.display()))
            }
        }
    }

    /// Looks at the files from now on.
    fn poll(&mut self, why: String) -> Result<(), WatchError> {
        if matches!(self.source, Source::System(_)) {
            self.source = Source::Polling(poller(&self.sender)?);
            self.polling = Some(why);
            self.filter().watched.clear();
        }
        Ok(())
    }

    fn filter(&self) -> MutexGuard<'_, Filter> {
        lock(&self.filter)
    }
}

fn lock(filter: &Mutex<Filter>) -> MutexGuard<'_, Filter> {
    filter.lock()
}

fn system(sender: &UnboundedSender<Touched>, filter: &Arc<Mutex<Filter>>) -> notify::Result<RecommendedWatcher> {
    let (sender, filter) = (sender.clone(), Arc::clone(filter));
    let tell = move |event| {
        let touched = lock(&filter).touched(&event);
        if !touched.files.is_empty() {
            // The watcher is being dropped.
            drop(sender.send(touched));
        }
    };
    RecommendedWatcher::new(tell, Config::default())
}

fn poller(sender: &UnboundedSender<Touched>) -> Result<Poller, WatchError> {
    let sender = sender.clone();
    Poller::start(move |files| drop(sender.send(Touched { files, stage: Stage::Begun })))
        .map_err(|error| WatchError::Refused { path: PathBuf::from("."), source: notify::Error::io(error) })
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("folders", &self.leads.keys())
            .field("polling", &self.polling)
            .finish_non_exhaustive()
    }
}

/// The folder a file is in, `.` for a bare name.
fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
