//! A disk that can be filled.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, so small that a test can fill it.
pub struct Disk(tempfile::TempDir);

impl Disk {
    /// A size as `mount` reads it.
    pub fn new(size: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status();
        assert!(mounted.expect("mount").success(), "this test mounts a file system: it runs as root");
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Has nothing be written to it from now on, not by root either.
    pub fn close(&self) {
        let closed = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status();
        assert!(closed.expect("mount").success(), "this test mounts a file system: it runs as root");
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives back what it was filled with.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).expect("a removal");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still runs on it goes on, and it goes when that does.
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}
