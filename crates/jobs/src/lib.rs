//! The rules of jobs, without a clock, a disk or a network: each function is told the time and chance it needs.
//!
//! A job is one call that is asked for now and whose result is fetched later. [`state`] holds the one table of states,
//! [`record`] what a change does to a job, [`outcome`] what follows from how an attempt ended.

pub mod backoff;
pub mod batch;
pub mod duration;
pub mod function;
pub mod ledger;
pub mod model;
pub mod outcome;
pub mod quota;
pub mod record;
pub mod request;
pub mod state;
pub mod timetable;
pub mod token;
pub mod turns;
pub mod view;

pub use backoff::Backoff;
pub use function::FunctionTerms;
pub use outcome::{AttemptOutcome, AttemptReport, RetryWish};
pub use record::{Fence, JobRecord, JobRefusal};
pub use request::{JobLimits, JobRequest, RequestMistake};
pub use state::JobState;
