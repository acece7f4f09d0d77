//! Placed state as it was before a call, from time to time: where to begin from when calls are run again in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dyninka::border::Kind;
use parking_lot::Mutex;
use protocol::record::StateKeyframe;
use serde_json::value::RawValue;

use crate::program::Program;

/// Between two: a busy function writes its state four times a second, for some microseconds each.
const OFTEN: Duration = Duration::from_millis(250);
/// After a state that is large, held, or not written: asking again soon would only cost the next caller. Twice as long
/// each time it is so again.
const SELDOM: Duration = Duration::from_secs(10);
/// It may have become small again by then.
const MOST_SELDOM: Duration = Duration::from_secs(3600);
/// A state with more bytes is not kept.
const MOST_BYTES: usize = 64 << 10;
/// A call waits for its state to be written for so long.
const WITHIN: Duration = Duration::from_millis(50);

/// When the next is due.
#[derive(Default)]
pub(crate) struct Keyframes(Mutex<Option<Due>>);

struct Due {
    at: Instant,
    /// A version that was taken over begins with one.
    version: Arc<str>,
    /// How long the last pause after a failure was; none: the last was written.
    pause: Option<Duration>,
}

impl Keyframes {
    /// The state before the call `sequence`, when one is due.
    pub(crate) async fn take(&self, program: &Program, service: &str, sequence: u64) -> Option<StateKeyframe> {
        if program.description.states.is_empty() || !self.claim(&program.version) {
            return None;
        }
        let (library, states) = (program.library, program.description.states.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut room = MOST_BYTES;
            let read = states.into_iter().map(|state| {
                // Who holds it may do so for ever.
                let outcome = (!library.is_held(&state.name)).then(|| library.state_within(&state.name, room))?;
                room = room.checked_sub(outcome.body.len())?;
                let text = String::from_utf8(outcome.body.to_vec()).ok().filter(|_| outcome.kind == Kind::Value)?;
                Some((state.name, state.fingerprint, RawValue::from_string(text).ok()?))
            });
            read.collect::<Option<Vec<_>>>()
        });
        match tokio::time::timeout(WITHIN, reading).await {
            Ok(Ok(Some(states))) => {
                self.went_well();
                Some(StateKeyframe { service: service.to_owned(), sequence, states })
            }
            _ => {
                self.put_off();
                None
            }
        }
    }

    /// Whether one is due; the next is then a while away.
    fn claim(&self, version: &Arc<str>) -> bool {
        let mut due = self.0.lock();
        let now = Instant::now();
        let is_due = due.as_ref().is_none_or(|due| now >= due.at || due.version != *version);
        if is_due {
            let pause = due.take().filter(|due| due.version == *version).and_then(|due| due.pause);
            *due = Some(Due { at: now + OFTEN, version: version.clone(), pause });
        }
        is_due
    }

    fn put_off(&self) {
        if let Some(due) = self.0.lock().as_mut() {
            let pause = due.pause.map_or(SELDOM, |pause| (2 * pause).min(MOST_SELDOM));
            (due.at, due.pause) = (Instant::now() + pause, Some(pause));
        }
    }

    fn went_well(&self) {
        if let Some(due) = self.0.lock().as_mut() {
            due.pause = None;
        }
    }

    /// The next call begins with one.
    pub(crate) fn reset(&self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_was_too_large_is_asked_for_ever_more_seldom_until_it_is_written() {
        let keyframes = Keyframes::default();
        let version: Arc<str> = "sum@1".into();
        let pause = || keyframes.0.lock().as_ref().and_then(|due| due.pause);
        assert!(keyframes.claim(&version) && !keyframes.claim(&version), "the next is a while away");
        let pauses = std::iter::repeat_with(|| {
            keyframes.put_off();
            pause()
        });
        let pauses: Vec<_> = pauses.take(11).flatten().collect();
        assert_eq!(pauses[..3], [SELDOM, 2 * SELDOM, 4 * SELDOM]);
        assert_eq!(pauses.last(), Some(&MOST_SELDOM));
        assert!(!keyframes.claim(&version));
        assert!(keyframes.claim(&"sum@2".into()) && pause().is_none(), "another version's may be small");
        keyframes.put_off();
        keyframes.went_well();
        assert_eq!(pause(), None);
    }
}
