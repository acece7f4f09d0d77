//! Requests by the clock through all of an app, and which versions answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::client::Door;

/// Requests a second, all callers together.
pub(super) const PACE: u32 = 50;
/// Half of them keep their connection, half make one for each request.
const CALLERS: u32 = 4;

/// Callers that go on until they are told to end.
#[derive(Debug)]
pub(super) struct Traffic {
    over: Arc<AtomicBool>,
    callers: JoinSet<Answers>,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Versions that took part, and how often.
    pub(super) versions: BTreeMap<String, usize>,
    /// Requests whose reading is no temperature: `filter` gives nothing on, which is right.
    pub(super) filtered: usize,
    pub(super) failed: usize,
    /// The first failure.
    pub(super) words: String,
}

impl Traffic {
    pub(super) fn start(url: &str) -> anyhow::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            let door = if number % 2 == 0 { Door::new(url, json!({}))? } else { Door::unkept(url, json!({}))? };
            callers.spawn(call(door, over.clone()));
        }
        Ok(Self { over, callers })
    }

    pub(super) async fn end(mut self) -> anyhow::Result<Answers> {
        self.over.store(true, Ordering::Relaxed);
        let mut all = Answers::default();
        while let Some(answers) = self.callers.join_next().await {
            all.merge(answers.context("a caller's task ended")?);
        }
        Ok(all)
    }
}

async fn call(door: Door, over: Arc<AtomicBool>) -> Answers {
    let mut clock = tokio::time::interval(Duration::from_secs(1) * CALLERS / PACE);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answers = Answers::default();
    while !over.load(Ordering::Relaxed) {
        clock.tick().await;
        match door.call().await {
            Ok(None) => answers.filtered += 1,
            Ok(Some(answer)) => *answers.versions.entry(answer.versions).or_default() += 1,
            Err(error) => answers.fail(format!("{error:#}")),
        }
    }
    answers
}

impl Answers {
    /// Requests in all.
    pub(super) fn asked(&self) -> usize {
        self.answered() + self.filtered + self.failed
    }

    /// Answers that came through every service.
    pub(super) fn answered(&self) -> usize {
        self.versions.values().sum()
    }

    /// Answers by services that were never live together, and the first of them: `sets` are those that were.
    pub(super) fn mixed(&self, sets: &[Vec<String>]) -> (usize, String) {
        let is_one = |versions: &str| {
            let mut hops: Vec<&str> = versions.split(',').map(str::trim).collect();
            hops.sort_unstable();
            sets.iter().any(|set| set.iter().map(String::as_str).eq(hops.iter().copied()))
        };
        let mut mixed = self.versions.iter().filter(|(versions, _)| !is_one(versions)).peekable();
        let first = mixed.peek().map(|(versions, _)| format!("first: {versions}")).unwrap_or_default();
        (mixed.map(|(_, times)| times).sum(), first)
    }

    fn fail(&mut self, words: String) {
        self.failed += 1;
        if self.words.is_empty() {
            self.words = words;
        }
    }

    fn merge(&mut self, other: Self) {
        for (versions, times) in other.versions {
            *self.versions.entry(versions).or_default() += times;
        }
        self.filtered += other.filtered;
        self.failed += other.failed;
        if self.words.is_empty() {
            self.words = other.words;
        }
    }
}

/// A set of versions as it is compared, after some of them were made live.
pub(super) fn after(set: &[String], live: &[String]) -> Vec<String> {
    let service = |version: &str| version.split('@').next().unwrap_or_default().to_owned();
    let is_same = |version: &&String| !live.iter().any(|new| service(new) == service(version));
    let mut next: Vec<String> = set.iter().filter(is_same).chain(live).cloned().collect();
    next.sort_unstable();
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_versions_that_were_never_live_together_is_mixed() {
        let versions = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let first = after(&[], &versions(&["map@1", "get@1", "avg@1"]));
        let second = after(&first, &versions(&["map@2", "avg@2"]));
        assert_eq!(second, ["avg@2", "get@1", "map@2"]);
        let mut answers = Answers::default();
        for (hops, times) in
            [("get@1, map@1, avg@1", 5), ("get@1, map@2, avg@2", 4), ("get@1, map@1, avg@2", 2), ("", 1)]
        {
            answers.versions.insert(hops.to_owned(), times);
        }
        let (mixed, words) = answers.mixed(&[first, second]);
        assert_eq!((mixed, answers.asked()), (3, 12));
        assert!(words.starts_with("first: "), "{words}");
    }
}
