//! A library in memory of its own: the loader gives out what it has for the same file, with the state that has by then.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, memfd_create};

/// Files that this process has opened, by device and number: the loader knows them by these.
static OPENED: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// What to load of a file that nobody else has loaded: itself, or a copy where this process has loaded it already, for
/// another service or for a version before. A file may be in many folders under one number.
pub(crate) fn of_its_own(file: &Path) -> io::Result<PathBuf> {
    // What cannot be looked at is for the loader to tell.
    let Ok(metadata) = fs::metadata(file) else { return Ok(file.to_owned()) };
    let is_first = OPENED.lock().insert((metadata.dev(), metadata.ino()));
    if is_first { Ok(file.to_owned()) } else { of(file) }
}

/// A copy in memory, so that nothing of it is left behind however the process ends.
pub(crate) fn of(file: &Path) -> io::Result<PathBuf> {
    let mut copy = File::from(memfd_create("dyninka-library", MemfdFlags::CLOEXEC)?);
    io::copy(&mut File::open(file)?, &mut copy)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd()));
    // The loader knows what is open by its path: another library must never get this one.
    std::mem::forget(copy);
    Ok(path)
}
