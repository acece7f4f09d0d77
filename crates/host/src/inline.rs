//! Quick functions run on the thread that serves; what holds it up is left behind.
//!
//! Handing a call to another thread and its answer back costs two wake-ups, more than all else a host does for a
//! request. So a function that was quick so far is run where it is asked for. The next call may still be an endless
//! loop: the runtime has two workers, and the second does nothing but look after the first. While it does, every task
//! runs on the first, and tokio wakes nobody to share the work with. Once a call takes too long, the second worker
//! goes to work in the place of the first: it takes over tasks, sockets and clocks, and the function's later calls go
//! to threads of their own. Whoever waits for the long call waits in another task, whose deadline holds as ever.

mod suspect;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::pace::Pace;
use suspect::Suspect;

/// Workers of a runtime with inline execution: one that serves, one that looks after it.
pub(crate) const WORKERS: usize = 2;
/// Between two looks, while there are calls.
const TICK: Duration = Duration::from_millis(4);
/// A call that is still running after this is looked at more closely.
const TOO_LONG: Duration = Duration::from_millis(2);
/// Looks without a call before nobody looks any more, until there is one.
const QUIET: u32 = 25;
/// Larger inputs take time to read alone.
const LARGEST: usize = 16 << 10;

/// Inline execution of quick functions. Closed until [`Inline::open`].
#[derive(Clone)]
pub(crate) struct Inline(Arc<Watch>);

/// What the two workers share.
struct Watch {
    origin: Instant,
    /// [`CLOSED`], [`FREE`], [`LEFT`], or when the call that runs began, in nanoseconds since `origin`.
    state: AtomicU64,
    /// The thread that runs the call, as the system knows it.
    worker: AtomicI32,
    /// Who looks after the calls, or did last.
    guard: Mutex<Option<Thread>>,
    /// Nobody looks until there is a call.
    asleep: AtomicBool,
    /// Whether there was a call since the last look.
    called: AtomicBool,
    /// The call that was left behind waits for what the first worker would have to do.
    asks: AtomicBool,
    ended: AtomicBool,
}

/// Nobody looks, and no call runs.
const CLOSED: u64 = 0;
/// Somebody looks, and no call runs.
const FREE: u64 = 1;
/// A call runs that was left behind: the second worker serves, and nobody looks.
const LEFT: u64 = u64::MAX;

thread_local! {
    /// Whether this thread runs a call inline.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// This thread, as the system knows it.
    static WORKER: i32 = rustix::thread::gettid().as_raw_nonzero().get();
}

impl Inline {
    /// Inline execution that takes no call.
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Watch {
            origin: Instant::now(),
            state: AtomicU64::new(CLOSED),
            worker: AtomicI32::new(0),
            guard: Mutex::default(),
            asleep: AtomicBool::new(false),
            called: AtomicBool::new(false),
            asks: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }))
    }

    /// Takes calls on this runtime, which has [`WORKERS`] workers, from when one of them has nothing else to do.
    pub(crate) fn open(&self, runtime: &Handle) {
        let watch = self.0.clone();
        runtime.spawn(async move {
            // From here on this worker has nothing in its slot that no other could take.
            tokio::task::yield_now().await;
            if watch.leave_the_driver() {
                watch.stand();
            }
        });
    }

    /// Lets both workers serve, and takes no call any more.
    pub(crate) fn close(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
        self.0.wake();
    }

    /// Whether a call of a function of this pace may run here.
    pub(crate) fn takes(&self, pace: &Pace, inputs: &[Bytes]) -> bool {
        self.0.state.load(Ordering::Relaxed) == FREE
            && pace.is_quick()
            && inputs.iter().map(Bytes::len).sum::<usize>() <= LARGEST
    }

    /// Runs a call on this thread, from a task of the runtime that has nothing to wait for but this. Gives the call
    /// back where nobody would look after it.
    pub(crate) fn run<C: FnOnce()>(&self, pace: &Pace, call: C) -> Result<(), C> {
        let (watch, begun) = (&self.0, Instant::now());
        let since = begun.saturating_duration_since(watch.origin).as_nanos();
        let since = u64::try_from(since).unwrap_or(LEFT).clamp(FREE + 1, LEFT - 1);
        if watch.state.compare_exchange(FREE, since, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return Err(call);
        }
        watch.worker.store(WORKER.with(|worker| *worker), Ordering::Relaxed);
        watch.called.store(true, Ordering::Relaxed);
        if watch.asleep.load(Ordering::SeqCst) {
            watch.wake();
        }
        pace.glance(begun, || {
            INSIDE.set(true);
            call();
            INSIDE.set(false);
        });
        if watch.state.compare_exchange(since, FREE, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            return Ok(());
        }
        if watch.asks.swap(false, Ordering::SeqCst) {
            pace.asks();
        } else {
            pace.was_wrong();
        }
        watch.state.store(CLOSED, Ordering::SeqCst);
        self.open(&Handle::current());
        Ok(())
    }

    /// Where this thread runs a call inline: leaves it behind, because what it will wait for is for a worker to
    /// do. Whether it was so.
    pub(crate) fn ask(&self) -> bool {
        let inside = INSIDE.get();
        if inside {
            self.0.asks.store(true, Ordering::SeqCst);
            self.0.state.store(LEFT, Ordering::SeqCst);
            self.0.wake();
        }
        inside
    }
}

impl Watch {
    /// Sees to it that the other worker looks after sockets and clocks; whether there are still inline calls to look after.
    ///
    /// Of two workers that go to sleep, one waits in tokio's driver and the other on a condition variable. The yield
    /// above looks into the driver for a moment. A worker that goes to sleep in that moment waits on its condition, and
    /// if this one then stood still, nobody would be left who waits for the system: connections would be accepted by
    /// the kernel and never read. A worker that runs a task from here on is awake after that moment, so it finds the
    /// driver free when it goes to sleep again.
    fn leave_the_driver(self: &Arc<Self>) -> bool {
        let (ran, here) = (Arc::new(AtomicBool::new(false)), thread::current());
        while !ran.load(Ordering::SeqCst) {
            if self.ended.load(Ordering::SeqCst) {
                return false;
            }
            // The second one pushes the first out of the slot that no other worker takes from, and wakes the other.
            for _ in 0..2 {
                let (ran, here) = (ran.clone(), here.clone());
                tokio::spawn(async move {
                    ran.store(true, Ordering::SeqCst);
                    here.unpark();
                });
            }
            thread::park_timeout(TICK);
        }
        true
    }

    /// Looks after the calls, on the second worker, until one has to be left behind.
    fn stand(&self) {
        *self.guard.lock() = Some(thread::current());
        let opened = self.state.compare_exchange(CLOSED, FREE, Ordering::SeqCst, Ordering::SeqCst);
        if opened.is_err() {
            return;
        }
        let (mut quiet, mut suspect) = (0, Suspect::default());
        while !self.look(&mut suspect) {
            quiet = if self.called.swap(false, Ordering::SeqCst) { 0 } else { quiet + 1 };
            if quiet < QUIET {
                thread::park_timeout(TICK);
                continue;
            }
            self.asleep.store(true, Ordering::SeqCst);
            // A call that begins from here on sees it and wakes us; one that began before is seen.
            if self.state.load(Ordering::SeqCst) == FREE && !self.ended.load(Ordering::SeqCst) {
                thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            quiet = 0;
        }
    }

    /// Whether there is nothing to look after any more.
    fn look(&self, suspect: &mut Suspect) -> bool {
        let state = self.state.load(Ordering::SeqCst);
        let next = match state {
            CLOSED | LEFT => return true,
            _ if self.ended.load(Ordering::SeqCst) => {
                if state == FREE {
                    CLOSED
                } else {
                    LEFT
                }
            }
            FREE => return false,
            begun if self.origin.elapsed().saturating_sub(Duration::from_nanos(begun)) < TOO_LONG => return false,
            begun if !suspect.is_lost(begun, self.worker.load(Ordering::Relaxed)) => return false,
            _ => LEFT,
        };
        self.state.compare_exchange(state, next, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn wake(&self) {
        if let Some(guard) = &*self.guard.lock() {
            guard.unpark();
        }
    }
}
