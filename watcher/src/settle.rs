//! Events to batches.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// A batch in which a file may still be written ends when nothing came for this long. An editor's truncate and write, or
/// backup and rename, come within a millisecond; five leave room for a loaded machine.
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

/// Files that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) files: BTreeSet<PathBuf>,
    pub(crate) stage: Stage,
}

/// What an event says of how far a save is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    /// More is likely to follow: the file was created, written to, moved away.
    #[default]
    Begun,
    /// Nothing of it.
    Aside,
    /// The file is written: it was closed, or moved here.
    Written,
}

/// A batch that is not complete yet. Kept by the caller, so that one who stops waiting loses nothing.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    files: BTreeSet<PathBuf>,
    /// Those that may still be written.
    open: BTreeSet<PathBuf>,
    /// When the first event of the batch came, and the last.
    times: Option<(Instant, Instant)>,
}

impl Gathering {
    pub(crate) fn add(&mut self, Touched { files, stage }: Touched) {
        // A folder where something else is busy does not hold a save back.
        if files.is_empty() {
            return;
        }
        let now = Instant::now();
        self.times = Some((self.times.map_or(now, |(first, _)| first), now));
        match stage {
            Stage::Begun => self.open.extend(files.iter().cloned()),
            Stage::Aside => {}
            Stage::Written => self.open.retain(|file| !files.contains(file)),
        }
        self.files.extend(files);
    }
}

/// Waits for an event that touches anything, then gathers what comes with it, for as long as a file may still be written.
/// None when there are no more events.
pub(crate) async fn next<E>(
    events: &mut UnboundedReceiver<E>,
    gathering: &mut Gathering,
    touched: impl Fn(&E) -> Touched,
) -> Option<ChangeBatch> {
    let first = loop {
        let Some((first, _)) = gathering.times else {
            gathering.add(touched(&events.recv().await?));
            continue;
        };
        while let Ok(event) = events.try_recv() {
            gathering.add(touched(&event));
        }
        if gathering.open.is_empty() {
            break first;
        }
        let last = gathering.times.map_or(first, |(_, last)| last);
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

    /// `app.rs`, `app.rs!` once it is written, `app.rs?` where its times alone were changed.
    fn one(name: &&str) -> Touched {
        let stage = match name.chars().last() {
            Some('!') => Stage::Written,
            Some('?') => Stage::Aside,
            _ => Stage::Begun,
        };
        let name = name.trim_end_matches(['!', '?']);
        let files = if name == "other" { BTreeSet::new() } else { BTreeSet::from([PathBuf::from(name)]) };
        Touched { files, stage }
    }

    #[tokio::test]
    async fn a_file_that_is_written_is_told_at_once() {
        pause();
        let (sender, mut events) = unbounded_channel();
        let mut gathering = Gathering::default();
        for (sent, files) in [
            (vec!["app.rs!"], vec!["app.rs"]),
            (vec!["app.rs", "app.rs", "app.rs!"], vec!["app.rs"]),
            (vec!["app.rs?"], vec!["app.rs"]),
            (vec!["app.rs", "model.rs", "model.rs!", "app.rs!"], vec!["app.rs", "model.rs"]),
        ] {
            for name in sent {
                sender.send(name).unwrap();
            }
            let batch = next(&mut events, &mut gathering, one).await.unwrap();
            assert_eq!(batch.settled, Duration::ZERO, "{files:?}");
            assert_eq!(batch.files, files.into_iter().map(PathBuf::from).collect());
        }
        for sent in [["app.rs", "app.rs?"], ["app.rs", "model.rs!"], ["app.rs!", "app.rs"]] {
            for name in sent {
                sender.send(name).unwrap();
            }
            assert!(next(&mut events, &mut gathering, one).await.unwrap().settled >= SETTLE, "{sent:?}");
        }
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
