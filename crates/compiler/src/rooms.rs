//! The folders that everything is built in, looked at before a compiler trips over them and blames itself.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::error::BuildError;

/// A folder in which nothing can be built.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// Nothing can be written there.
    #[error("cannot write to {}: {source}", folder.display())]
    Closed { folder: PathBuf, source: io::Error },
    /// What is built there cannot be run.
    #[error("cannot run what is built in {}: it is on a file system that is mounted noexec", .0.display())]
    NoExec(PathBuf),
    /// Cargo hands its folder on in lists of paths, which a colon parts.
    #[error("cannot build in {}: its path has a colon, at which cargo would part it", .0.display())]
    Colon(PathBuf),
    /// Cargo's own files are UTF-8, and name it.
    #[error("cannot build with {}: its path is not UTF-8, and cargo takes no other", .0.display())]
    NotText(PathBuf),
    /// There is no room for temporary files.
    #[error("cannot write temporary files to {}{}: {source}", folder.display(), named(*by_user))]
    Temporary {
        folder: PathBuf,
        /// Whether TMPDIR names it.
        by_user: bool,
        source: io::Error,
    },
}

fn named(by_user: bool) -> &'static str {
    if by_user { ", which TMPDIR names" } else { "" }
}

impl RoomError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "set DYNINKA_HOME to a folder that can be written",
            Self::NoExec(_) => "set DYNINKA_HOME to a folder on a file system that is mounted without noexec",
            Self::Colon(_) => "set DYNINKA_HOME to a folder without a colon in its path",
            Self::NotText(_) => "rename the folder",
            Self::Temporary { by_user: true, .. } => "set TMPDIR to a folder that can be written, or unset it",
            Self::Temporary { .. } => "set TMPDIR to a folder that can be written",
        }
    }
}

/// Whether things can be built in a folder, with temporary files where this process has them.
pub(crate) fn check(folder: &Path) -> Result<(), BuildError> {
    if folder.as_os_str().as_encoded_bytes().contains(&b':') {
        return Err(RoomError::Colon(folder.to_owned()).into());
    }
    writable(folder).map_err(|source| RoomError::Closed { folder: folder.to_owned(), source })?;
    if is_noexec(folder) {
        return Err(RoomError::NoExec(folder.to_owned()).into());
    }
    let temporary = std::env::temp_dir();
    let by_user = std::env::var_os("TMPDIR").is_some_and(|named| named == temporary);
    Ok(writable(&temporary).map_err(|source| RoomError::Temporary { folder: temporary, by_user, source })?)
}

fn writable(folder: &Path) -> io::Result<()> {
    let file = folder.join(format!(".dyn-{}", std::process::id()));
    std::fs::write(&file, b"?")?;
    // Somebody else of this process may have looked at the same moment.
    drop(std::fs::remove_file(file));
    Ok(())
}

/// One that does not say is taken to be as most are.
fn is_noexec(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|at| at.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_built_in_is_told_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path()).unwrap();
        let missing = check(&folder.path().join("missing")).unwrap_err();
        assert!(missing.to_string().contains("missing") && missing.to_string().contains("os error 2"), "{missing}");
        assert!(missing.hint().unwrap().contains("DYNINKA_HOME"));
        // Mounted so on every Linux.
        if is_noexec(Path::new("/proc")) {
            let refused: BuildError = RoomError::NoExec(PathBuf::from("/proc")).into();
            assert!(refused.to_string().contains("noexec"), "{refused}");
        }
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error: BuildError = RoomError::Temporary { folder: PathBuf::from("/none"), by_user: true, source }.into();
        assert!(error.to_string().contains("TMPDIR") && error.hint().unwrap().contains("unset"), "{error}");
    }
}
