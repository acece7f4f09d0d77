//! Calls are numbered by hosts, from 0 in each of their lives. Here the numbers go on.

use std::collections::HashMap;

/// What is known of each service's host.
#[derive(Debug, Default)]
pub(super) struct Lives(HashMap<String, Life>);

#[derive(Debug)]
struct Life {
    epoch: u64,
    /// Added to the host's own number, in each life.
    bases: Vec<u64>,
    /// The largest number given.
    last: u64,
}

impl Lives {
    /// The number of a call over all lives of its host. Between two lives there is a gap, as there is between calls
    /// that were not recorded: the state began anew.
    pub(super) fn number(&mut self, service: &str, epoch: u64, own: u64) -> u64 {
        let life = match self.0.get_mut(service) {
            Some(life) => life,
            None => self.0.entry(service.to_owned()).or_insert(Life { epoch, bases: vec![0], last: 0 }),
        };
        if life.epoch != epoch {
            life.epoch = epoch;
            life.bases.push(life.last + 2);
        }
        let number = life.bases.last().map_or(0, |base| base + own);
        life.last = life.last.max(number);
        number
    }

    /// Which life of its host a call was in, by its number over all of them; from 0.
    pub(super) fn of(&self, service: &str, number: u64) -> u32 {
        let begun = self.0.get(service).map_or(0, |life| life.bases.partition_point(|base| *base <= number));
        u32::try_from(begun.saturating_sub(1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_with_a_gap_between_lives() {
        let mut lives = Lives::default();
        let mut number = |epoch, own| lives.number("get", epoch, own);
        assert_eq!([number(1, 0), number(1, 7), number(1, 3)], [0, 7, 3]);
        assert_eq!([number(2, 0), number(2, 1)], [9, 10]);
        assert_eq!(number(3, 0), 12);
        let of = |number| lives.of("get", number);
        assert_eq!([of(0), of(7), of(9), of(10), of(12), of(99)], [0, 0, 1, 1, 2, 2]);
        assert_eq!(lives.number("map", 1, 0), 0, "each service counts for itself");
    }
}
