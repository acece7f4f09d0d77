//! Room on the disk for what must still be stored when there is none for anything new.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// A file whose only use is its size. It is given up when the disk is full, and made again once there is room.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
    is_held: AtomicBool,
}

impl Reserve {
    pub(crate) fn beside(store: &Path, bytes: u64) -> Self {
        let mut name = store.file_name().unwrap_or_default().to_owned();
        name.push(".reserve");
        let reserve = Self { path: store.with_file_name(name), bytes, is_held: AtomicBool::new(false) };
        reserve.take();
        reserve
    }

    /// Bytes that are free on its disk; none where the disk does not say.
    pub(crate) fn free(&self) -> Option<u64> {
        let disk = statvfs(self.path.parent()?).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether there is room for something new. It looks at the disk.
    pub(crate) fn has_room(&self) -> bool {
        if !self.is_held.load(Ordering::Acquire) {
            self.take();
        }
        self.is_held.load(Ordering::Acquire)
    }

    /// Makes the file again, where there is room for it and as much beside it.
    fn take(&self) {
        if self.bytes == 0 || self.free().is_none_or(|free| free < self.bytes.saturating_mul(2)) {
            self.is_held.store(self.bytes == 0, Ordering::Release);
            return;
        }
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&self.path);
        let made = file.and_then(|file| {
            // Where a file system knows no such call, the look at what is free is all there is.
            match fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
                Err(error) => Err(error.into()),
            }
        });
        self.is_held.store(made.is_ok(), Ordering::Release);
    }

    /// Gives the room up, so that what runs can still be stored.
    pub(crate) fn give_up(&self) {
        if self.is_held.swap(false, Ordering::AcqRel) {
            drop(fs::remove_file(&self.path));
        }
    }
}
