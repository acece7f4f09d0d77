//! A call that runs for long: whether it is long, or the system gave its thread no processor.

use std::fs;
use std::time::Duration;

/// Processor time a call may use after it was suspected.
const MOST: Duration = Duration::from_millis(1);

/// The call that was seen to run for long last.
#[derive(Debug, Default)]
pub(super) struct Suspect {
    /// When it began.
    call: u64,
    /// Processor time of its thread when it was first suspected.
    ran: Duration,
}

impl Suspect {
    /// Whether the call that began then, on this thread, is to be left behind: it waits for something, or it uses the
    /// processor. One that only waits for a processor goes on where it is. What cannot be known is left behind.
    pub(super) fn is_lost(&mut self, call: u64, thread: i32) -> bool {
        let Some((waits, ran)) = look(thread) else { return true };
        if self.call != call {
            *self = Self { call, ran };
        }
        waits || ran.saturating_sub(self.ran) >= MOST
    }
}

/// Whether a thread of this process waits for something else than a processor, and its processor time.
fn look(thread: i32) -> Option<(bool, Duration)> {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
    // `id (name) state …`; a name may have brackets of its own (proc(5)).
    let waits = !stat.rsplit_once(')')?.1.trim_start().starts_with('R');
    // Nanoseconds on the processor, nanoseconds waiting for it, and how often.
    let times = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    let ran = times.split_whitespace().next()?.parse().ok()?;
    Some((waits, Duration::from_nanos(ran)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;

    fn id() -> i32 {
        rustix::thread::gettid().as_raw_nonzero().get()
    }

    #[test]
    fn a_thread_that_waits_is_told_from_one_that_works() {
        let (told, thread) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let works = std::thread::spawn(move || {
            told.send(id()).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            assert!(ended.recv().is_err());
        });
        let thread = thread.recv().unwrap();
        let mut suspect = Suspect::default();
        // However busy the machine is, it is given a millisecond some time.
        while !suspect.is_lost(1, thread) {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        while !look(thread).unwrap().0 {
            std::thread::yield_now();
        }
        assert!(suspect.is_lost(2, thread), "it waits");
        drop(end);
        works.join().unwrap();
        // The kernel lets the one who joins go on a little before the thread is gone.
        while look(thread).is_some() {
            std::thread::yield_now();
        }
        assert!(suspect.is_lost(3, thread), "it is gone");
    }
}
