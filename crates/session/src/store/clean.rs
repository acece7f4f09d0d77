//! What takes room on this machine, and removing it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::home::{APPS, Home, STATE};
use super::lock::{Lock, LockError};

/// A folder of the home, and how much it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeFolder {
    pub path: PathBuf,
    /// What is in it, in words.
    pub holds: &'static str,
    pub removal: FolderRemoval,
    pub bytes: u64,
}

/// What removes a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderRemoval {
    /// [`clean`]: it is built anew.
    Clean,
    /// [`clean`] with all: nothing makes it anew.
    CleanAll,
    /// Nothing: files of the user's name it.
    Nothing,
}

/// What was removed, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    pub bytes: u64,
    /// In words: what stays, and why.
    pub kept: Vec<String>,
}

/// Every folder of a home.
pub fn folders(home: &Home) -> Vec<HomeFolder> {
    use FolderRemoval::{Clean, CleanAll, Nothing};
    let of = |path: PathBuf, holds, removal, bytes| HomeFolder { path, holds, removal, bytes };
    let (build, images) = (home.build(), home.images());
    let (of_sessions, of_state) = (home.cache().join(APPS), home.state().join(APPS));
    let of_apps = |folder: &Path, is_cache: bool| -> u64 {
        let all = entries(folder).into_iter().flat_map(|app| entries(&app));
        all.filter(|path| is_state(path) != is_cache).map(|path| bytes(&path)).sum()
    };
    let (lines, kept) = (of_apps(&of_sessions, true), of_apps(&of_state, false));
    let (clusters, runtime) = (home.clusters(), home.runtime());
    let pinned = bytes(&clusters);
    vec![
        of(build.clone(), "libraries and dependencies", Clean, bytes(&build)),
        of(images.clone(), "layers of images", Clean, bytes(&images)),
        of(of_sessions, "folders and lines of sessions", Clean, lines),
        of(of_state, "timelines, undone texts, the shell's history, data of resources", CleanAll, kept),
        of(clusters, "the clusters that apps were pushed to", CleanAll, pinned),
        of(runtime.clone(), "the runtime that packages of dyn new depend on", Nothing, bytes(&runtime)),
    ]
}

/// Removes what can be built anew, but for what somebody uses; with `all`, what is remembered as well.
///
/// # Errors
/// Something cannot be removed.
pub fn clean(home: &Home, all: bool) -> io::Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    let (build, images) = (home.build(), home.images());
    let before = bytes(&build) + bytes(&images);
    if compiler::clear(&build, &[&images])? {
        cleaned.bytes += before - bytes(&build);
    } else {
        cleaned.kept.push(format!("{}: somebody builds in it", build.display()));
    }
    for app in entries(&home.cache().join(APPS)) {
        let name = app.file_name().unwrap_or_default().to_owned();
        // Held until it is clean: no session begins in between. The lock's file stays, or two could hold it.
        let _lock = match Lock::take(&app, &app) {
            Ok(lock) => lock,
            Err(LockError::Held { pid, .. }) => {
                cleaned.kept.push(format!("{}: the session with pid {pid} has it", app.display()));
                continue;
            }
            Err(LockError::Io { source, .. }) => return Err(source),
        };
        let known =
            entries(&app).into_iter().filter(|path| !is_state(path) && path.file_name() != Some("lock".as_ref()));
        for path in known {
            cleaned.bytes += remove(&path)?;
        }
        if all {
            let state = home.state().join(APPS).join(&name);
            for path in entries(&state).into_iter().filter(|path| is_state(path)) {
                cleaned.bytes += remove(&path)?;
            }
        }
    }
    if all {
        // Of apps whose cache is gone already; one whose session runs has one.
        for state in entries(&home.state().join(APPS)) {
            let is_known = state.file_name().is_some_and(|name| home.cache().join(APPS).join(name).exists());
            if !is_known {
                cleaned.bytes += remove(&state)?;
            }
        }
        cleaned.bytes += remove(&home.clusters())?;
    }
    Ok(cleaned)
}

fn is_state(path: &Path) -> bool {
    path.file_name().is_some_and(|name| STATE.iter().any(|known| name == *known))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Bytes of a file, or below a folder; what cannot be read takes none.
fn bytes(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => entries(path).iter().map(|path| bytes(path)).sum(),
        Ok(data) => data.len(),
        Err(_) => 0,
    }
}

/// Removes a file or a folder; how much it took.
fn remove(path: &Path) -> io::Result<u64> {
    let took = bytes(path);
    let is_folder = fs::symlink_metadata(path).is_ok_and(|data| data.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        }
        _ => Ok(took),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn write(file: PathBuf, text: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn fill(home: &Home) {
        write(home.build().join("target/one"), "1234");
        write(home.images().join("layer"), "12");
        write(home.clusters(), "{}");
        write(home.runtime().join("Cargo.toml"), "[x]");
        for app in ["one-1", "two-2"] {
            write(home.cache().join(APPS).join(app).join("services/get/lib-1.so"), "123");
            write(home.state().join(APPS).join(app).join("edits.jsonl"), "12345");
        }
    }

    fn sizes(home: &Home) -> Vec<u64> {
        folders(home).into_iter().map(|folder| folder.bytes).collect()
    }

    #[test]
    fn what_can_be_built_anew_goes_and_state_stays_unless_all_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let homes = [Home::at(root.join("one")), Home::apart(root.join("cache"), root.join("state"))];
        for home in homes.map(Result::unwrap) {
            fill(&home);
            assert_eq!(sizes(&home), [4, 2, 6, 10, 2, 3]);
            let lock = Lock::take(&home.cache().join(APPS).join("two-2"), Path::new("two.rs")).unwrap();
            let pid = std::process::id();
            let cleaned = clean(&home, false).unwrap();
            assert_eq!(cleaned.bytes, 4 + 2 + 3);
            assert!(cleaned.kept.len() == 1 && cleaned.kept[0].contains(&format!("the session with pid {pid} has it")));
            let held = pid.to_string().len() as u64;
            assert_eq!(sizes(&home), [0, 0, 3 + 2 * held, 10, 2, 3]);
            let cleaned = clean(&home, true).unwrap();
            assert_eq!((cleaned.bytes, cleaned.kept.len()), (5 + 2, 1));
            drop(lock);
            clean(&home, true).unwrap();
            assert_eq!(sizes(&home)[3..], [0, 0, 3]);
        }
    }
}
