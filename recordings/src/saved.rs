//! Where recordings are: in a folder `recordings` beside the app, and in one where the user is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::header::FILE;
use crate::reader::{ReadError, Reader, Summary};

const FOLDER: &str = "recordings";

/// A recording that is saved.
#[derive(Debug)]
pub struct Shelved {
    /// Its folder's name.
    pub name: String,
    pub folder: PathBuf,
    /// What it is, or why that cannot be said.
    pub summary: Result<Summary, ReadError>,
}

/// A recording that cannot be named or found.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It would not be a folder of its own there.
    #[error(
        "cannot name a recording `{0}`: a name has letters, digits, `-`, `_` and `.`, and begins with none of the last"
    )]
    Name(String),
    #[error("cannot find the recording `{name}`: there is none in {}", .looked.iter().map(|at| at.display().to_string()).collect::<Vec<_>>().join(" or "))]
    None { name: String, looked: Vec<PathBuf> },
    /// The disk refuses.
    #[error("cannot list {}: {error}", .path.display())]
    Disk {
        /// The folder.
        path: PathBuf,
        error: io::Error,
    },
}

/// Where a recording of this name is made, for the app of this file.
pub fn place(app: &Path, name: &str) -> Result<PathBuf, SavedError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err(SavedError::Name(name.to_owned()));
    }
    Ok(beside(app).join(name))
}

/// The recording of this name for the app of this file, or the one in this folder.
pub fn find(app: &Path, name: &str) -> Result<PathBuf, SavedError> {
    let mut looked = vec![PathBuf::from(name), beside(app).join(name), Path::new(FOLDER).join(name)];
    // Beside an app of this folder is this folder.
    looked.dedup();
    match looked.iter().find(|folder| folder.join(FILE).is_file()) {
        Some(folder) => Ok(folder.clone()),
        None => Err(SavedError::None { name: name.to_owned(), looked }),
    }
}

/// Every recording for the app of this file, by name; those of other apps in the same folder too.
pub fn list(app: &Path) -> Result<Vec<Shelved>, SavedError> {
    let mut shelved = Vec::new();
    let mut folders = vec![beside(app)];
    if fs::canonicalize(FOLDER).ok() != fs::canonicalize(&folders[0]).ok() {
        folders.push(PathBuf::from(FOLDER));
    }
    for path in folders {
        let disk = |error| SavedError::Disk { path: path.clone(), error };
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(disk)?,
        };
        for entry in entries {
            let folder = entry.map_err(disk)?.path();
            if folder.join(FILE).is_file() {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let summary = Reader::open(&folder).and_then(|reader| reader.summary());
                shelved.push(Shelved { name, folder, summary });
            }
        }
    }
    shelved.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(shelved)
}

fn beside(app: &Path) -> PathBuf {
    app.parent().unwrap_or(Path::new("")).join(FOLDER)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{Bounds, Header, Writer};

    #[test]
    fn recordings_are_beside_the_app() {
        let home = tempfile::tempdir().unwrap();
        let app = home.path().join("app.rs");
        assert!(list(&app).unwrap().iter().all(|shelved| !shelved.folder.starts_with(home.path())));
        for name in ["warm", "cold-2.b"] {
            Writer::create(&place(&app, name).unwrap(), &Header::new("app", 1), Bounds::default(), drop)
                .unwrap()
                .close();
        }
        fs::create_dir(home.path().join("recordings/src")).unwrap();
        fs::create_dir(home.path().join("recordings/old")).unwrap();
        fs::write(home.path().join("recordings/old").join(FILE), "{\"recording\":0}\n").unwrap();
        let listed = list(&app).unwrap();
        let own = listed.iter().filter(|shelved| shelved.folder.starts_with(home.path()));
        let own: Vec<_> = own.map(|shelved| (shelved.name.as_str(), shelved.summary.is_ok())).collect();
        assert_eq!(own, [("cold-2.b", true), ("old", false), ("warm", true)]);
        assert_eq!(find(&app, "warm").unwrap(), home.path().join("recordings/warm"));
        let by_path = home.path().join("recordings/warm");
        assert_eq!(find(Path::new("x/other.rs"), by_path.to_str().unwrap()).unwrap(), by_path);
        let none = find(&app, "src").unwrap_err().to_string();
        assert!(none.starts_with("cannot find the recording `src`: there is none in src or "), "{none}");
    }

    #[test]
    fn a_name_stays_on_the_shelf() {
        for name in ["", ".", "..", ".x", "a/b", "/etc", "a b", "ü"] {
            assert!(matches!(place(Path::new("app.rs"), name), Err(SavedError::Name(_))), "{name}");
        }
        assert_eq!(place(Path::new("app.rs"), "a").unwrap(), Path::new("recordings/a"));
    }
}
