//! Placed state as it was before a call, from time to time: where to begin from when calls are run again in order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dyninka::border::Kind;
use hops::record::Keyframe;
use serde_json::value::RawValue;

use crate::program::Program;

/// Between two: a busy function writes its state four times a second, for some microseconds each.
const OFTEN: Duration = Duration::from_millis(250);
/// After a state that is large, held, or not written: asking again soon would only cost the next caller.
const SELDOM: Duration = Duration::from_secs(10);
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
}

impl Keyframes {
    /// The state before the call `sequence`, when one is due.
    pub(crate) async fn take(&self, program: &Program, service: &str, sequence: u64) -> Option<Keyframe> {
        if program.description.states.is_empty() || !self.claim(&program.version) {
            return None;
        }
        let (library, states) = (program.library, program.description.states.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut room = MOST_BYTES;
            let read = states.into_iter().map(|state| {
                // Who holds it may do so for ever.
                let outcome = (!library.is_held(&state.name)).then(|| library.state(&state.name))?;
                room = room.checked_sub(outcome.body.len())?;
                let text = String::from_utf8(outcome.body.to_vec()).ok().filter(|_| outcome.kind == Kind::Value)?;
                Some((state.name, state.fingerprint, RawValue::from_string(text).ok()?))
            });
            read.collect::<Option<Vec<_>>>()
        });
        match tokio::time::timeout(WITHIN, reading).await {
            Ok(Ok(Some(states))) => Some(Keyframe { service: service.to_owned(), sequence, states }),
            _ => {
                self.put_off();
                None
            }
        }
    }

    /// Whether one is due; the next is then a while away.
    fn claim(&self, version: &Arc<str>) -> bool {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = due.as_ref().is_none_or(|due| now >= due.at || due.version != *version);
        if is_due {
            *due = Some(Due { at: now + OFTEN, version: version.clone() });
        }
        is_due
    }

    fn put_off(&self) {
        if let Some(due) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            due.at = Instant::now() + SELDOM;
        }
    }

    /// The next call begins with one.
    pub(crate) fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
