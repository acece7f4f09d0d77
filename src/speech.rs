//! Words on stdout and stderr, and what becomes of a session when nobody reads them any more.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Lines that could not be written though their reader is there: a disk that is full.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Says a line on stdout; of what a terminal would act on, only colours are left. An error means that whoever read it has gone: a closed pipe or terminal.
pub(crate) fn out(words: impl Display) -> io::Result<()> {
    heard(writeln!(anstream::stdout(), "{}", session::printable(&words.to_string())))
}

/// Says a line on stderr, likewise. An error means that whoever read it has gone.
pub(crate) fn err(words: impl Display) -> io::Result<()> {
    heard(writeln!(anstream::stderr(), "{}", session::printable(&words.to_string())))
}

/// The lines that were lost since the last time this was asked.
pub(crate) fn lost() -> u64 {
    LOST.swap(0, Ordering::Relaxed)
}

/// A reader that has gone is an error; anything else costs the line, which is counted.
fn heard(written: io::Result<()>) -> io::Result<()> {
    /// What a terminal that was closed answers.
    const EIO: i32 = 5;
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(EIO) => Err(error),
        Err(_) => {
            LOST.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_told_from_a_line_that_is_lost() {
        for gone in [io::ErrorKind::BrokenPipe.into(), io::Error::from_raw_os_error(5)] {
            assert!(heard(Err(gone)).is_err());
        }
        assert!(heard(Err(io::ErrorKind::StorageFull.into())).is_ok());
        assert_eq!((lost(), lost()), (1, 0));
    }
}
