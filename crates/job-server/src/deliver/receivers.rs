//! How many callbacks are under way to which receiver. One that hangs holds up its own callbacks, and many of them hold up
//! none to those that answer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Deliveries at a time, in all.
pub(super) const AT_ONCE: usize = 32;
/// Those to one host.
pub(super) const TO_ONE: usize = 4;
/// Those to one host that did not answer the last time, or has not been asked yet.
const TO_SILENT: usize = 1;
/// Those to all such hosts: the others have the rest for themselves.
const SILENT: usize = AT_ONCE / 2;
/// Hosts that are remembered, of those to which nothing is under way.
const KEPT: usize = 4_096;

/// Receivers of callbacks, by host.
#[derive(Default)]
pub(super) struct Receivers(Mutex<HashMap<String, Receiver>>);

#[derive(Clone, Copy, Default)]
struct Receiver {
    under_way: usize,
    /// Those that began while it was silent.
    silent: usize,
    answers: bool,
}

/// The place of a delivery that is under way.
pub(super) struct Place {
    receivers: Arc<Receivers>,
    host: String,
    was_silent: bool,
    /// Whether it answered, of a delivery that ended.
    answered: Option<bool>,
}

impl Receivers {
    /// A place for a delivery to a host; none where it has to wait.
    pub(super) fn enter(self: &Arc<Self>, host: &str) -> Option<Place> {
        let mut all = self.0.lock();
        let (under_way, silent) =
            all.values().fold((0, 0), |(way, silent), of| (way + of.under_way, silent + of.silent));
        let own = all.get(host).copied().unwrap_or_default();
        let has_room = if own.answers { own.under_way < TO_ONE } else { own.under_way < TO_SILENT && silent < SILENT };
        if under_way >= AT_ONCE || !has_room {
            return None;
        }
        let own = all.entry(host.to_owned()).or_default();
        own.under_way += 1;
        own.silent += usize::from(!own.answers);
        let was_silent = !own.answers;
        Some(Place { receivers: self.clone(), host: host.to_owned(), was_silent, answered: None })
    }
}

impl Place {
    /// The delivery has ended: with an answer, whatever it said, or without.
    pub(super) fn ended(&mut self, answered: bool) {
        self.answered = Some(answered);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.receivers.0.lock();
        if let Some(own) = all.get_mut(&self.host) {
            own.under_way -= 1;
            own.silent -= usize::from(self.was_silent);
            own.answers = self.answered.unwrap_or(own.answers);
        }
        if all.len() > KEPT {
            all.retain(|_, of| of.under_way > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_that_hang_leave_room_for_those_that_answer() {
        let receivers = Arc::new(Receivers::default());
        let mut first = receivers.enter("good").expect("a place");
        assert!(receivers.enter("good").is_none(), "it has not answered yet");
        first.ended(true);
        drop(first);
        // Each of those that hang has one place, and all of them half of the places.
        let hung: Vec<Place> = (0..40).filter_map(|number| receivers.enter(&format!("hangs{number}"))).collect();
        assert_eq!(hung.len(), SILENT);
        let mut good: Vec<Place> = std::iter::from_fn(|| receivers.enter("good")).collect();
        assert_eq!(good.len(), TO_ONE);
        good.iter_mut().for_each(|place| place.ended(false));
        drop(good);
        assert!(receivers.enter("good").is_none(), "now it is one of those that do not answer");
        drop(hung);
        assert!(receivers.enter("good").is_some());
    }

    #[test]
    fn no_more_are_under_way_than_there_are_places_and_few_hosts_are_remembered() {
        let receivers = Arc::new(Receivers::default());
        let answers = |host: &str| receivers.enter(host).expect("a place").ended(true);
        (0..KEPT * 2).for_each(|number| answers(&format!("host{number}")));
        assert!(receivers.0.lock().len() <= KEPT + 1);
        let own: Vec<String> = (0..10).map(|number| format!("own{number}")).collect();
        own.iter().for_each(|host| answers(host));
        let all: Vec<Place> = (0..9).flat_map(|_| &own).filter_map(|host| receivers.enter(host)).collect();
        assert_eq!(all.len(), AT_ONCE);
    }
}
