//! Beats of a link: whether the other side is there, and how far away.

use std::collections::VecDeque;
use std::time::Duration;

/// The time between two beats.
pub const BEAT: Duration = Duration::from_millis(250);
/// Beats without an echo after which a link is down.
const MISSED: u32 = 3;
/// Round trips that the shortest is taken of.
const KEPT: usize = 8;

/// The beats of one link, by the clock of the side that sends them.
#[derive(Clone, Debug)]
pub struct LinkPulse {
    next: u64,
    open: VecDeque<(u64, Duration)>,
    trips: VecDeque<Duration>,
    heard: Duration,
}

impl LinkPulse {
    pub fn new(now: Duration) -> Self {
        Self { next: 0, open: VecDeque::new(), trips: VecDeque::new(), heard: now }
    }

    /// The number of the next beat, which is sent now.
    pub fn beat(&mut self, now: Duration) -> u64 {
        self.next += 1;
        self.open.push_back((self.next, now));
        if self.open.len() > 4 * KEPT {
            self.open.pop_front();
        }
        self.next
    }

    /// Notes an echo. One that nobody asked for counts for nothing.
    pub fn echo(&mut self, number: u64, now: Duration) {
        let Some(at) = self.open.iter().position(|(sent, _)| *sent == number) else { return };
        let Some((_, sent)) = self.open.drain(..=at).next_back() else { return };
        self.heard = now;
        self.trips.push_back(now.saturating_sub(sent));
        if self.trips.len() > KEPT {
            self.trips.pop_front();
        }
    }

    /// Whether the other side has not answered for three beats.
    pub fn is_lost(&self, now: Duration) -> bool {
        now.saturating_sub(self.heard) > BEAT * MISSED && self.open.len() >= MISSED as usize
    }

    /// The round trip: the shortest of the last ones.
    pub fn rtt(&self) -> Option<Duration> {
        self.trips.iter().min().copied()
    }
}
