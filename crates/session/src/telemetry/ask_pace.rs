//! How often hosts are asked: the more of them there are, the less often each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Between two questions to any host, on average. A question takes about a tenth of a millisecond of the session and as
/// much of its host, so asking two hundred busy hosts twenty times a second at two doors would fill a core.
const EACH: Duration = Duration::from_millis(1);
/// Doors that a host is asked at.
const DOORS: u32 = 2;
/// A host holds a question for so long at least.
const HELD: Duration = Duration::from_millis(50);
/// Parts of a request are waited for twice as long.
const LONGEST: Duration = Duration::from_secs(1);

/// The number of hosts that are asked, known to all who ask.
#[derive(Clone, Debug, Default)]
pub struct AskPace(Arc<AtomicUsize>);

impl AskPace {
    /// So many hosts are asked from now on.
    pub fn know(&self, hosts: usize) {
        self.0.store(hosts, Ordering::Relaxed);
    }

    /// The time between an answer of a host and the next question to it: none while there are few.
    pub(super) fn pause(&self) -> Duration {
        pause(self.0.load(Ordering::Relaxed))
    }
}

fn pause(hosts: usize) -> Duration {
    let questions = u32::try_from(hosts).unwrap_or(u32::MAX).saturating_mul(DOORS);
    EACH.saturating_mul(questions).saturating_sub(HELD).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_hosts_are_asked_without_a_pause_and_many_a_thousand_times_a_second_in_all() {
        let millis = |hosts| pause(hosts).as_millis();
        assert_eq!([0, 4, 25, 26, 50, 200].map(millis), [0, 0, 0, 2, 50, 350]);
        assert_eq!(pause(usize::MAX), LONGEST);
        let pace = AskPace::default();
        pace.clone().know(200);
        assert_eq!(pace.pause(), pause(200));
    }
}
