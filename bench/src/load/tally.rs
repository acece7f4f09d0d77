//! Every request of a load, by what became of it, and the times of those that were answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;

use super::answers::Fate;

/// Different failures that are kept in words; there are few kinds of them, and a load may fail a million times.
const MOST_WORDS: usize = 20;

/// What came of a load.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Answered with a value.
    pub(crate) right: u64,
    /// Answered with nothing, as the chain may.
    pub(crate) filtered: u64,
    /// 503 with `Retry-After`.
    pub(crate) shed: u64,
    /// Answered with what is not true, or twice the same count.
    pub(crate) wrong: u64,
    /// Another status, or no answer.
    pub(crate) failed: u64,
    /// What went wrong or failed, and how often.
    pub(crate) words: BTreeMap<String, u64>,
    /// Nanoseconds of the requests that were answered (right or filtered), the warming left out.
    times: Histogram<u64>,
    /// The averages' counts: each is given out once.
    counts: Vec<u64>,
    begun: Instant,
    /// The latest answer.
    pub(super) last: Option<Instant>,
}

impl Tally {
    pub(super) fn new(begun: Instant) -> Self {
        #[expect(clippy::expect_used, reason = "three digits is a precision that every histogram has")]
        let times = Histogram::new(3).expect("a histogram of three digits");
        let (words, counts) = (BTreeMap::new(), Vec::new());
        Self { right: 0, filtered: 0, shed: 0, wrong: 0, failed: 0, words, times, counts, begun, last: None }
    }

    pub(super) fn count(&mut self, fate: Fate, from: Instant, now: Instant) -> anyhow::Result<()> {
        self.last = Some(now);
        let answered = matches!(fate, Fate::Right(_) | Fate::Filtered);
        match fate {
            Fate::Right(count) => {
                self.right += 1;
                self.counts.extend(count);
            }
            Fate::Filtered => self.filtered += 1,
            Fate::Shed => self.shed += 1,
            Fate::Wrong(words) => {
                self.wrong += 1;
                self.say(format!("wrong: {words}"), 1);
            }
            Fate::Failed(words) => {
                self.failed += 1;
                self.say(words, 1);
            }
        }
        if answered && from >= self.begun {
            let nanos = u64::try_from(now.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX);
            self.times.record(nanos.max(1)).context("record a time")?;
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.right += other.right;
        self.filtered += other.filtered;
        self.shed += other.shed;
        self.wrong += other.wrong;
        self.failed += other.failed;
        for (words, n) in &other.words {
            self.say(words.clone(), *n);
        }
        self.times.add(&other.times).context("add times")?;
        self.counts.extend(&other.counts);
        self.last = self.last.max(other.last);
        Ok(())
    }

    /// Looks whether every count was given out once. Nobody else asks meanwhile, so that a count that is missing is
    /// one whose answer was lost: it has to be among the failed.
    pub(super) fn close(&mut self) {
        self.counts.sort_unstable();
        let twice = self.counts.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        if twice > 0 {
            self.wrong += twice;
            self.say("wrong: a count that another answer had, too".to_owned(), twice);
        }
        if let (Some(first), Some(last)) = (self.counts.first(), self.counts.last()) {
            let missing = (last - first + 1).saturating_sub(self.counts.len() as u64 - twice);
            let lost = missing.saturating_sub(self.failed + self.shed);
            if lost > 0 {
                self.wrong += lost;
                self.say("wrong: a count that no answer had".to_owned(), lost);
            }
        }
        self.counts = Vec::new();
    }

    fn say(&mut self, words: String, n: u64) {
        let known = self.words.len() < MOST_WORDS || self.words.contains_key(&words);
        *self.words.entry(if known { words } else { "others".to_owned() }).or_default() += n;
    }

    /// Requests in all.
    pub(crate) fn asked(&self) -> u64 {
        self.right + self.filtered + self.shed + self.wrong + self.failed
    }

    /// From the end of the warming to the last answer.
    pub(crate) fn took(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| last.saturating_duration_since(self.begun))
    }

    /// Requests answered a second, the warming left out.
    pub(crate) fn per_second(&self) -> f64 {
        let took = self.took().as_secs_f64();
        if took > 0.0 { self.times.len() as f64 / took } else { 0.0 }
    }

    /// A quantile of the times, in microseconds; none where nothing was answered.
    pub(crate) fn micros(&self, quantile: f64) -> Option<f64> {
        (!self.times.is_empty()).then(|| self.times.value_at_quantile(quantile) as f64 / 1e3)
    }

    /// What did not go as it should, most frequent first; empty where everything did.
    pub(crate) fn complaints(&self) -> String {
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
        words.iter().map(|(words, n)| format!("{n} x {words}")).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn tally(fates: impl IntoIterator<Item = Fate>) -> Tally {
        let begun = Instant::now();
        let mut tally = Tally::new(begun);
        let later = begun + Duration::from_millis(2);
        fates.into_iter().for_each(|fate| tally.count(fate, begun, later).unwrap());
        tally.close();
        tally
    }

    #[test]
    fn a_count_that_comes_twice_is_wrong() {
        let tally = tally([Fate::Right(Some(4)), Fate::Right(Some(5)), Fate::Right(Some(4))]);
        assert_eq!((tally.right, tally.wrong, tally.asked()), (3, 1, 4));
    }

    #[test]
    fn a_count_that_never_came_is_wrong_unless_a_request_failed() {
        assert_eq!(tally([Fate::Right(Some(4)), Fate::Right(Some(6))]).wrong, 1);
        let tally = tally([Fate::Right(Some(4)), Fate::Failed("gone".to_owned()), Fate::Right(Some(6))]);
        assert_eq!((tally.wrong, tally.failed, tally.complaints().as_str()), (0, 1, "1 x gone"));
    }

    #[test]
    fn only_answers_have_times() {
        let tally = tally([Fate::Shed, Fate::Filtered, Fate::Right(None)]);
        assert_eq!((tally.times.len(), tally.shed), (2, 1));
        let micros = tally.micros(0.5).unwrap();
        assert!((1990.0..2010.0).contains(&micros), "{micros}");
        assert!((990.0..1010.0).contains(&tally.per_second()), "{}", tally.per_second());
    }

    #[test]
    fn a_million_different_failures_are_told_in_a_few_words() {
        let tally = tally((0..1000).map(|n| Fate::Failed(n.to_string())));
        assert_eq!((tally.failed, tally.words.values().sum::<u64>()), (1000, 1000));
        assert!(tally.words.len() <= MOST_WORDS + 1);
    }
}
