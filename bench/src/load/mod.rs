//! A load in a closed loop: so many connections, each asking again as soon as it is answered, or by a clock.
//!
//! The generator takes as little as it can of the processors it shares with what it measures. In a closed loop that is a
//! thread and a blocking socket for each connection: a request costs two system calls, and nothing is woken that has
//! nothing to do. By a clock it is one thread for all of them.

mod answers;
mod caller;
mod paced;
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
    /// A request as it goes out, whatever its method.
    Request { address: SocketAddr, bytes: Vec<u8> },
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
    /// The public listener of a chain.
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
    if let Some(pace) = load.pace {
        let mut tally = paced::ask(plan, pace)?;
        tally.close();
        return Ok(tally);
    }
    let mut tally = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || plan.ask());
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
    fn ask(self) -> anyhow::Result<Tally> {
        let mut caller = Caller::new(&self.goal.wire, self.load.keep);
        let mut tally = Tally::new(self.begun);
        while !self.is_over() {
            let asked = Instant::now();
            let answer = caller.ask();
            let now = Instant::now();
            let failed = answer.is_err();
            tally.count(self.goal.check.judge(answer), asked, now)?;
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
