//! The lines of a recording, on their way to its file.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use crate::header::Header;
use crate::request::{Keyframe, Request};
use crate::store::Store;
use crate::writer::{Bounds, Item, RecordingNotice, Tally};

/// Bytes that are written at once.
const BATCH: usize = 256 << 10;

/// A line that is not a request.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// Placed state before a call.
    Keyframe(Keyframe),
    /// Requests that should stand here and do not.
    Lost(u64),
}

/// The file, and what is not in it yet.
pub(crate) struct Lines {
    file: File,
    folder: PathBuf,
    store: Store,
    bounds: Bounds,
    tally: Arc<Tally>,
    waiting: Vec<u8>,
    /// Requests in `waiting`.
    requests: u64,
    /// Bytes of the file that are whole lines.
    whole: u64,
    /// Requests that are missing, and of these those that no line tells of yet.
    lost: u64,
    untold: u64,
    /// Whether the last attempt failed.
    refused: bool,
    /// Whether the file ends in half a line.
    torn: bool,
    full: bool,
    /// Requests the queue had no room for that a line tells of.
    slow: u64,
}

impl Lines {
    /// Writes the header.
    pub(crate) fn begin(
        mut file: File,
        folder: &Path,
        header: &Header,
        bounds: Bounds,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        let mut line = serde_json::to_vec(header)?;
        line.push(b'\n');
        file.write_all(&line)?;
        tally.bytes.store(line.len() as u64, Relaxed);
        Ok(Self {
            file,
            folder: folder.to_owned(),
            store: Store::new(folder, bounds.line_body, bounds.body),
            bounds,
            tally,
            waiting: Vec::new(),
            requests: 0,
            whole: line.len() as u64,
            lost: 0,
            untold: 0,
            refused: false,
            torn: false,
            full: false,
            slow: 0,
        })
    }

    /// Adds one to what is written next.
    pub(crate) fn add(&mut self, item: &Item, notice: &mut impl FnMut(RecordingNotice)) {
        let is_request = matches!(item, Item::Request(_));
        if self.tally.bytes.load(Relaxed) + self.waiting.len() as u64 >= self.bounds.disk {
            if !std::mem::replace(&mut self.full, true) {
                notice(RecordingNotice::Full { folder: self.folder.clone(), bytes: self.bounds.disk });
            }
            self.lose(u64::from(is_request));
            return;
        }
        let before = self.waiting.len();
        let written = match item {
            Item::Request(request) => self.request(request),
            Item::Keyframe(keyframe) => append(&mut self.waiting, &Line::Keyframe(Keyframe::clone(keyframe))),
        };
        match written {
            Ok(()) => self.requests += u64::from(is_request),
            Err(error) => {
                self.waiting.truncate(before);
                self.lose(u64::from(is_request));
                self.refuse(&error, notice);
            }
        }
    }

    /// Whether what waits is enough for a write.
    pub(crate) fn is_batch(&self) -> bool {
        self.waiting.len() >= BATCH
    }

    /// Writes what waits. What the disk refuses is lost and counted, and no half of it is left in the file.
    pub(crate) fn flush(&mut self, notice: &mut impl FnMut(RecordingNotice)) {
        let slow = self.tally.slow.load(Relaxed);
        if slow > 0 && self.slow == 0 {
            notice(RecordingNotice::Slow { folder: self.folder.clone() });
        }
        let told = self.untold + slow - std::mem::replace(&mut self.slow, slow);
        self.untold = told;
        if self.waiting.is_empty() {
            return;
        }
        if told > 0 {
            self.waiting.extend_from_slice(format!("{{\"lost\":{told}}}\n").as_bytes());
        }
        if std::mem::take(&mut self.torn) {
            // What follows half a line would be torn with it.
            self.waiting.insert(0, b'\n');
        }
        match self.file.write_all(&self.waiting) {
            Ok(()) => {
                self.whole = self.file.metadata().map_or(self.whole + self.waiting.len() as u64, |file| file.len());
                self.tally.bytes.fetch_add(self.waiting.len() as u64, Relaxed);
                self.tally.requests.fetch_add(self.requests, Relaxed);
                self.untold = 0;
                if std::mem::take(&mut self.refused) {
                    notice(RecordingNotice::Resumed { folder: self.folder.clone(), lost: self.lost });
                }
            }
            Err(error) => {
                self.lose(self.requests);
                self.refuse(&error, notice);
                self.cut(notice);
            }
        }
        self.waiting.clear();
        self.requests = 0;
    }

    /// Takes back the half of a line that a failed write may have left.
    fn cut(&mut self, notice: &mut impl FnMut(RecordingNotice)) {
        if let Err(error) = self.file.set_len(self.whole) {
            self.torn = true;
            notice(RecordingNotice::Torn { folder: self.folder.clone(), error: error.to_string() });
        }
    }

    /// Says what is missing, and leaves the file to the disk.
    pub(crate) fn end(&mut self, notice: &mut impl FnMut(RecordingNotice)) {
        self.flush(notice);
        if self.untold > 0 {
            // Told now, although there is no request to tell it with.
            let told = std::mem::take(&mut self.untold);
            self.waiting.extend_from_slice(format!("{{\"lost\":{told}}}\n").as_bytes());
            self.flush(notice);
        }
        if let Err(error) = self.file.sync_all() {
            self.refuse(&error, notice);
        }
    }

    fn request(&mut self, request: &Request) -> io::Result<()> {
        let large = |body: &crate::Body| body.len() >= self.bounds.line_body;
        if !request.bodies().any(large) {
            return append(&mut self.waiting, request);
        }
        let mut request = request.clone();
        for body in request.bodies_mut() {
            let written = self.store.keep(body)?;
            self.tally.bytes.fetch_add(written, Relaxed);
        }
        append(&mut self.waiting, &request)
    }

    fn lose(&mut self, requests: u64) {
        self.lost += requests;
        self.untold += requests;
        self.tally.refused.fetch_add(requests, Relaxed);
    }

    fn refuse(&mut self, error: &io::Error, notice: &mut impl FnMut(RecordingNotice)) {
        if !std::mem::replace(&mut self.refused, true) {
            notice(RecordingNotice::Refused { folder: self.folder.clone(), error: error.to_string() });
        }
    }
}

fn append(into: &mut Vec<u8>, line: &impl Serialize) -> io::Result<()> {
    let before = into.len();
    serde_json::to_writer(&mut *into, line).inspect_err(|_| into.truncate(before))?;
    into.push(b'\n');
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tests::{hop, request};
    use crate::{FILE, Reader};

    #[test]
    fn a_disk_that_refuses_is_told_once_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let open = || File::options().append(true).create(true).open(&path).unwrap();
        let tally = Arc::new(Tally::default());
        let header = Header::new("app", 1);
        let mut lines = Lines::begin(open(), folder.path(), &header, Bounds::default(), Arc::clone(&tally)).unwrap();
        let mut notices = Vec::new();
        let mut write = |lines: &mut Lines, at| {
            lines.add(&Item::Request(Arc::new(request(at, vec![hop("get", "1", "2")]))), &mut |_| ());
            lines.flush(&mut |notice| notices.push(notice));
        };
        write(&mut lines, 1);
        // Opened to be read only, it refuses writes, and to be cut too.
        lines.file = File::open(&path).unwrap();
        write(&mut lines, 2);
        write(&mut lines, 3);
        lines.file = open();
        // As if half of the write had reached it.
        open().write_all(b"{\"id\":\"0").unwrap();
        write(&mut lines, 4);
        lines.end(&mut |_| ());
        let kinds = notices.iter().map(|notice| match notice {
            RecordingNotice::Refused { .. } => "refused",
            RecordingNotice::Torn { .. } => "torn",
            RecordingNotice::Resumed { lost, .. } => ["", "", "resumed"][*lost as usize],
            RecordingNotice::Slow { .. } | RecordingNotice::Full { .. } => "other",
        });
        assert_eq!(kinds.collect::<Vec<_>>(), ["refused", "torn", "torn", "resumed"]);
        assert_eq!((tally.requests.load(Relaxed), tally.refused.load(Relaxed)), (2, 2));
        let reader = Reader::open(folder.path()).unwrap();
        assert_eq!(reader.entries().iter().map(|entry| entry.at).collect::<Vec<_>>(), [1, 4]);
        let summary = reader.summary().unwrap();
        assert_eq!((summary.lost, summary.unread), (2, 1));
    }
}
