//! Measuring, off the request's path: a request leaves what was measured of it in a queue and is done; a task brings
//! it into a ring, where sessions read it. Nothing here waits for a reader, and what is lost is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hops::{Cursor, Span};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::ring::{Read, Ring};

/// Requests on their way to the ring: what comes in between two looks, many times over.
const MOST_QUEUED: usize = 4096;
/// Between two looks into the queue, so that requests under load do not each wake a task.
const PAUSE: Duration = Duration::from_millis(20);
/// How much a newer rate counts against the rates before.
const SMOOTHING: f64 = 0.5;

/// What a host measured.
pub(crate) struct Recorder {
    queue: mpsc::Sender<Span>,
    /// Requests that entered the app here since the last look.
    entered: AtomicU64,
    /// Requests a second that enter the app here, as bits of an f64.
    rate: AtomicU64,
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
            entered: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            counted_errors: AtomicU64::new(0),
            ring: Mutex::new(Ring::new(epoch)),
            news: watch::Sender::new(false),
            epoch,
        };
        (recorder, receiver)
    }

    /// Whether a request that enters the app here is recorded in detail: by chance, so that about `most` a second are
    /// and none is preferred.
    pub(crate) fn wants(&self, most: u32) -> bool {
        self.entered.fetch_add(1, Ordering::Relaxed);
        let (rate, most) = (f64::from_bits(self.rate.load(Ordering::Relaxed)), f64::from(most));
        most > 0.0 && (rate <= most || rand::random::<f64>() < most / rate)
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
        let (mut buffer, mut looked) = (Vec::new(), Instant::now());
        while queue.recv_many(&mut buffer, MOST_QUEUED).await > 0 {
            self.gather(buffer.drain(..));
            self.news.send_if_modified(|_| true);
            self.measure_rate(looked.elapsed());
            looked = Instant::now();
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

    fn measure_rate(&self, since: Duration) {
        let now = self.entered.swap(0, Ordering::Relaxed) as f64 / since.max(PAUSE).as_secs_f64();
        let before = f64::from_bits(self.rate.load(Ordering::Relaxed));
        self.rate.store((before + SMOOTHING * (now - before)).to_bits(), Ordering::Relaxed);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_as_allowed_are_wanted() {
        let (recorder, _queue) = Recorder::new();
        assert!(!recorder.wants(0) && recorder.wants(1));
        recorder.entered.store(1_000, Ordering::Relaxed);
        for _ in 0..50 {
            recorder.entered.store(1_000, Ordering::Relaxed);
            recorder.measure_rate(Duration::from_millis(100));
        }
        // 10,000 a second, 1,000 allowed: one of ten. Of 20,000, 2,000 with a deviation of 42; ten of them are room.
        let wanted = (0..20_000).filter(|_| recorder.wants(1_000)).count();
        assert!((1_576..=2_424).contains(&wanted), "{wanted}");
        assert!((0..100).all(|_| recorder.wants(10_001)));
    }
}
