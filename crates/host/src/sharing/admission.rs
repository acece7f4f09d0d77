//! Whether a request is served here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use protocol::{AdmissionMode, HostLoad, HostSharing, OverLimit, SharingError};
use tokio::time::Instant;

use super::counts::Counts;
use crate::bucket::Bucket;

/// What is saved up where nothing is said, and the least of it in requests.
const BURST: f64 = 0.1;
/// Whose requests are counted.
const USER: &str = "user";
const GUEST: &str = "guest";
/// 2⁶⁴ divided by the golden ratio: its multiples are spread evenly, however many of them are looked at.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// What an agent said, and what came of it.
pub(crate) struct Admission {
    told: ArcSwapOption<Told>,
    bucket: Bucket,
    /// Requests that were split so far.
    split: AtomicU64,
    /// As long as the process: a request may outlive its service, and owners that are counted would cost each request two
    /// atomic steps more.
    counts: &'static Counts,
    metrics: Metrics,
    begun: Instant,
}

/// What an agent said last.
#[derive(Debug)]
pub(crate) struct Told {
    sharing: HostSharing,
    until: Instant,
    /// Nanoseconds between two tokens, and those that are saved up; absent: as many as come.
    rate: Option<(u64, u64)>,
}

impl Told {
    pub(super) fn away(&self) -> Option<&str> {
        self.sharing.away.as_deref()
    }
}

/// Where a request is served.
pub(crate) enum Place {
    Here(Turn),
    /// By another node, or here once there is a token.
    Away(Arc<Told>),
    /// It is another node's, and there is no room.
    NoRoom,
    /// It is of those that are refused whatever room there is.
    Rejected,
}

/// A request that is served here. Dropped, it is over.
pub(crate) struct Turn(&'static Counts);

impl Turn {
    pub(super) fn end(self, took: Duration) {
        self.0.took(took);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Metrics {
    admitted: Family<Class, Counter>,
    /// Of users and of guests: found once, and not for every request.
    users: OnceLock<Counter>,
    guests: OnceLock<Counter>,
    away: Family<AwayOutcome, Counter>,
    refused: Family<Why, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AwayOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Why {
    why: &'static str,
}

impl Metrics {
    fn admitted(&self, class: &'static str) -> &Counter {
        let known = if class == USER { &self.users } else { &self.guests };
        known.get_or_init(|| self.admitted.get_or_create(&Class { class }).clone())
    }
}

impl Admission {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Metrics {
            admitted: Family::default(),
            users: OnceLock::new(),
            guests: OnceLock::new(),
            away: Family::default(),
            refused: Family::default(),
        };
        registry.register(
            "admitted",
            "Requests that an agent let in, of users and of guests",
            metrics.admitted.clone(),
        );
        registry.register("away", "Requests that went to other nodes, by what came of it", metrics.away.clone());
        registry.register("refused", "Requests that no node served, by the reason", metrics.refused.clone());
        Self {
            told: ArcSwapOption::empty(),
            bucket: Bucket::default(),
            split: AtomicU64::new(0),
            counts: Box::leak(Box::default()),
            metrics,
            begun: Instant::now(),
        }
    }

    /// Goes by what an agent says from now on. Tokens that were taken stay taken.
    pub(super) fn tell(&self, sharing: HostSharing) -> Result<(), SharingError> {
        sharing.check()?;
        let rate = sharing.limit.map(|limit| {
            let each = (1e9 / limit).max(1.0);
            let burst = sharing.burst.unwrap_or(limit * BURST).max(1.0);
            // A cast of a float saturates.
            (each as u64, (each * burst) as u64)
        });
        let now = Instant::now();
        let before = self.told.load().as_ref().and_then(|told| told.rate);
        if let (Some((old, _)), Some((new, _))) = (before, rate) {
            self.bucket.rescale(self.at(now), old, new);
        }
        let until = now + Duration::from_millis(sharing.ttl_ms);
        self.told.store(Some(Arc::new(Told { sharing, until, rate })));
        Ok(())
    }

    /// Where a request is served that came now; none where nothing is shared: here, and nothing is counted.
    pub(crate) fn admit(&self, now: Instant, is_guest: impl FnOnce() -> bool) -> Option<Place> {
        let told = self.told.load();
        let told = told.as_ref().filter(|told| now < told.until)?;
        if is_guest() {
            if let Some(turn) = self.take(told, now, true) {
                return Some(self.here(turn, GUEST));
            }
            self.counts.guests_elsewhere.fetch_add(1, Ordering::Relaxed);
            return Some(Place::NoRoom);
        }
        if let AdmissionMode::Split { local, reject } = told.sharing.mode {
            let at = self.split.fetch_add(1, Ordering::Relaxed).wrapping_mul(GOLDEN);
            let percent = at as f64 / 2_f64.powi(64) * 100.0;
            if percent >= local {
                self.counts.users_elsewhere.fetch_add(1, Ordering::Relaxed);
                let is_refused = percent < local + reject;
                return Some(if is_refused { Place::Rejected } else { Place::Away(told.clone()) });
            }
        }
        if let Some(turn) = self.take(told, now, false) {
            return Some(self.here(turn, USER));
        }
        self.counts.users_elsewhere.fetch_add(1, Ordering::Relaxed);
        Some(Place::Away(told.clone()))
    }

    fn here(&self, turn: Turn, class: &'static str) -> Place {
        self.metrics.admitted(class).inc();
        Place::Here(turn)
    }

    /// Takes a token. A guest takes none of the last half: it is kept for users.
    fn take(&self, told: &Told, now: Instant, is_guest: bool) -> Option<Turn> {
        let most = told.sharing.at_once.map_or(u64::MAX, |most| most as u64);
        if self.counts.in_flight.fetch_add(1, Ordering::Relaxed) >= most {
            self.counts.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        // From here on dropped where there is no token.
        let turn = Turn(self.counts);
        let Some((each, saved)) = told.rate else { return Some(turn) };
        let room = if is_guest { (saved / 2).max(each) } else { saved };
        let is_taken = self.bucket.draw(self.at(now), each, room);
        self.counts.note(!is_taken);
        is_taken.then_some(turn)
    }

    /// Waits for a token as long as a request may wait.
    pub(super) async fn wait(&self, told: &Told, deadline: Instant) -> Option<Turn> {
        self.counts.waited.fetch_add(1, Ordering::Relaxed);
        let until = (Instant::now() + Duration::from_millis(told.sharing.patience_ms)).min(deadline);
        loop {
            let now = Instant::now();
            if let Some(turn) = self.take(told, now, false) {
                self.metrics.admitted(USER).inc();
                self.counts.late.fetch_add(1, Ordering::Relaxed);
                return Some(turn);
            }
            let next = now + Duration::from_nanos(told.rate.map_or(1_000_000, |(each, _)| each).max(1_000_000));
            if next > until {
                break;
            }
            tokio::time::sleep_until(next).await;
        }
        if told.sharing.over == OverLimit::Refuse {
            return None;
        }
        self.counts.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Turn(self.counts))
    }

    pub(super) fn refuse(&self, why: &'static str) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        self.metrics.refused.get_or_create(&Why { why }).inc();
    }

    pub(super) fn went_away(&self, outcome: &'static str) {
        if outcome == "answered" {
            self.counts.away.fetch_add(1, Ordering::Relaxed);
        }
        self.metrics.away.get_or_create(&AwayOutcome { outcome }).inc();
    }

    pub(super) async fn load(&self, after: Option<u64>, longest: Duration) -> HostLoad {
        if let Some(after) = after {
            self.counts.wait(after, longest).await;
        }
        // Before those who were let in: it is never more of them.
        let late = self.counts.late.load(Ordering::Relaxed);
        let admitted = |class| self.metrics.admitted(class).get();
        self.counts.read(admitted(USER).saturating_sub(late), admitted(GUEST))
    }

    fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }
}
