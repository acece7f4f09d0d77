//! A load in a closed loop: so many connections, each asking again as soon as it is answered, or by a clock.
//!
//! Threads and blocking sockets: a request costs two system calls and nothing is woken that has nothing to do, so that
//! the generator takes as little as it can of the processors it shares with what it measures.

mod answers;
mod caller;
mod tally;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

pub(crate) use answers::Check;
pub(crate) use tally::Tally;

use caller::Caller;

/// Whom to ask, how, and what is right.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) wire: Wire,
    pub(crate) check: Check,
}

/// How to ask.
#[derive(Clone, Debug)]
pub(crate) enum Wire {
    /// `GET /`, with further header lines.
    Http { address: SocketAddr, headers: String },
    /// Bytes out, as many bytes back.
    Raw { address: SocketAddr, payload: Vec<u8> },
    /// A call within this process.
    Here(fn() -> anyhow::Result<Option<String>>),
}

/// How hard to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Whether a connection is used again.
    pub(crate) keep: bool,
    /// Asked and checked, but not timed.
    pub(crate) warm: Duration,
    pub(crate) length: Length,
    /// Requests a second of all connections together; none: as many as are answered.
    pub(crate) pace: Option<f64>,
}

/// When it is enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    /// After this time, the warming not counted.
    Time(Duration),
    /// After so many requests.
    Requests(u64),
}

impl Goal {
    /// The front door of a chain.
    pub(crate) fn door(url: &str, check: Check) -> anyhow::Result<Self> {
        Ok(Self { wire: Wire::Http { address: address(url)?, headers: String::new() }, check })
    }
}

/// The address in a URL such as `http://127.0.0.1:8080/`.
pub(crate) fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} is no http URL"))?;
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.replace("localhost", &Ipv4Addr::LOCALHOST.to_string());
    host.parse().with_context(|| format!("read the address in {url}"))
}

/// Asks, and counts every answer. Blocks until the last connection has its answer.
pub(crate) fn run(goal: &Goal, load: &Load) -> anyhow::Result<Tally> {
    let left = AtomicU64::new(match load.length {
        Length::Requests(requests) => requests,
        Length::Time(_) => u64::MAX,
    });
    let begun = Instant::now() + load.warm;
    let plan = Plan { goal, load, left: &left, begun };
    let mut tally = thread::scope(|scope| {
        let spawn = |at| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || plan.ask(at));
        let threads = (0..load.connections).map(spawn).collect::<Result<Vec<_>, _>>();
        let threads = threads.context("start a thread for each connection")?;
        let mut all = Tally::new(begun);
        for thread in threads {
            all.add(&thread.join().map_err(|_| anyhow!("a connection's thread panicked"))??)?;
        }
        anyhow::Ok(all)
    })?;
    tally.close();
    Ok(tally)
}

/// Set when the bench ends: a load that still runs ends early.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Has every load end after the answers that are under way.
pub(crate) fn stop() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// Of a thread: a caller's buffers are on the heap.
const STACK: usize = 256 << 10;

/// Between two attempts on a door that is shut.
const PAUSE: Duration = Duration::from_millis(1);

/// What the connections of a load share.
#[derive(Clone, Copy)]
struct Plan<'a> {
    goal: &'a Goal,
    load: &'a Load,
    left: &'a AtomicU64,
    /// When the warming is over.
    begun: Instant,
}

impl Plan<'_> {
    /// One connection's part.
    fn ask(self, at: usize) -> anyhow::Result<Tally> {
        let mut caller = Caller::new(&self.goal.wire, self.load.keep);
        let mut tally = Tally::new(self.begun);
        let mut clock = self.load.pace.map(|pace| Clock::new(self.load, pace, at));
        loop {
            // Somebody who is late because the answer before was late has been waiting since their time; who is late
            // because a thread woke up late has not.
            let due = clock.as_mut().map(Clock::next);
            if let Some(due) = due {
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            if self.is_over() {
                break;
            }
            let asked = Instant::now();
            let from = match (due, tally.last) {
                (Some(due), Some(last)) if last > due => due,
                _ => asked,
            };
            let answer = caller.ask();
            let now = Instant::now();
            let failed = answer.is_err();
            tally.count(self.goal.check.judge(answer), from, now)?;
            if failed {
                thread::sleep(PAUSE);
            }
        }
        Ok(tally)
    }

    fn is_over(&self) -> bool {
        if STOPPED.load(Ordering::Relaxed) {
            return true;
        }
        match self.load.length {
            Length::Time(time) => Instant::now() >= self.begun + time,
            Length::Requests(_) => {
                self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
            }
        }
    }
}

/// When a connection of a paced load asks.
struct Clock {
    next: Instant,
    every: Duration,
}

impl Clock {
    fn new(load: &Load, pace: f64, at: usize) -> Self {
        let every = load.connections as f64 / pace;
        // Spread evenly: all at once would be another load.
        let first = every * at as f64 / load.connections as f64;
        Self { next: Instant::now() + Duration::from_secs_f64(first), every: Duration::from_secs_f64(every) }
    }

    fn next(&mut self) -> Instant {
        let due = self.next;
        self.next += self.every;
        due
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
