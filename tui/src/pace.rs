//! When the next frame is drawn: at once where nothing was drawn lately, never where nothing changed.

use std::time::{Duration, Instant};

/// 20 frames a second.
const GAP: Duration = Duration::from_millis(50);

/// When the next frame is drawn.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    changed: bool,
    drawn: Option<Instant>,
}

impl Pace {
    /// Something changed that is seen.
    pub(crate) fn mark(&mut self) {
        self.changed = true;
    }

    /// Whether a frame is owed.
    pub(crate) fn is_owed(&self) -> bool {
        self.changed
    }

    /// How long to wait for the frame that is owed; none where none is.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.drawn.map_or(Duration::ZERO, |drawn| (drawn + GAP).saturating_duration_since(now));
        self.changed.then_some(wait)
    }

    /// A frame was drawn.
    pub(crate) fn drawn(&mut self, now: Instant) {
        self.changed = false;
        self.drawn = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_drawn_at_once_and_a_storm_twenty_times_a_second() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut pace = Pace::default();
        assert_eq!(pace.wait(at(0)), None, "nothing changed, nothing is drawn");
        let mut frames = 0;
        for ms in 0..1_000 {
            pace.mark();
            if pace.wait(at(ms)) == Some(Duration::ZERO) {
                pace.drawn(at(ms));
                frames += 1;
            }
        }
        assert_eq!(frames, 20);
        assert_eq!(pace.wait(at(5_000)), Some(Duration::ZERO), "the last change is not forgotten");
        pace.drawn(at(5_000));
        pace.mark();
        assert_eq!(pace.wait(at(5_010)), Some(Duration::from_millis(40)));
    }
}
