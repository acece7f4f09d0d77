//! Which project an app is of: two projects may call an app by one name, and one may be pushed from many machines.
//!
//! What tells it is kept with the project: the `name` in `dyn.toml`, or an id in `dyn.id` beside the app's file, drawn at
//! the first push and to be committed like a lock file. Every object on a cluster carries what stands for it.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::model::hash;

/// The file that keeps an id.
const FILE: &str = "dyn.id";
/// Digits of an id.
const DIGITS: usize = 32;

/// The project of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    file: PathBuf,
    /// The app's file without its ending: two apps may share a folder and its id.
    stem: String,
    name: Option<String>,
}

impl Project {
    /// The project of the app in a file, whose `dyn.toml` may name it. Nothing is read yet.
    pub fn of(file: &Path, name: Option<String>) -> Self {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self { file: file.with_file_name(FILE), stem, name }
    }

    /// What objects of the project carry: the first is what is written, all are its own. Nothing where it has neither
    /// name nor id yet.
    ///
    /// # Errors
    /// `dyn.id` is there and cannot be read, or holds no id.
    pub fn labels(&self) -> io::Result<Vec<String>> {
        let named = self.name.as_ref().map(|name| hash(&["name", name]));
        let kept = self.kept()?.map(|id| hash(&["id", &id, &self.stem]));
        Ok(named.into_iter().chain(kept).collect())
    }

    /// The same, for a project that is pushed: one that has neither name nor id is given an id.
    ///
    /// # Errors
    /// `dyn.id` cannot be written.
    pub fn make(&self) -> io::Result<Vec<String>> {
        let known = self.labels()?;
        if !known.is_empty() {
            return Ok(known);
        }
        let mut bytes = [0; DIGITS / 2];
        fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut beside = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(beside, "# Tells this project's apps from others of their name on a cluster. Commit it.\n{id}")?;
        // Whoever else makes one at the same time is first, or this one is.
        match beside.persist_noclobber(&self.file) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.error),
        }
        self.labels()
    }

    /// Where its id is kept.
    pub fn file(&self) -> &Path {
        &self.file
    }

    fn kept(&self) -> io::Result<Option<String>> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let id = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let is_id = |id: &&str| id.len() == DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        match id.filter(is_id) {
            Some(id) => Ok(Some(id.to_ascii_lowercase())),
            None => Err(io::Error::other(format!(
                "it holds no id of {DIGITS} digits: take it out of version control again"
            ))),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_project_keeps_its_id_wherever_it_goes_and_shares_it_with_nobody() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let project = |folder: &Path, file: &str| Project::of(&folder.join(file), None);
        assert_eq!(project(one.path(), "app.rs").labels().unwrap(), [""; 0], "nothing is written by a look");
        let label = project(one.path(), "app.rs").make().unwrap();
        assert_eq!(project(one.path(), "app.rs").make().unwrap(), label);
        assert_ne!(project(other.path(), "app.rs").make().unwrap(), label);
        assert_ne!(project(one.path(), "second.rs").make().unwrap(), label);
        // A copy of the project, on another machine perhaps.
        let copy = tempfile::tempdir().unwrap();
        fs::copy(one.path().join(FILE), copy.path().join(FILE)).unwrap();
        assert_eq!(project(copy.path(), "app.rs").labels().unwrap(), label);
        fs::write(copy.path().join(FILE), "<<<<<<< ours\n").unwrap();
        assert!(project(copy.path(), "app.rs").labels().unwrap_err().to_string().contains("no id"));
    }

    #[test]
    fn a_name_goes_before_an_id_and_what_the_id_pushed_stays_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.rs");
        let by_id = Project::of(&file, None).make().unwrap();
        let named = Project::of(&file, Some("plant".to_owned()));
        let labels = named.labels().unwrap();
        assert!(labels.len() == 2 && labels.contains(&by_id[0]) && labels[0] != by_id[0]);
        let elsewhere = tempfile::tempdir().unwrap();
        let same = Project::of(&elsewhere.path().join("main.rs"), Some("plant".to_owned()));
        assert_eq!(same.make().unwrap(), labels[..1]);
        assert!(!elsewhere.path().join(FILE).exists(), "a name needs no id");
    }

    #[test]
    fn of_many_first_pushes_at_once_all_have_one_id() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::of(&folder.path().join("app.rs"), None);
        let made: Vec<_> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| project.make().unwrap())).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(made.iter().all(|label| *label == made[0]));
    }
}
