//! What the system gives this process no more of.

use std::io;

use rustix::io::Errno;

/// What to do where there are too many open files.
pub const FILES_HINT: &str = "this process may not open more files: `ulimit -n` shows how many, and `ulimit -n 65536` \
                              before `dyn` allows more, up to what `ulimit -Hn` says";

/// Whether an error says that too many files are open.
pub fn is_out_of_files(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| number == Some(errno.raw_os_error()))
}
