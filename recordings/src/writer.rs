//! Requests to a folder, off everybody's way.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use crate::header::{FILE, Header};
use crate::line::Lines;
use crate::request::{Keyframe, Request};

/// A recording being made. What is given to it waits in a bounded queue for a thread that writes; it never makes its
/// giver wait, and what finds no room is counted.
#[derive(Debug)]
pub struct Writer {
    queue: Option<SyncSender<Item>>,
    thread: Option<JoinHandle<()>>,
    tally: Arc<Tally>,
    bounds: Bounds,
    folder: PathBuf,
}

/// What a recording may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests that may wait to be written.
    pub queue: usize,
    /// Bytes that may wait to be written.
    pub queue_bytes: u64,
    /// Bytes from which on a body is put beside the lines.
    pub line_body: u64,
    /// Bytes of the largest body that is kept.
    pub body: u64,
    /// Bytes of disk the recording may take; nothing more is recorded after.
    pub disk: u64,
    /// Of so many requests one is recorded; 0 is taken for 1.
    pub every: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // Two seconds of the 500 that hosts record in detail.
            queue: 1024,
            queue_bytes: 64 << 20,
            line_body: 64 << 10,
            body: 16 << 20,
            disk: 4 << 30,
            every: 1,
        }
    }
}

/// How far a recording has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordedCounts {
    /// Requests written.
    pub requests: u64,
    /// Requests that found the queue full: the disk is slow.
    pub slow: u64,
    /// Requests that the disk refused, or that were over the bound of what the recording may take.
    pub refused: u64,
    /// Bytes of disk it takes.
    pub bytes: u64,
}

/// What the user is to know of a recording under way. Each is said once, until it has gone well again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingNotice {
    /// The disk does not take it.
    #[error("recording to {} goes on without what the disk refuses: {error}", .folder.display())]
    Refused {
        /// The recording.
        folder: PathBuf,
        error: String,
    },
    /// The disk takes it again.
    #[error("recording to {} goes on; {lost} requests are missing", .folder.display())]
    Resumed {
        /// The recording.
        folder: PathBuf,
        /// Requests that are missing in all.
        lost: u64,
    },
    /// Half a line is left in the file. It is read over.
    #[error("recording to {} has a torn line: {error}", .folder.display())]
    Torn {
        /// The recording.
        folder: PathBuf,
        error: String,
    },
    /// Requests come faster than the disk takes them.
    #[error("recording to {} leaves requests out: the disk is slower than they come", .folder.display())]
    Slow {
        /// The recording.
        folder: PathBuf,
    },
    /// It has grown as large as it may.
    #[error("recording to {} has ended: it has reached its {bytes} bytes", .folder.display())]
    Full {
        /// The recording.
        folder: PathBuf,
        /// The bound.
        bytes: u64,
    },
}

/// A recording that could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("cannot record to {}: a recording of that name is there", .0.display())]
    Exists(PathBuf),
    /// The disk refuses.
    #[error("cannot record to {}: {error}", .path.display())]
    Disk {
        /// What was to be written.
        path: PathBuf,
        error: io::Error,
    },
}

/// What waits to be written.
#[derive(Debug)]
pub(crate) enum Item {
    Request(Arc<Request>),
    /// Placed state.
    Keyframe(Arc<Keyframe>),
}

/// Counts that both sides have a hand in.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: AtomicU64,
    pub(crate) slow: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) bytes: AtomicU64,
    waiting: AtomicU64,
    offered: AtomicU64,
}

impl Writer {
    /// Begins a recording in a folder that is not there yet. Notices are told from the thread that writes.
    pub fn create(
        folder: &Path,
        header: &Header,
        bounds: Bounds,
        notice: impl FnMut(RecordingNotice) + Send + 'static,
    ) -> Result<Self, WriteError> {
        let path = folder.join(FILE);
        let disk = |error| WriteError::Disk { path: path.clone(), error };
        // What travelled is its owner's alone.
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(disk)?;
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let file: File = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => WriteError::Exists(folder.to_owned()),
            _ => disk(error),
        })?;
        let tally = Arc::new(Tally::default());
        let header = Header { every: bounds.every.max(1), ..header.clone() };
        let lines = Lines::begin(file, folder, &header, bounds, Arc::clone(&tally)).map_err(disk)?;
        let (sender, receiver) = sync_channel(bounds.queue.max(1));
        let shared = Arc::clone(&tally);
        let thread = std::thread::Builder::new()
            .name("recording".into())
            .spawn(move || write(&receiver, lines, &shared, notice))
            .map_err(disk)?;
        Ok(Self { queue: Some(sender), thread: Some(thread), tally, bounds, folder: folder.to_owned() })
    }

    /// Gives a request to be written. Never waits: where there is no room it is counted as `slow`.
    pub fn request(&self, request: &Arc<Request>) {
        let offered = self.tally.offered.fetch_add(1, Relaxed);
        if !offered.is_multiple_of(u64::from(self.bounds.every.max(1))) {
            return;
        }
        if !self.send(request.bytes(), Item::Request(Arc::clone(request))) {
            self.tally.slow.fetch_add(1, Relaxed);
        }
    }

    /// Gives placed state to be written. Never waits; without it a function's state is only known less often.
    pub fn keyframe(&self, keyframe: &Arc<Keyframe>) {
        self.send(keyframe.bytes(), Item::Keyframe(Arc::clone(keyframe)));
    }

    /// How far it has got.
    pub fn counts(&self) -> RecordedCounts {
        let tally = &self.tally;
        let [requests, slow, refused, bytes] =
            [&tally.requests, &tally.slow, &tally.refused, &tally.bytes].map(|count| count.load(Relaxed));
        RecordedCounts { requests, slow, refused, bytes }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends it: what waits is written first. May wait for the disk.
    pub fn close(mut self) -> RecordedCounts {
        self.end();
        self.counts()
    }

    fn send(&self, bytes: u64, item: Item) -> bool {
        let Some(queue) = &self.queue else { return false };
        if self.tally.waiting.load(Relaxed).saturating_add(bytes) > self.bounds.queue_bytes {
            return false;
        }
        self.tally.waiting.fetch_add(bytes, Relaxed);
        match queue.try_send(item) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.tally.waiting.fetch_sub(bytes, Relaxed);
                false
            }
        }
    }

    fn end(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Item {
    fn bytes(&self) -> u64 {
        match self {
            Self::Request(request) => request.bytes(),
            Self::Keyframe(keyframe) => keyframe.bytes(),
        }
    }
}

/// Writes until nobody gives any more: one write for all that waits, since the disk may be slow.
fn write(queue: &Receiver<Item>, mut lines: Lines, tally: &Tally, mut notice: impl FnMut(RecordingNotice)) {
    while let Ok(first) = queue.recv() {
        let mut freed = 0;
        for item in std::iter::once(first).chain(std::iter::from_fn(|| queue.try_recv().ok())) {
            freed += item.bytes();
            lines.add(&item, &mut notice);
            if lines.is_batch() {
                break;
            }
        }
        lines.flush(&mut notice);
        tally.waiting.fetch_sub(freed, Relaxed);
    }
    lines.end(&mut notice);
}

#[cfg(test)]
mod tests;
