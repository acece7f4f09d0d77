//! What the app's files held at each good reading, so that an edit can be undone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// Readings kept: an undo goes back so far.
const KEPT: usize = 50;

/// Texts by path.
pub(crate) type Reading = BTreeMap<PathBuf, Arc<str>>;

/// Good readings, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Texts(Mutex<Vec<Reading>>);

impl Texts {
    /// Notes a reading, unless it is the one that was noted last.
    pub(crate) fn note(&self, reading: &Reading) {
        let mut kept = self.0.lock();
        if kept.last() == Some(reading) {
            return;
        }
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(reading.clone());
    }

    /// Writes back what the files held before what they hold now. What they hold is kept in `aside`. Answers the files
    /// that were written, or in words why none were.
    pub(crate) fn undo(&self, aside: &Path) -> Result<Vec<PathBuf>, String> {
        let mut kept = self.0.lock();
        let holds = |reading: &Reading| {
            reading.iter().all(|(path, text)| fs::read(path).is_ok_and(|now| now == text.as_bytes()))
        };
        // A file that is broken now was good in the last reading; else the one before is wanted.
        if kept.last().is_some_and(holds) {
            if kept.len() < 2 {
                return Err("there is no earlier text to go back to".to_owned());
            }
            kept.pop();
        }
        let Some(wanted) = kept.last() else { return Err("there is no earlier text to go back to".to_owned()) };
        let mut written = Vec::new();
        for (path, text) in wanted {
            if fs::read(path).is_ok_and(|now| now == text.as_bytes()) {
                continue;
            }
            put(path, text, aside).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            written.push(path.clone());
        }
        Ok(written)
    }
}

/// Keeps what stands there, then writes in place: links, owner and mode of the user's file stay what they are.
fn put(path: &Path, text: &str, aside: &Path) -> io::Result<()> {
    // Below the path it has: two files of one name are two.
    let whole = std::path::absolute(path)?;
    let below: PathBuf = whole.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let aside = aside.join(below);
    fs::create_dir_all(aside.parent().unwrap_or(&aside))?;
    match fs::copy(path, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn below(aside: &Path, file: &Path) -> PathBuf {
        aside.join(file.strip_prefix("/").unwrap())
    }

    #[test]
    fn two_files_of_one_name_are_both_kept() {
        let folder = tempfile::tempdir().unwrap();
        let aside = folder.path().join("aside");
        let files = ["a/mod.rs", "b/mod.rs"].map(|name| folder.path().join(name));
        let texts = Texts::default();
        for text in ["one", "two"] {
            for file in &files {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, format!("{text} of {}", file.display())).unwrap();
            }
            let reading = files.iter().map(|file| (file.clone(), fs::read_to_string(file).unwrap().into()));
            texts.note(&reading.collect());
        }
        assert_eq!(texts.undo(&aside).unwrap(), files);
        for file in &files {
            assert_eq!(fs::read_to_string(below(&aside, file)).unwrap(), format!("two of {}", file.display()));
        }
    }

    #[test]
    fn an_undo_goes_back_one_text_after_the_other_and_keeps_what_it_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, aside) = (folder.path().join("app.rs"), folder.path().join("aside"));
        let texts = Texts::default();
        for text in ["one", "two", "three"] {
            fs::write(&file, text).unwrap();
            texts.note(&BTreeMap::from([(file.clone(), Arc::from(text))]));
        }
        assert_eq!(texts.undo(&aside).unwrap(), [file.as_path()]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_to_string(below(&aside, &file)).unwrap(), "three");
        // A broken text was never noted: back to the last good one.
        fs::write(&file, "broken").unwrap();
        texts.undo(&aside).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        texts.undo(&aside).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        assert!(texts.undo(&aside).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
    }
}
