//! Lines that were typed before: one JSON string a line, so that a line may hold line ends, for the owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Lines that are remembered.
pub(crate) const MOST: usize = 1000;

/// The file is written anew when it holds this many, and not at every start.
const TOO_MANY: usize = 2 * MOST;

/// The file of an app's lines.
pub(crate) struct History {
    file: File,
    last: Option<String>,
}

impl History {
    /// Opens it and says what it holds, oldest first. A line that does not read, because another shell was writing it
    /// at that moment, is passed over.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut lines: Vec<String> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let too_many = text.lines().count() > TOO_MANY;
        lines.drain(..lines.len().saturating_sub(MOST));
        if too_many {
            rewrite(path, &lines)?;
        }
        let file = private().append(true).open(path)?;
        // One that was there before may be open to others.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        let last = lines.last().cloned();
        Ok((Self { file, last }, lines))
    }

    /// Remembers a line, unless it is the one before once more. It is there at once, for other shells too.
    pub(crate) fn add(&mut self, line: &str) -> io::Result<()> {
        if self.last.as_deref() == Some(line) {
            return Ok(());
        }
        self.last = Some(line.to_owned());
        self.file.write_all(written(line).as_bytes())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

fn written(line: &str) -> String {
    format!("{}\n", serde_json::Value::from(line))
}

/// Beside it first, then in its place: a shell that ends halfway leaves what was there.
fn rewrite(path: &Path, lines: &[String]) -> io::Result<()> {
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let text: String = lines.iter().map(|line| written(line)).collect();
    private().write(true).truncate(true).open(&beside)?.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{History, MOST, TOO_MANY};

    #[test]
    fn lines_are_there_again_for_the_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/history");
        let (mut history, lines) = History::open(&path).expect("a history");
        assert!(lines.is_empty());
        for line in ["get", "get", "map {\n 3}", "get"] {
            history.add(line).expect("a line");
        }
        fs::write(&path, [&fs::read(&path).expect("lines")[..], b"half\xff \"a li"].concat()).expect("a broken line");
        assert_eq!(History::open(&path).expect("a history").1, ["get", "map {\n 3}", "get"]);
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().expect("one")).expect("it").permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history");
        let (mut history, _) = History::open(&path).expect("a history");
        (0..=TOO_MANY).for_each(|n| history.add(&n.to_string()).expect("a line"));
        let (_, lines) = History::open(&path).expect("a history");
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (MOST, Some("2000")));
        assert_eq!(fs::read_to_string(&path).expect("lines").lines().count(), MOST);
    }
}
