//! Lines of services in files, bounded: one that grew too large is set aside, in place of the one set aside before.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::LogLine;

/// A log file that grew beyond this is set aside.
const LARGEST: u64 = 8 << 20;

/// A file for each service.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    open: BTreeMap<String, (File, u64)>,
    /// Trouble was told of: once is enough.
    is_told: bool,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, open: BTreeMap::new(), is_told: false }
    }

    /// Writes a line; why it is not kept, where nobody was told yet.
    pub(super) fn write(&mut self, line: &LogLine) -> Option<String> {
        let error = self.append(line).err()?;
        let is_news = !std::mem::replace(&mut self.is_told, true);
        is_news.then(|| format!("logs are not kept in {}: {error}", self.folder.display()))
    }

    fn append(&mut self, line: &LogLine) -> io::Result<()> {
        let path = self.folder.join(format!("{}.log", line.service));
        if self.open.get(&line.service).is_some_and(|(_, bytes)| *bytes > LARGEST) {
            self.open.remove(&line.service);
            fs::rename(&path, self.folder.join(format!("{}.log.1", line.service)))?;
        }
        let (file, bytes) = match self.open.entry(line.service.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
                place.insert((file, 0))
            }
        };
        let text = format!("{}\n", line.line);
        *bytes += text.len() as u64;
        file.write_all(text.as_bytes())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_flood_are_bounded_and_the_last_lines_are_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path().to_owned());
        let text = "x".repeat(16 << 10);
        for seq in 0..3 * LARGEST / text.len() as u64 {
            let line = LogLine { seq, service: "map".to_owned(), line: format!("{seq} {text}"), ..LogLine::default() };
            assert_eq!(files.write(&line), None);
        }
        let sizes: Vec<u64> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
        assert!(sizes.len() == 2 && sizes.iter().all(|bytes| *bytes <= LARGEST + (32 << 10)), "{sizes:?}");
        let last = fs::read_to_string(folder.path().join("map.log")).unwrap();
        let last = last.lines().last().unwrap_or_default().split(' ').next().unwrap().to_owned();
        assert_eq!(last, (3 * LARGEST / text.len() as u64 - 1).to_string());
    }
}
