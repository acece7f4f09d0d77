//! Everything that was reported, numbered and kept for whoever asks later: events, and lines of services in memory and
//! in files.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::report::Report;

/// Events and lines kept in memory.
const EVENTS: usize = 2000;
const LINES: usize = 10_000;
/// How far a reader may lag behind before it is told that it lost something.
const LAG: usize = 4096;
/// A log file that grew beyond this is set aside, in place of the one set aside before.
const LARGEST: u64 = 8 << 20;

/// A line a service wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Its number among all lines of the session.
    pub seq: u64,
    /// When, in milliseconds since the session began.
    pub at_ms: u64,
    /// Rust name.
    pub service: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Without its line end.
    pub line: String,
}

/// A numbered event, as it is told.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    /// The JSON of `dyn dev --json`.
    pub(crate) json: Arc<str>,
}

/// What readers follow.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Event(Entry),
    Line(Arc<LogLine>),
}

/// What was reported.
pub(crate) struct Journal {
    kept: Mutex<Kept>,
    news: broadcast::Sender<News>,
    folder: PathBuf,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<Entry>,
    lines: VecDeque<Arc<LogLine>>,
    event: u64,
    line: u64,
    files: std::collections::BTreeMap<String, (File, u64)>,
    /// The file trouble was told of: once is enough.
    is_told: bool,
}

impl Journal {
    /// A journal with its log files in `folder`, which is emptied of what an earlier session wrote.
    pub(crate) fn new(folder: PathBuf) -> io::Result<Self> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&folder)?;
        Ok(Self { kept: Mutex::default(), news: broadcast::Sender::new(LAG), folder })
    }

    /// Notes a report; what of its keeping does not work, once.
    pub(crate) fn note(&self, at_ms: u64, report: &Report) -> Option<String> {
        let mut kept = self.kept();
        if let Report::Log { service, stream, line } = report {
            kept.line += 1;
            let line = LogLine {
                seq: kept.line,
                at_ms,
                service: service.clone(),
                stream: (*stream).to_owned(),
                line: line.clone(),
            };
            let written = kept.write(&self.folder, &line);
            let line = Arc::new(line);
            push(&mut kept.lines, LINES, line.clone());
            drop(self.news.send(News::Line(line)));
            let error = written.err()?;
            let is_news = !std::mem::replace(&mut kept.is_told, true);
            return is_news.then(|| format!("logs are not kept in {}: {error}", self.folder.display()));
        }
        kept.event += 1;
        match serde_json::to_string(report) {
            Ok(json) => {
                let entry = Entry { seq: kept.event, json: json.into() };
                push(&mut kept.events, EVENTS, entry.clone());
                drop(self.news.send(News::Event(entry)));
                None
            }
            Err(error) => Some(format!("an event cannot be written as JSON: {error}")),
        }
    }

    /// Events after a number, and what follows.
    pub(crate) fn events(&self, after: u64) -> (Vec<Entry>, broadcast::Receiver<News>) {
        let kept = self.kept();
        (kept.events.iter().filter(|entry| entry.seq > after).cloned().collect(), self.news.subscribe())
    }

    /// The last lines of a service or of all, oldest first, and what follows.
    pub(crate) fn lines(&self, service: Option<&str>, last: usize) -> (Vec<Arc<LogLine>>, broadcast::Receiver<News>) {
        let kept = self.kept();
        let of = |line: &&Arc<LogLine>| service.is_none_or(|service| line.service == service);
        let mut lines: Vec<_> = kept.lines.iter().rev().filter(of).take(last).cloned().collect();
        lines.reverse();
        (lines, self.news.subscribe())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn write(&mut self, folder: &Path, line: &LogLine) -> io::Result<()> {
        let path = folder.join(format!("{}.log", line.service));
        let too_large = self.files.get(&line.service).is_some_and(|(_, bytes)| *bytes > LARGEST);
        if too_large {
            self.files.remove(&line.service);
            fs::rename(&path, folder.join(format!("{}.log.1", line.service)))?;
        }
        let (file, bytes) = match self.files.entry(line.service.clone()) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
                place.insert((file, 0))
            }
        };
        let text = format!("{}\n", line.line);
        *bytes += text.len() as u64;
        file.write_all(text.as_bytes())
    }
}

fn push<T>(list: &mut VecDeque<T>, most: usize, item: T) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(item);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn log(service: &str, line: &str) -> Report {
        Report::Log { service: service.to_owned(), stream: "stdout", line: line.to_owned() }
    }

    #[test]
    fn lines_are_kept_by_service_in_memory_and_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().join("logs")).unwrap();
        for at in 0..5 {
            assert_eq!(journal.note(at, &log("map", &format!("map {at}"))), None);
            assert_eq!(journal.note(at, &log("get", &format!("get {at}"))), None);
        }
        let (lines, mut news) = journal.lines(Some("map"), 2);
        assert_eq!(lines.iter().map(|line| line.line.as_str()).collect::<Vec<_>>(), ["map 3", "map 4"]);
        assert_eq!(journal.lines(None, 100).0.len(), 10);
        assert_eq!(fs::read_to_string(folder.path().join("logs/get.log")).unwrap().lines().count(), 5);
        journal.note(9, &log("map", "later"));
        assert!(matches!(news.try_recv().unwrap(), News::Line(line) if line.line == "later" && line.seq == 11));
    }

    #[test]
    fn events_are_told_from_a_number_on_and_the_oldest_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().join("logs")).unwrap();
        for at in 0..EVENTS as u64 + 10 {
            journal.note(at, &Report::Notice { message: at.to_string() });
        }
        let (events, _) = journal.events(0);
        assert_eq!((events.len(), events[0].seq), (EVENTS, 11));
        assert_eq!(journal.events(EVENTS as u64 + 9).0.len(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().join("logs")).unwrap();
        fs::remove_dir_all(folder.path().join("logs")).unwrap();
        assert!(journal.note(1, &log("map", "one")).is_some_and(|words| words.contains("logs are not kept")));
        assert_eq!(journal.note(2, &log("map", "two")), None);
        assert_eq!(journal.lines(None, 10).0.len(), 2);
    }
}
