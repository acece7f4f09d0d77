//! What tells one version of a file from another.

use std::fs::{File, Metadata};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

/// The tag of a file: its number, size and time. A file that was written by hand has one, too.
pub(super) fn tag(about: &Metadata) -> String {
    format!("file-{:x}-{:x}-{:x}{:09}", about.ino(), about.size(), about.mtime(), about.mtime_nsec())
}

/// Gives a file the time to the nanosecond: the kernel's own moves in steps of milliseconds, and the number of a file that was
/// replaced is soon another's.
pub(super) fn stamp(path: &Path) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    file.set_modified(SystemTime::now())?;
    file.sync_all()
}

/// A name that nobody else uses.
pub(super) fn id() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}
