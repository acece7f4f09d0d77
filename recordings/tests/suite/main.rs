//! Recordings: real ones, functions run again in processes, tests made of calls.

#![expect(clippy::unwrap_used, reason = "tests")]

mod generated;
mod real;
mod worker;
