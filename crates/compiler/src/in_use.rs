//! Whether somebody builds in a cache: nobody removes it meanwhile.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use crate::error::{BuildError, io as wrong};

/// The lock file: each process that builds holds a shared lock on it, which ends with the process.
const FILE: &str = "in-use";

/// Held as long as somebody builds in a cache.
pub(crate) struct InUse {
    _file: File,
}

impl InUse {
    /// Waits for a removal that is under way.
    pub(crate) fn take(cache: &Path) -> Result<Self, BuildError> {
        let path = cache.join(FILE);
        let file = open(&path).map_err(wrong("open", &path))?;
        file.lock_shared().map_err(wrong("lock", &path))?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// Removes a cache, and what else is `also` made anew from it, unless somebody builds in it: then nothing is removed. Whether
/// it was removed.
///
/// # Errors
/// Something in it cannot be removed.
pub fn clear(cache: &Path, also: &[&Path]) -> io::Result<bool> {
    fs::create_dir_all(cache)?;
    let file = open(&cache.join(FILE))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The file stays: a process that waits for it has it open.
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_name() == FILE {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    for folder in also {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(true)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_removed_once_nobody_builds_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, images) = (folder.path().join("build"), folder.path().join("images"));
        fs::create_dir_all(cache.join("target/deps")).unwrap();
        fs::create_dir_all(&images).unwrap();
        fs::write(cache.join("target/deps/one"), "x").unwrap();
        let used = [InUse::take(&cache).unwrap(), InUse::take(&cache).unwrap()];
        assert!(!clear(&cache, &[&images]).unwrap());
        assert!(cache.join("target/deps/one").exists() && images.exists());
        drop(used);
        assert!(clear(&cache, &[&images]).unwrap());
        let left: Vec<_> = fs::read_dir(&cache).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!((left, images.exists()), (vec![FILE.into()], false));
        drop(InUse::take(&cache).unwrap());
    }
}
