//! What came of requests while load was shared.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use protocol::HostLoad;
use tokio::sync::Notify;

/// Counts, and whether the limit is reached.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests of users and of guests that were not let in at once.
    pub(super) users_elsewhere: AtomicU64,
    pub(super) guests_elsewhere: AtomicU64,
    /// Of users' requests those that were let in after a wait.
    pub(super) late: AtomicU64,
    pub(super) away: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) waited: AtomicU64,
    pub(super) in_flight: AtomicU64,
    median: AtomicU64,
    seq: AtomicU64,
    is_empty: AtomicBool,
    changed: Notify,
}

impl Counts {
    /// The limit is reached, or there is room again.
    pub(super) fn note(&self, is_empty: bool) {
        if self.is_empty.load(Ordering::Relaxed) != is_empty
            && self.is_empty.swap(is_empty, Ordering::Relaxed) != is_empty
        {
            self.seq.fetch_add(1, Ordering::Relaxed);
            self.changed.notify_waiters();
        }
    }

    /// Notes how long a request took. The median moves towards it by a thirty-second part of itself.
    pub(super) fn took(&self, time: Duration) {
        let took = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let median = self.median.load(Ordering::Relaxed);
        let step = (median / 32).max(1);
        let next = match median {
            0 => took,
            _ if took > median => median.saturating_add(step),
            _ => median - step.min(median),
        };
        self.median.store(next, Ordering::Relaxed);
    }

    /// Waits until the limit is reached or is no longer, unless that was after `seq` already.
    pub(super) async fn wait(&self, after: u64, longest: Duration) {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        // Registered before the look, so that nothing is missed between them.
        changed.as_mut().enable();
        if self.seq.load(Ordering::Relaxed) <= after {
            // Time has passed, or something has changed: either way there is an answer now.
            let _ = tokio::time::timeout(longest, changed).await;
        }
    }

    /// All counts, with those of users and guests who were let in at once.
    pub(super) fn read(&self, users: u64, guests: u64) -> HostLoad {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let seconds = u64::try_from(cpu.tv_sec).unwrap_or_default();
        HostLoad {
            seq: count(&self.seq),
            users: users + count(&self.users_elsewhere),
            guests: guests + count(&self.guests_elsewhere),
            away: count(&self.away),
            refused: count(&self.refused),
            waited: count(&self.waited),
            in_flight: count(&self.in_flight),
            cpu_ns: seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(u64::try_from(cpu.tv_nsec).unwrap_or_default()),
            p50_ns: count(&self.median),
        }
    }
}
