//! Disks that can be filled, or that stop being written to.

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

/// A disk that becomes read-only amid its use, as one does whose file system met an error.
pub struct FailingDisk {
    folder: tempfile::TempDir,
    /// How often it was mended: each time its file is another one.
    mended: u32,
}

impl FailingDisk {
    /// A file system of this size in a file.
    pub fn new(size: &str) -> Self {
        let disk = Self { folder: tempfile::tempdir().expect("a folder"), mended: 0 };
        fs::create_dir(disk.path()).expect("a folder");
        run("truncate", &["--size", size, &disk.image()]);
        run("mkfs.ext4", &["-q", "-F", &disk.image()]);
        disk.mount();
        disk
    }

    fn mount(&self) {
        run("mount", &["-o", "loop,errors=remount-ro", &self.image(), &self.path().display().to_string()]);
    }

    fn image(&self) -> String {
        self.folder.path().join(format!("image{}", self.mended)).display().to_string()
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Has nothing be written to it from now on, also by those that have files open.
    pub fn fail(&self) {
        run("mount", &["-o", "remount,abort", &self.path().display().to_string()]);
    }

    /// Checks it and has it be written to again. Nobody may use it meanwhile.
    pub fn mend(&mut self) {
        run("umount", &[&self.path().display().to_string()]);
        // A process with mounts of its own may keep the failed one: the same file would be that again.
        let failed = self.image();
        self.mended += 1;
        run("cp", &["--sparse=always", &failed, &self.image()]);
        run("fsck.ext4", &["-p", "-f", &self.image()]);
        self.mount();
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.path()).status());
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).stdout(std::process::Stdio::null()).status();
    let code = status.unwrap_or_else(|error| panic!("{program}: {error}")).code();
    // 1 of a check says that it mended something.
    let is_fine = code == Some(0) || program.starts_with("fsck") && code == Some(1);
    assert!(is_fine, "{program} {arguments:?}: {code:?}; this test mounts a file system: it runs as root");
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still runs on it goes on, and it goes when that does.
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}
