//! What functions received and what came of it, for sessions that want to know: off the request's path, in bounded
//! memory. A request leaves its values, which are shared and not copied, in a queue; a task brings them into a ring.
//! What there is no room for is counted.

pub(crate) mod admin;
mod kept;
mod keyframe;
mod ring;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use protocol::Cursor;
use tokio::sync::{mpsc, watch};

pub(crate) use kept::{BodyCall, Ended, Held, Kept, Run, Visit};
pub(crate) use keyframe::Keyframes;
use ring::{Read, Ring};

use crate::group::Group;

/// Requests on their way to the ring: what comes in between two looks, many times over.
const MOST_QUEUED: usize = 4096;
/// Bytes of values on their way to the ring.
const MOST_QUEUED_BYTES: usize = 32 << 20;
/// Between two looks into the queue, so that requests under load do not each wake a task.
const PAUSE: Duration = Duration::from_millis(20);

/// What a host recorded.
pub(crate) struct Records {
    queue: mpsc::Sender<Kept>,
    queued: AtomicUsize,
    /// What the queue had no room for, since the last look.
    lost: AtomicU64,
    /// Calls of the function, recorded or not.
    calls: AtomicU64,
    pub(crate) keyframes: Keyframes,
    ring: Mutex<Ring>,
    news: watch::Sender<bool>,
}

impl Records {
    /// Records, and the other end of their queue for [`Records::keep`].
    pub(crate) fn new(epoch: u64) -> (Self, mpsc::Receiver<Kept>) {
        let (queue, receiver) = mpsc::channel(MOST_QUEUED);
        let records = Self {
            queue,
            queued: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            keyframes: Keyframes::default(),
            ring: Mutex::new(Ring::new(epoch)),
            news: watch::Sender::new(false),
        };
        (records, receiver)
    }

    /// The number of the function's next call.
    pub(crate) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// The number the function's next call will have, unless another comes in between.
    pub(crate) fn peek_call(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Takes what was recorded, or counts it where there is no room.
    pub(crate) fn record(&self, kept: Kept) {
        let bytes = kept.bytes();
        let before = self.queued.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > MOST_QUEUED_BYTES || self.queue.try_send(kept).is_err() {
            self.queued.fetch_sub(bytes, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Brings what comes into the ring, for ever. A host shares room between its services.
    pub(crate) async fn keep(&self, group: &Group, mut queue: mpsc::Receiver<Kept>) {
        let mut buffer = Vec::new();
        while queue.recv_many(&mut buffer, MOST_QUEUED).await > 0 {
            for kept in buffer.drain(..) {
                let bytes = kept.bytes();
                // A value may be a few bytes of a connection's buffer, and would keep all of that.
                let apart = kept.apart();
                self.ring().push(apart, group.recorded(ring::MOST_BYTES));
                self.queued.fetch_sub(bytes, Ordering::Relaxed);
            }
            self.gather();
            self.news.send_if_modified(|_| true);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Forgets all: recording was switched off.
    pub(crate) fn clear(&self) {
        self.ring().clear();
        self.keyframes.reset();
    }

    /// Waits until there is something after a cursor, a while has passed or the host ends. False: it ends.
    async fn wait(&self, after: Option<Cursor>, longest: Duration) -> bool {
        let mut news = self.news.subscribe();
        if self.has_news(after) {
            return true;
        }
        let ended = *news.borrow();
        // What came since `subscribe` is a change: nothing is missed between the look and here.
        !ended && (tokio::time::timeout(longest, news.changed()).await.is_err() || !*news.borrow())
    }

    fn has_news(&self, after: Option<Cursor>) -> bool {
        self.gather();
        self.ring().has_news(after)
    }

    fn read(&self, after: Option<Cursor>) -> Read {
        self.gather();
        self.ring().read(after)
    }

    /// Lets nobody wait any longer: the host ends.
    pub(crate) fn close(&self) {
        self.news.send_replace(true);
    }

    fn gather(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.ring().lose(lost);
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock()
    }
}
