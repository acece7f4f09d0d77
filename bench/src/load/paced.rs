//! A load by a clock: one thread that asks on each connection when it is due, and reads answers as they come.
//!
//! A thread for each connection would be woken twice for a request, by its clock and by the answer, and what that takes
//! would be missing from the chain whose limit was found in a closed loop. An answer that comes in parts holds the others
//! up until it is whole; those of the chains that are measured come in one.

use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::caller::{Caller, PATIENCE};
use super::{PAUSE, Plan, Tally, Wire};

/// A connection, or what is to become one.
struct Line<'a> {
    caller: Caller<'a>,
    /// When it asks next, or was to ask what is under way.
    due: Instant,
    /// What is under way: since when its caller has been waiting, and where its answer comes.
    waits: Option<(Instant, TcpStream)>,
    /// Its latest answer.
    last: Option<Instant>,
}

/// Asks so many times a second on all connections together.
pub(super) fn ask(plan: Plan<'_>, pace: f64) -> anyhow::Result<Tally> {
    ensure!(!matches!(plan.goal.wire, Wire::Here(_)), "a call within this process knows no clock");
    let every = Duration::from_secs_f64(plan.load.connections as f64 / pace);
    let begun = Instant::now();
    let line = |at: usize| Line {
        caller: Caller::new(&plan.goal.wire, plan.load.keep),
        // Spread evenly: all at once would be another load.
        due: begun + every.mul_f64(at as f64 / plan.load.connections as f64),
        waits: None,
        last: None,
    };
    let mut lines: Vec<_> = (0..plan.load.connections).map(line).collect();
    let mut tally = Tally::new(plan.begun);
    let mut over = false;
    loop {
        for line in lines.iter_mut().filter(|line| line.waits.is_none()) {
            let now = Instant::now();
            if over || line.due > now {
                continue;
            }
            over = plan.is_over();
            if !over {
                line.send(&plan, &mut tally, now, every)?;
            }
        }
        if over && lines.iter().all(|line| line.waits.is_none()) {
            return Ok(tally);
        }
        for at in wait(&lines, over)? {
            lines[at].receive(&plan, &mut tally, every)?;
        }
    }
}

impl Line<'_> {
    fn send(&mut self, plan: &Plan<'_>, tally: &mut Tally, now: Instant, every: Duration) -> anyhow::Result<()> {
        // Somebody who is late because the answer before was late has been waiting since their time; who is late
        // because this thread was has not.
        let from = if self.last.is_some_and(|last| last > self.due) { self.due } else { now };
        match self.caller.send() {
            Ok(stream) => self.waits = Some((from, stream)),
            Err(error) => {
                tally.count(plan.goal.check.judge(Err(error)), from, Instant::now())?;
                self.due += every;
                // A door that is shut: everybody else finds it so, too.
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    fn receive(&mut self, plan: &Plan<'_>, tally: &mut Tally, every: Duration) -> anyhow::Result<()> {
        let Some((from, stream)) = self.waits.take() else { return Ok(()) };
        let answer = match from.elapsed() {
            waited if waited > PATIENCE => Err(io::ErrorKind::TimedOut.into()),
            _ => self.caller.receive(stream),
        };
        let now = Instant::now();
        tally.count(plan.goal.check.judge(answer), from, now)?;
        self.last = Some(now);
        self.due += every;
        Ok(())
    }
}

/// The lines with an answer, or with too long a wait for one, as soon as there are any; none once somebody is due.
fn wait(lines: &[Line<'_>], over: bool) -> anyhow::Result<Vec<usize>> {
    let now = Instant::now();
    let waiting: Vec<_> = lines.iter().enumerate().filter_map(|(at, line)| Some((at, line.waits.as_ref()?))).collect();
    let late = waiting.iter().map(|(_, (from, _))| *from + PATIENCE);
    let due = lines.iter().filter(|line| line.waits.is_none() && !over).map(|line| line.due);
    let longest = late.chain(due).min().map_or(PAUSE, |until| until.saturating_duration_since(now));
    let mut sockets: Vec<_> = waiting.iter().map(|(_, (_, stream))| PollFd::new(stream, PollFlags::IN)).collect();
    let longest = Timespec::try_from(longest).context("a time to wait for")?;
    match poll(&mut sockets, Some(&longest)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error).context("wait for answers"),
    }
    let is_ready = |at: usize| !sockets[at].revents().is_empty();
    let ready = waiting.iter().enumerate().filter(|(at, (_, (from, _)))| is_ready(*at) || from.elapsed() > PATIENCE);
    Ok(ready.map(|(_, (line, _))| *line).collect())
}
