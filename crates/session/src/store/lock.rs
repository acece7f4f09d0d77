//! One session an app: an advisory lock that ends with its process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The app is this session's until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The app is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another session has it.
    #[error("{} is already running in the session with pid {pid}", app.display())]
    Held {
        /// The app's file.
        app: PathBuf,
        /// The holder.
        pid: u32,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {}: {source}", file.display())]
    Io {
        /// The lock file.
        file: PathBuf,
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock in `folder` for the app in `app`, or tells who holds it.
    pub fn take(folder: &Path, app: &Path) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let wrong = |source| LockError::Io { file: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(wrong)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = pid_in(&mut file).unwrap_or(0);
                return Err(LockError::Held { app: app.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(wrong(source)),
        }
        file.set_len(0).map_err(wrong)?;
        file.rewind().map_err(wrong)?;
        write!(file, "{}", std::process::id()).map_err(wrong)?;
        Ok(Self { _file: file })
    }

    /// The pid of the session that holds the app in `folder`, if one does.
    pub fn holder(folder: &Path) -> Option<u32> {
        let mut file = File::open(folder.join("lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => pid_in(&mut file),
            _ => None,
        }
    }
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it_and_may_have_it_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::holder(folder.path()), None);
        let lock = Lock::take(folder.path(), Path::new("app.rs")).unwrap();
        assert_eq!(Lock::holder(folder.path()), Some(std::process::id()));
        let error = Lock::take(folder.path(), Path::new("app.rs")).unwrap_err();
        assert!(matches!(error, LockError::Held { pid, .. } if pid == std::process::id()), "{error}");
        drop(lock);
        assert_eq!(Lock::holder(folder.path()), None);
        Lock::take(folder.path(), Path::new("app.rs")).unwrap();
    }
}
