//! The program whose `host FOLDER` runs a service, as it was when the session began.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A program that can be started as long as this is there, whatever becomes of its file: `cargo clean` and an update
/// remove or replace it, and a service that is started again then needs the one that the others run on.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    file: File,
}

impl Program {
    /// Holds the program that stands at a path now.
    pub fn hold(path: &Path) -> io::Result<Self> {
        // The path of a running program whose file is gone ends in ` (deleted)`; the program itself is still to be had.
        let file = File::open(path).or_else(|error| {
            let is_own = std::env::current_exe().is_ok_and(|own| own == path);
            if is_own { File::open("/proc/self/exe") } else { Err(error) }
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Where it can be read and started from: its own path, or this process's hold on it where something else, or
    /// nothing, stands there by now.
    pub fn path(&self) -> PathBuf {
        let same = |held: Metadata, now: Metadata| (held.dev(), held.ino()) == (now.dev(), now.ino());
        let stands = self.file.metadata().is_ok_and(|held| fs::metadata(&self.path).is_ok_and(|now| same(held, now)));
        match stands {
            true => self.path.clone(),
            false => PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_program_that_was_removed_or_replaced_is_started_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::copy("/bin/echo", &path).unwrap();
        let program = Program::hold(&path).unwrap();
        assert_eq!(program.path(), path);
        let says = || String::from_utf8(Command::new(program.path()).arg("here").output().unwrap().stdout).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(says(), "here\n");
        fs::copy("/bin/false", &path).unwrap();
        assert_eq!(says(), "here\n");
        assert_eq!(fs::read(program.path()).unwrap(), fs::read("/bin/echo").unwrap());
        assert!(Program::hold(Path::new("/no/such/program")).is_err());
    }
}
