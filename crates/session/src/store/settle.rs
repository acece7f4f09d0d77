//! State that an earlier version kept in the cache, moved to where a cleared cache does not take it along.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::home::{APPS, Home, HomeError, STATE, UNDONE};

/// Moves what there is to move; in words what that was, nothing where there was nothing.
///
/// # Errors
/// Something does not move: what is pinned would be forgotten.
pub fn settle(home: &Home) -> Result<Option<String>, HomeError> {
    if home.cache() == home.state() {
        return Ok(None);
    }
    let (mut moved, mut apps) = (Vec::new(), 0);
    if shift_pins(home)? {
        moved.push("the clusters that apps were pushed to".to_owned());
    }
    let before = home.cache().join(APPS);
    for app in fs::read_dir(&before).into_iter().flatten().flatten() {
        let mut any = false;
        for name in STATE {
            let (from, to) = (app.path().join(name), home.state().join(APPS).join(app.file_name()).join(name));
            let done = shift(&from, &to, name == UNDONE);
            any |= done.map_err(|error| HomeError::Move { from, to, why: error.to_string() })?;
        }
        apps += usize::from(any);
    }
    if apps > 0 {
        moved.push(format!("the timelines of {apps} app{}", if apps == 1 { "" } else { "s" }));
    }
    let words = format!("moved {} from the cache to {}", moved.join(" and "), home.state().display());
    Ok((!moved.is_empty()).then_some(words))
}

/// Has what was pinned be pinned in the state, unless that pins another already; whether there was something.
#[cfg(feature = "cluster")]
fn shift_pins(home: &Home) -> Result<bool, HomeError> {
    let (pins, to) = (home.cache().join(super::home::CLUSTERS), home.clusters());
    if !pins.exists() {
        return Ok(false);
    }
    let wrong = |why: String| HomeError::Move { from: pins.clone(), to: to.clone(), why };
    let absorbed = kubernetes::cluster::Pins::open(&to).and_then(|mut known| known.absorb(&pins));
    absorbed.map_err(|error| wrong(error.to_string()))?;
    gone(fs::remove_file(&pins)).map_err(|error| wrong(error.to_string()))?;
    drop(fs::remove_file(pins.with_added_extension("lock")));
    Ok(true)
}

/// What pushes to no cluster knows nothing of pins, and leaves them to what does.
#[cfg(not(feature = "cluster"))]
fn shift_pins(_: &Home) -> Result<bool, HomeError> {
    Ok(false)
}

/// Puts a file behind what is there already, or a folder's files beside those that are; whether there was one.
fn shift(from: &Path, to: &Path, is_folder: bool) -> io::Result<bool> {
    if !from.exists() {
        return Ok(false);
    }
    private(to.parent().unwrap_or(to))?;
    if !is_folder {
        let mut target = File::options().append(true).create(true).mode(0o600).open(to)?;
        target.write_all(&fs::read(from)?)?;
        target.sync_all()?;
        gone(fs::remove_file(from))?;
        return Ok(true);
    }
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from).unwrap_or(&file));
        // What stands there is newer, and of the same file of the user's.
        if !target.exists() {
            private(target.parent().unwrap_or(&target))?;
            fs::copy(&file, &target)?;
        }
    }
    gone(fs::remove_dir_all(from))?;
    Ok(true)
}

fn private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Somebody else may have moved it at the same moment.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { all.extend(files(&entry.path())?) } else { all.push(entry.path()) }
    }
    Ok(all)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn write(file: PathBuf, text: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn pins(app: &str, cluster: &str) -> String {
        format!("{{\"apps\":{{\"{app}\":{{\"here\":{{\"uid\":\"{cluster}\"}}}}}}}}")
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn what_an_earlier_version_kept_in_the_cache_is_moved_once_and_lost_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let home = Home::apart(root.join("cache"), root.join("state")).unwrap();
        assert_eq!(settle(&home).unwrap(), None);
        let (cache, state) = (root.join("cache"), root.join("state"));
        write(cache.join("clusters.json"), &pins("one-1", "old"));
        write(cache.join("apps/one-1/edits.jsonl"), "first\n");
        write(cache.join("apps/one-1/undone/home/me/app.rs"), "text");
        write(cache.join("apps/one-1/lock"), "");
        write(cache.join("apps/two-2/lock"), "");
        let words = settle(&home).unwrap().unwrap();
        let told = "moved the clusters that apps were pushed to and the timelines of 1 app from the cache to";
        assert!(words.starts_with(told) && words.ends_with("/state"), "{words}");
        assert_eq!(settle(&home).unwrap(), None);
        let read = |name: &str| fs::read_to_string(state.join(name)).unwrap();
        assert!(read("clusters.json").contains("old"));
        assert_eq!(read("apps/one-1/edits.jsonl"), "first\n");
        assert_eq!(read("apps/one-1/undone/home/me/app.rs"), "text");
        let left = |name: &str| fs::read_dir(cache.join(name)).unwrap().count();
        assert_eq!((left(""), left("apps/one-1"), left("apps/two-2")), (1, 1, 1));

        // The earlier version ran once more.
        write(cache.join("clusters.json"), &pins("one-1", "other").replace("}}}", "},\"there\":{\"uid\":\"new\"}}}"));
        write(cache.join("apps/one-1/edits.jsonl"), "second\n");
        settle(&home).unwrap().unwrap();
        assert_eq!(read("apps/one-1/edits.jsonl"), "first\nsecond\n");
        let known = read("clusters.json");
        assert!(known.contains("old") && known.contains("new") && !known.contains("other"), "{known}");

        write(cache.join("clusters.json"), "{ torn");
        let error = settle(&home).unwrap_err().to_string();
        assert!(error.starts_with("cannot move") && cache.join("clusters.json").exists(), "{error}");
    }
}
