//! Measuring, off the request's path: a request leaves what was measured of it in a queue and is done; a task brings
//! it into a ring, where sessions read it. Nothing here waits for a reader, and what is lost is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use protocol::{Cursor, Span};
use tokio::sync::{mpsc, watch};

use crate::bucket::Bucket;
use crate::ring::{Read, Ring};

/// Requests on their way to the ring: what comes in between two looks, many times over.
const MOST_QUEUED: usize = 4096;
/// Between two looks into the queue, so that requests under load do not each wake a task.
const PAUSE: Duration = Duration::from_millis(20);
/// A service may be asked so many times by one request, as a rule; a caller may only say to be a service.
const FOLLOWED: u32 = 16;

/// What a host measured.
pub(crate) struct Recorder {
    queue: mpsc::Sender<Span>,
    /// Of requests that enter the app here, and of those that other services sent.
    entered: Bucket,
    followed: Bucket,
    begun: Instant,
    /// Requests that are only counted, since the last look.
    counted: AtomicU64,
    counted_errors: AtomicU64,
    ring: Mutex<Ring>,
    news: watch::Sender<bool>,
    pub(crate) epoch: u64,
}

impl Recorder {
    /// A recorder, and the other end of its queue for [`Recorder::keep`].
    pub(crate) fn new() -> (Self, mpsc::Receiver<Span>) {
        let (queue, receiver) = mpsc::channel(MOST_QUEUED);
        let epoch = rand::random();
        let recorder = Self {
            queue,
            entered: Bucket::default(),
            followed: Bucket::default(),
            begun: Instant::now(),
            counted: AtomicU64::new(0),
            counted_errors: AtomicU64::new(0),
            ring: Mutex::new(Ring::new(epoch)),
            news: watch::Sender::new(false),
            epoch,
        };
        (recorder, receiver)
    }

    /// Whether a request is recorded in detail: of those that enter the app here at most `most` a second over time, more
    /// at once. Others follow the service that called, or a caller who says to be one: of them [`FOLLOWED`] times as many.
    pub(crate) fn wants(&self, enters: bool, most: u32) -> bool {
        let now = self.begun.elapsed();
        if enters { self.entered.take(now, most) } else { self.followed.take(now, most.saturating_mul(FOLLOWED)) }
    }

    /// Takes a request, or counts it where there is no room.
    pub(crate) fn record(&self, span: Span) {
        if let Err(mpsc::error::TrySendError::Full(span) | mpsc::error::TrySendError::Closed(span)) =
            self.queue.try_send(span)
        {
            self.count(span.is_error());
        }
    }

    /// Counts a request that is not told of in detail.
    pub(crate) fn count(&self, failed: bool) {
        self.counted.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.counted_errors.fetch_add(1, Ordering::Release);
        }
    }

    /// Brings what comes into the ring, for ever.
    pub(crate) async fn keep(&self, mut queue: mpsc::Receiver<Span>) {
        let mut buffer = Vec::new();
        while queue.recv_many(&mut buffer, MOST_QUEUED).await > 0 {
            self.gather(buffer.drain(..));
            self.news.send_if_modified(|_| true);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until there is something after a cursor, a while has passed or the host ends. False: it ends.
    pub(crate) async fn wait(&self, after: Option<Cursor>, longest: Duration) -> bool {
        let mut news = self.news.subscribe();
        self.gather(std::iter::empty());
        if self.ring().has_news(after) {
            return true;
        }
        let ended = *news.borrow();
        // What came since `subscribe` is a change: nothing is missed between the look and here.
        !ended && (tokio::time::timeout(longest, news.changed()).await.is_err() || !*news.borrow())
    }

    /// What came after a cursor.
    pub(crate) fn read(&self, after: Option<Cursor>) -> Read {
        self.gather(std::iter::empty());
        self.ring().read(after)
    }

    /// Whether there is something after a cursor.
    pub(crate) fn has_news(&self, after: Option<Cursor>) -> bool {
        self.ring().has_news(after)
    }

    /// Lets nobody wait any longer: the host ends.
    pub(crate) fn close(&self) {
        self.news.send_replace(true);
    }

    fn gather(&self, spans: impl Iterator<Item = Span>) {
        let mut ring = self.ring();
        spans.for_each(|span| ring.push(span));
        // Errors first: a request is counted before its error, so there are never more errors than requests.
        let errors = self.counted_errors.swap(0, Ordering::Acquire);
        ring.count(self.counted.swap(0, Ordering::Relaxed), errors);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock()
    }
}
