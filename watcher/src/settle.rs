//! Events to batches.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// A batch ends when nothing came for this long. An editor's truncate and write, or backup and rename, come within
/// a millisecond; five leave room for a loaded machine.
pub const SETTLE: Duration = Duration::from_millis(5);

/// A batch lasts no longer, whatever goes on: a save is acted on within this.
pub const LONGEST: Duration = Duration::from_millis(30);

/// Files that something happened to at about one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeBatch {
    /// Some of those that are watched.
    pub files: BTreeSet<PathBuf>,
    /// From the first sign of it until it rested.
    pub settled: Duration,
}

/// A batch that is not complete yet. Kept by the caller, so that one who stops waiting loses nothing.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    files: BTreeSet<PathBuf>,
    /// When the first event of the batch came, and the last.
    times: Option<(Instant, Instant)>,
}

impl Gathering {
    pub(crate) fn add(&mut self, files: BTreeSet<PathBuf>) {
        // A folder where something else is busy does not hold a save back.
        if !files.is_empty() {
            let now = Instant::now();
            self.times = Some((self.times.map_or(now, |(first, _)| first), now));
            self.files.extend(files);
        }
    }
}

/// Waits for an event that touches anything, then gathers what comes with it. None when there are no more events.
pub(crate) async fn next<E>(
    events: &mut UnboundedReceiver<E>,
    gathering: &mut Gathering,
    touched: impl Fn(&E) -> BTreeSet<PathBuf>,
) -> Option<ChangeBatch> {
    let first = loop {
        let Some((first, last)) = gathering.times else {
            gathering.add(touched(&events.recv().await?));
            continue;
        };
        match timeout_at((last + SETTLE).min(first + LONGEST), events.recv()).await {
            Ok(Some(event)) => gathering.add(touched(&event)),
            Ok(None) | Err(_) => break first,
        }
    };
    let Gathering { files, .. } = std::mem::take(gathering);
    Some(ChangeBatch { files, settled: first.elapsed() })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::{advance, pause};

    use super::*;

    fn one(name: &&str) -> BTreeSet<PathBuf> {
        if *name == "other" { BTreeSet::new() } else { BTreeSet::from([PathBuf::from(name)]) }
    }

    #[tokio::test]
    async fn a_burst_is_one_batch_and_other_files_begin_none() {
        pause();
        let (sender, mut events) = unbounded_channel();
        for name in ["other", "app.rs", "app.rs", "other", "model.rs"] {
            sender.send(name).unwrap();
        }
        let batch = next(&mut events, &mut Gathering::default(), one).await.unwrap();
        // Tokio's clock ticks in milliseconds.
        let tick = Duration::from_millis(1);
        assert!((SETTLE..=SETTLE + tick).contains(&batch.settled), "{:?}", batch.settled);
        assert_eq!(batch.files, BTreeSet::from([PathBuf::from("app.rs"), PathBuf::from("model.rs")]));
    }

    #[tokio::test]
    async fn who_stops_waiting_loses_nothing() {
        pause();
        let (sender, mut events) = unbounded_channel();
        let mut gathering = Gathering::default();
        sender.send("app.rs").unwrap();
        let waited = timeout_at(Instant::now(), next(&mut events, &mut gathering, one)).await;
        assert!(waited.is_err() && events.is_empty(), "the event is on its way");
        sender.send("model.rs").unwrap();
        let batch = next(&mut events, &mut gathering, one).await.unwrap();
        assert_eq!(batch.files, BTreeSet::from([PathBuf::from("app.rs"), PathBuf::from("model.rs")]));
    }

    #[tokio::test]
    async fn a_file_that_never_rests_is_looked_at_all_the_same() {
        pause();
        let (sender, mut events) = unbounded_channel();
        sender.send("app.rs").unwrap();
        let begun = Instant::now();
        let writer = tokio::spawn(async move {
            for _ in 0..1000 {
                advance(Duration::from_millis(1)).await;
                if sender.send("app.rs").is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        });
        next(&mut events, &mut Gathering::default(), one).await.unwrap();
        assert!(begun.elapsed() <= LONGEST + Duration::from_millis(5), "{:?}", begun.elapsed());
        writer.abort();
    }

    #[tokio::test]
    async fn the_end_of_the_events_is_told() {
        let (sender, mut events) = unbounded_channel::<&str>();
        drop(sender);
        assert_eq!(next(&mut events, &mut Gathering::default(), one).await, None);
    }
}
