//! The choice between instances of a service: of two at random, the one that fewer calls run at.
//!
//! Two random ones are enough: an instance that is slow collects calls, and loses every comparison from then on. One that
//! did not answer at all is avoided for a while. A service of one instance never comes by here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::Peer;

/// An instance that did not answer a call is asked only where all others did not either, for this long.
const AVOIDED: Duration = Duration::from_secs(1);
/// The calls that it passes for meanwhile.
const MANY: usize = 1 << 20;

/// What is known of instances, by address. One that is idle and answers is not in it.
#[derive(Debug, Default)]
pub(crate) struct Balance(Mutex<HashMap<String, Load>>);

#[derive(Debug, Default)]
struct Load {
    running: usize,
    /// When it did not answer last.
    failed: Option<Instant>,
}

impl Load {
    fn at(&self, now: Instant) -> usize {
        let is_avoided = self.failed.is_some_and(|failed| now.saturating_duration_since(failed) < AVOIDED);
        if is_avoided { self.running + MANY } else { self.running }
    }
}

/// A call that runs at an instance until it is dropped.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    balance: &'a Balance,
    address: &'a str,
    answered: bool,
}

impl Balance {
    /// Chooses one of these addresses, by a random number.
    pub(crate) fn choose(&self, addresses: &[&str], random: u64) -> usize {
        let (loads, now) = (self.0.lock(), Instant::now());
        let load = |at: usize| addresses.get(at).and_then(|address| loads.get(*address)).map_or(0, |load| load.at(now));
        pick(addresses.len(), random, load)
    }

    /// The calls that run at each of these addresses; many more where one did not answer of late.
    pub(crate) fn running(&self, addresses: &[&str]) -> Vec<usize> {
        let (loads, now) = (self.0.lock(), Instant::now());
        addresses.iter().map(|address| loads.get(*address).map_or(0, |load| load.at(now))).collect()
    }

    /// Counts a call at an instance.
    pub(crate) fn call<'a>(&'a self, address: &'a str) -> Call<'a> {
        let mut loads = self.0.lock();
        match loads.get_mut(address) {
            Some(load) => load.running += 1,
            None => drop(loads.insert(address.to_owned(), Load { running: 1, failed: None })),
        }
        Call { balance: self, address, answered: false }
    }
}

impl Call<'_> {
    /// Notes that it was answered. Dropped without this, it says that the instance does not answer.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut loads = self.balance.0.lock();
        let Some(load) = loads.get_mut(self.address) else { return };
        load.running = load.running.saturating_sub(1);
        load.failed = (!self.answered).then(Instant::now);
        if load.running == 0 && self.answered {
            loads.remove(self.address);
        }
    }
}

/// The addresses of all instances of a service.
pub(crate) fn addresses(peer: &Peer) -> Vec<&str> {
    [&peer.address].into_iter().chain(&peer.others).map(String::as_str).collect()
}

/// Picks two of `count` by the halves of a random number, and of them the one that fewer calls run at; the first where
/// both have as many. With one to choose from it is that.
fn pick(count: usize, random: u64, running: impl Fn(usize) -> usize) -> usize {
    if count < 2 {
        return 0;
    }
    let half = |bits: u64, of: usize| usize::try_from((bits & u64::from(u32::MAX)) % of as u64).unwrap_or(0);
    let first = half(random, count);
    let second = (first + 1 + half(random >> 32, count - 1)) % count;
    if running(second) < running(first) { second } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(first: u32, second: u32) -> u64 {
        u64::from(second) << 32 | u64::from(first)
    }

    #[test]
    fn of_two_instances_the_one_with_fewer_calls_is_picked() {
        let running = [5, 2, 9];
        let picked = |first, second| pick(3, random(first, second), |at| running[at]);
        assert_eq!([picked(0, 0), picked(0, 1), picked(2, 0), picked(2, 1)], [1, 0, 0, 1]);
        assert_eq!(pick(1, u64::MAX, |_| 7), 0);
        assert_eq!(pick(0, 3, |_| 0), 0);
    }

    #[test]
    fn idle_instances_are_picked_equally_and_the_busiest_never() {
        let mut counts = [0; 3];
        for first in 0..3 {
            for second in 0..2 {
                counts[pick(3, random(first, second), |_| 0)] += 1;
            }
        }
        assert_eq!(counts, [2, 2, 2]);
        for first in 0..30 {
            for second in 0..20 {
                assert_ne!(pick(3, random(first, second), |at| usize::from(at == 1)), 1);
            }
        }
    }

    #[test]
    fn calls_are_counted_until_they_end_and_nothing_is_kept_of_those_that_were_answered() {
        let balance = Balance::default();
        let (one, two) = (balance.call("a:1"), balance.call("a:1"));
        assert_eq!(balance.choose(&["a:1", "b:1"], random(0, 0)), 1);
        one.answered();
        assert_eq!(balance.choose(&["a:1", "b:1"], random(0, 0)), 1);
        two.answered();
        assert_eq!(balance.choose(&["a:1", "b:1"], random(0, 0)), 0);
        assert!(balance.0.lock().is_empty());
    }

    #[test]
    fn an_instance_that_did_not_answer_is_avoided_for_a_while_or_until_it_answers() {
        let (failed, now) = (Some(Instant::now()), Instant::now());
        assert_eq!(Load { running: 1, failed }.at(now), 1 + MANY);
        assert_eq!(Load { running: 1, failed }.at(now + 2 * AVOIDED), 1);
        let balance = Balance::default();
        drop(balance.call("a:1"));
        let others = [balance.call("b:1"), balance.call("b:1")];
        assert_eq!(balance.choose(&["a:1", "b:1"], random(0, 0)), 1);
        balance.call("a:1").answered();
        assert_eq!(balance.choose(&["a:1", "b:1"], random(0, 0)), 0);
        others.into_iter().for_each(Call::answered);
    }
}
