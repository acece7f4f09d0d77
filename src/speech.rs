//! Words on stdout and stderr, and what becomes of a session when nobody reads them any more.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Lines that could not be written though their reader is there: a disk that is full.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Why the first line on stdout that could not be written was not.
static UNWRITTEN: Mutex<Option<String>> = Mutex::new(None);

/// Output that took nothing was given up on.
static STUCK: AtomicBool = AtomicBool::new(false);
/// How long the last words then wait to be taken.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Says a line on stdout; of what a terminal would act on, only colours are left. An error means that whoever read it has gone: a closed pipe or terminal.
pub(crate) fn out(words: impl Display) -> io::Result<()> {
    heard(answered(writeln!(anstream::stdout(), "{}", session_api::printable(&words.to_string()))))
}

/// Says a line of JSON on stdout: it means the same wherever it goes, and does nothing to a terminal.
pub(crate) fn json(json: impl Display) -> io::Result<()> {
    heard(answered(writeln!(io::stdout(), "{}", session_api::escaped(&json.to_string()))))
}

/// Writes a text to stdout as it is: a script for another program.
pub(crate) fn script(text: &[u8]) -> io::Result<()> {
    heard(answered(io::stdout().write_all(text).and_then(|()| io::stdout().flush())))
}

/// Says a line on stderr, likewise. An error means that whoever read it has gone.
pub(crate) fn err(words: impl Display) -> io::Result<()> {
    heard(writeln!(anstream::stderr(), "{}", session_api::printable(&words.to_string())))
}

/// Why some of what was to be written to stdout was not, although it is open: a disk that is full.
pub(crate) fn unwritten() -> Option<String> {
    UNWRITTEN.lock().take()
}

/// Notes the first line of the answer that is not written.
fn answered(written: io::Result<()>) -> io::Result<()> {
    if let Err(error) = &written
        && !is_gone(error)
    {
        UNWRITTEN.lock().get_or_insert_with(|| error.to_string());
    }
    written
}

/// Output takes nothing any more, and nobody waits for it: last words wait for [`LAST_WORDS`] at most.
pub(crate) fn give_up() {
    STUCK.store(true, Ordering::Relaxed);
}

/// Says last words, which a reader that takes nothing does not keep this process for.
pub(crate) fn last_words(words: impl FnOnce() + Send + 'static) {
    if !STUCK.load(Ordering::Relaxed) {
        return words();
    }
    let (done, waits) = std::sync::mpsc::channel();
    let spoken = std::thread::Builder::new().spawn(move || {
        words();
        // Nobody waits any more.
        let _late = done.send(());
    });
    if spoken.is_ok() {
        // Whether they were heard or not, this is the end.
        let _heard = waits.recv_timeout(LAST_WORDS);
    }
}

/// The lines that were lost since the last time this was asked.
pub(crate) fn lost() -> u64 {
    LOST.swap(0, Ordering::Relaxed)
}

/// A reader that has gone is an error; anything else costs the line, which is counted.
fn heard(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if is_gone(&error) => Err(error),
        Err(_) => {
            LOST.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Whether an error says that nobody reads any more.
fn is_gone(error: &io::Error) -> bool {
    /// What a terminal that was closed answers.
    const EIO: i32 = 5;
    error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(EIO)
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
