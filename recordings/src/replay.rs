//! What an edit changed: recorded inputs, run on the code before and on the code now.
//!
//! The way of a question: `cases` (which recorded calls are run) → `rounds` (the runs, through a [`Runner`]) → `judge`
//! (what differs, and is no accident) → `downstream` (what that changes further on, until nothing differs any more)
//! → [`ReplayVerdict`].
//!
//! A function that does more than compute (it writes, calls somebody, starts a process) is stopped by the sandbox it runs
//! in before any of that happens, and not run any more ([`Known`]): what was recorded of it stands in.
//!
//! The code before is the baseline, not what was recorded: a clock, a random number or the order of concurrent calls
//! differ between a recording and now whatever the code is. What differs between two runs of the code before, or from
//! the recording where everything else is as it was then, is `unstable` and no change.

mod against;
mod cases;
mod downstream;
mod judge;
mod known;
mod launch;
mod pace;
mod question;
mod rounds;
mod runner;
mod verdict;
pub(crate) mod worker;

pub use against::stand_in;
pub(crate) use cases::Case;
pub use known::Known;
pub use launch::{COMMAND, Environments, FREE, Launch, Launched, Launching};
pub use question::{InputSource, Question, Replay, ReplayLimits, Subject};
pub use runner::{Job, Prepared, ReplayedRun, Role, Runner, Slot};
pub use verdict::{CaseChange, FunctionRuns, Pace, ReplayVerdict};

/// Kinds of end that only a run again has.
pub mod kind {
    /// It did not end in time.
    pub const DEADLINE: &str = "deadline";
    /// Its process ended.
    pub const DIED: &str = "died";
    /// Its body made a call that was not recorded.
    pub const NOT_RECORDED: &str = "not-recorded";
    /// An input does not read as its type.
    pub const REJECTED: &str = "rejected";
    /// It did more than compute, and was stopped: what, says the message.
    pub const STOPPED: &str = "stopped";
}

#[cfg(test)]
mod tests;
