//! Everything that was reported, numbered and kept for whoever asks later: events, and lines of services in memory and
//! in files. Both are bounded in number and in bytes; a reader that is too slow is told what it missed.

mod files;
mod ring;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use session_api::{LogLine, Report};
use tokio::sync::watch;

use files::Files;
use ring::Ring;

/// Events and lines kept in memory, by number and by bytes.
const EVENTS: (usize, usize) = (2000, 8 << 20);
const LINES: (usize, usize) = (10_000, 4 << 20);
/// What a reader is given at a time.
const PAGE: (usize, usize) = (256, 256 << 10);

/// A numbered event, as it is told.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    /// The JSON of `dyn dev --json`.
    pub(crate) json: Arc<str>,
}

/// A line, and its number among those of its service.
#[derive(Clone, Debug)]
struct Line {
    line: Arc<LogLine>,
    nth: u64,
}

/// What was reported.
pub(crate) struct Journal {
    kept: Mutex<Kept>,
    /// Changes with every report.
    news: watch::Sender<u64>,
}

struct Kept {
    events: Ring<Entry>,
    lines: Ring<Line>,
    event: u64,
    line: u64,
    /// The lines of each service so far.
    written: BTreeMap<String, u64>,
    files: Files,
}

/// What a reader is given: what follows what it has read, and how much of that is not kept any more.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) lost: u64,
}

impl<T> Page<T> {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.lost == 0
    }
}

/// How far a reader has come.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    journal: Arc<Journal>,
    news: watch::Receiver<u64>,
    /// Of this service alone.
    service: Option<String>,
    /// The number of the last event or line that was read, among all.
    seq: u64,
    /// And among those of the service; none: whatever is there is the first that is read.
    nth: Option<u64>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

impl Journal {
    /// A journal with its log files in `folder`, which is emptied of what an earlier session wrote.
    pub(crate) fn new(folder: PathBuf) -> io::Result<Self> {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&folder)?;
        let kept = Kept {
            events: Ring::new(EVENTS),
            lines: Ring::new(LINES),
            event: 0,
            line: 0,
            written: BTreeMap::new(),
            files: Files::new(folder),
        };
        Ok(Self { kept: Mutex::new(kept), news: watch::Sender::new(0) })
    }

    /// Notes a report; what of its keeping does not work, once.
    pub(crate) fn note(&self, at_ms: u64, report: &Report) -> Option<String> {
        let trouble = self.kept().note(at_ms, report);
        self.news.send_modify(|count| *count += 1);
        trouble
    }

    /// A reader of events after a number.
    pub(crate) fn events(self: &Arc<Self>, after: u64) -> Reader {
        self.reader(None, after, None)
    }

    /// A reader of lines of a service or of all, from the last so many of those that are kept.
    pub(crate) fn lines(self: &Arc<Self>, service: Option<&str>, last: usize) -> Reader {
        let kept = self.kept();
        let of = |line: &&Line| service.is_none_or(|service| line.line.service == service);
        let first = kept.lines.iter().rev().filter(of).take(last).last();
        let (seq, nth) = first.map_or((kept.line, None), |line| (line.line.seq - 1, Some(line.nth - 1)));
        drop(kept);
        self.reader(service.map(str::to_owned), seq, nth)
    }

    /// The last so many of the lines that are kept, before a number, of a service or of all, with a text in them; oldest
    /// first.
    pub(crate) fn find(
        &self,
        service: Option<&str>,
        text: &str,
        before: Option<u64>,
        last: usize,
    ) -> Vec<Arc<LogLine>> {
        let kept = self.kept();
        let fits = |line: &&Line| {
            before.is_none_or(|before| line.line.seq < before)
                && service.is_none_or(|service| line.line.service == service)
                && line.line.line.contains(text)
        };
        let mut found: Vec<_> = kept.lines.iter().rev().filter(fits).take(last).map(|line| line.line.clone()).collect();
        found.reverse();
        found
    }

    fn reader(self: &Arc<Self>, service: Option<String>, seq: u64, nth: Option<u64>) -> Reader {
        Reader { journal: self.clone(), news: self.news.subscribe(), service, seq, nth }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock()
    }
}

impl Kept {
    fn note(&mut self, at_ms: u64, report: &Report) -> Option<String> {
        if let Report::Log { service, stream, line } = report {
            self.line += 1;
            let nth = self.written.entry(service.clone()).or_default();
            *nth += 1;
            let nth = *nth;
            let line = LogLine {
                seq: self.line,
                at_ms,
                service: service.clone(),
                stream: (*stream).to_owned(),
                line: line.clone(),
            };
            let trouble = self.files.write(&line);
            let bytes = line.line.len();
            self.lines.push(Line { line: Arc::new(line), nth }, bytes);
            return trouble;
        }
        match serde_json::to_string(report) {
            Ok(json) => {
                self.event += 1;
                let bytes = json.len();
                self.events.push(Entry { seq: self.event, json: json.into() }, bytes);
                None
            }
            Err(error) => Some(format!("an event cannot be written as JSON: {error}")),
        }
    }
}

impl Reader {
    /// The next events that are there.
    pub(crate) fn read_events(&mut self) -> Page<Entry> {
        let kept = self.journal.kept();
        let mut page = Page { items: Vec::new(), lost: 0 };
        let mut bytes = 0;
        for entry in kept.events.after(|entry| entry.seq <= self.seq) {
            if page.items.len() == PAGE.0 || bytes > PAGE.1 {
                break;
            }
            if page.items.is_empty() && self.nth.is_some() {
                page.lost = entry.seq - self.seq - 1;
            }
            bytes += entry.json.len();
            page.items.push(entry.clone());
        }
        // What was forgotten before anybody asked is not lost to who asks.
        self.nth = Some(0);
        self.seq = page.items.last().map_or(self.seq, |entry| entry.seq);
        page
    }

    /// The next lines that are there.
    pub(crate) fn read_lines(&mut self) -> Page<Arc<LogLine>> {
        let (kept, after) = (self.journal.kept(), self.seq);
        let mut page = Page { items: Vec::new(), lost: 0 };
        let mut bytes = 0;
        for Line { line, nth } in kept.lines.after(|line| line.line.seq <= after) {
            if page.items.len() == PAGE.0 || bytes > PAGE.1 {
                break;
            }
            let before = std::mem::replace(&mut self.seq, line.seq);
            match &self.service {
                None => page.lost += line.seq - before - 1,
                Some(service) if *service == line.service => {
                    page.lost += self.nth.map_or(0, |before| nth - before - 1);
                    self.nth = Some(*nth);
                }
                Some(_) => continue,
            }
            bytes += line.line.len();
            page.items.push(line.clone());
        }
        page
    }

    /// The next events, once there are some; none where there will be none.
    pub(crate) async fn next_events(&mut self) -> Option<Page<Entry>> {
        self.next(Self::read_events).await
    }

    /// The next lines, once there are some; none where there will be none.
    pub(crate) async fn next_lines(&mut self) -> Option<Page<Arc<LogLine>>> {
        self.next(Self::read_lines).await
    }

    async fn next<T>(&mut self, read: impl Fn(&mut Self) -> Page<T>) -> Option<Page<T>> {
        loop {
            self.news.mark_unchanged();
            let page = read(self);
            if !page.is_empty() {
                return Some(page);
            }
            self.news.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn log(service: &str, line: &str) -> Report {
        Report::Log { service: service.to_owned(), stream: "stdout", line: line.to_owned() }
    }

    fn journal() -> (tempfile::TempDir, Arc<Journal>) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().join("logs")).unwrap();
        (folder, Arc::new(journal))
    }

    fn read(reader: &mut Reader) -> (Vec<String>, u64) {
        let (mut read, mut lost) = (Vec::new(), 0);
        while let Some(Some(page)) = reader.next_lines().now_or_never() {
            read.extend(page.items.iter().map(|line| line.line.clone()));
            lost += page.lost;
        }
        (read, lost)
    }

    #[test]
    fn lines_are_kept_by_service_in_memory_and_in_files() {
        let (folder, journal) = journal();
        for at in 0..5 {
            assert_eq!(journal.note(at, &log("map", &format!("map {at}"))), None);
            assert_eq!(journal.note(at, &log("get", &format!("get {at}"))), None);
        }
        let mut reader = journal.lines(Some("map"), 2);
        assert_eq!(read(&mut reader), (vec!["map 3".to_owned(), "map 4".to_owned()], 0));
        assert_eq!(read(&mut journal.lines(None, 100)).0.len(), 10);
        assert_eq!(read(&mut journal.lines(None, 0)), (Vec::new(), 0));
        assert_eq!(fs::read_to_string(folder.path().join("logs/get.log")).unwrap().lines().count(), 5);
        journal.note(9, &log("map", "later"));
        assert_eq!(read(&mut reader), (vec!["later".to_owned()], 0));
    }

    #[test]
    fn lines_are_found_by_text_and_service_before_a_number() {
        let (_folder, journal) = journal();
        for at in 0..6 {
            journal.note(at, &log(if at % 2 == 0 { "map" } else { "get" }, &format!("line {at} of {}", at / 2)));
        }
        let found = |service, text, before, last| {
            let lines = journal.find(service, text, before, last);
            lines.iter().map(|line| line.seq).collect::<Vec<_>>()
        };
        assert_eq!(found(None, "", None, 2), [5, 6]);
        assert_eq!(found(None, "", Some(5), 2), [3, 4]);
        assert_eq!(found(Some("map"), "line", None, 9), [1, 3, 5]);
        assert_eq!(found(None, "of 1", None, 9), [3, 4]);
        assert_eq!(found(None, "nowhere", None, 9), [0; 0]);
    }

    #[test]
    fn events_are_told_from_a_number_on_and_the_oldest_are_forgotten() {
        let (_folder, journal) = journal();
        for at in 0..EVENTS.0 as u64 + 10 {
            journal.note(at, &Report::Notice { message: at.to_string() });
        }
        let mut reader = journal.events(0);
        let (mut seqs, mut lost) = (Vec::new(), 0);
        while let Some(Some(page)) = reader.next_events().now_or_never() {
            seqs.extend(page.items.iter().map(|entry| entry.seq));
            lost += page.lost;
        }
        assert_eq!((seqs.len(), seqs[0], lost), (EVENTS.0, 11, 0));
        assert_eq!(journal.events(EVENTS.0 as u64 + 9).read_events().items.len(), 1);
    }

    #[test]
    fn a_flood_is_kept_in_bounded_room_and_who_reads_too_slowly_is_told_what_is_missing() {
        let (_folder, journal) = journal();
        let (mut all, mut quiet) = (journal.lines(None, 0), journal.lines(Some("get"), 0));
        let long = "x".repeat(10_000);
        journal.note(0, &log("get", "one"));
        assert_eq!(read(&mut quiet), (vec!["one".to_owned()], 0));
        for at in 0..5_000 {
            journal.note(at, &log("map", &long));
            assert!(journal.kept().lines.bytes() <= LINES.1);
        }
        journal.note(9, &log("get", "two"));
        let (kept, lost) = read(&mut all);
        assert_eq!(kept.len() as u64 + lost, 5_002);
        assert!(lost > 4_000, "{lost}");
        assert_eq!(read(&mut quiet), (vec!["two".to_owned()], 0), "nothing of its own is missing");
    }

    #[test]
    fn a_page_is_bounded() {
        let (_folder, journal) = journal();
        (0..10_000).for_each(|at| drop(journal.note(at, &log("map", &"x".repeat(300)))));
        let mut reader = journal.lines(None, usize::MAX);
        assert!(reader.read_lines().items.len() <= PAGE.0);
        journal.note(1, &Report::Notice { message: "x".repeat(3 << 20) });
        journal.note(1, &Report::Notice { message: "x".repeat(3 << 20) });
        assert_eq!(journal.events(0).read_events().items.len(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_once() {
        let (folder, journal) = journal();
        fs::remove_dir_all(folder.path().join("logs")).unwrap();
        assert!(journal.note(1, &log("map", "one")).is_some_and(|words| words.contains("logs are not kept")));
        assert_eq!(journal.note(2, &log("map", "two")), None);
        assert_eq!(read(&mut journal.lines(None, 10)).0.len(), 2);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_what_is_noted() {
        let (_folder, journal) = journal();
        let mut reader = journal.lines(None, 0);
        let waiting = tokio::spawn(async move { reader.next_lines().await.unwrap().items.len() });
        tokio::task::yield_now().await;
        journal.note(0, &Report::Notice { message: "no line".to_owned() });
        tokio::task::yield_now().await;
        journal.note(0, &log("map", "a line"));
        assert_eq!(waiting.await.unwrap(), 1);
    }
}
