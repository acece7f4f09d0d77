//! Where functions are run again.

use std::future::Future;
use std::time::Duration;

use protocol::body::RecordedCall;

use crate::request::PlacedValue;
use protocol::body::{Body, Outcome};

/// Runs functions again, away from the services that serve.
///
/// An error means that nothing can be run, and ends the question. That a function fails, ends its process or never ends
/// is an end like others ([`super::kind`]), and so is that it was stopped; after these a slot is as if prepared anew.
pub trait Runner: Send {
    /// What keeps it from running anything.
    type Error: Send;

    /// Has a slot ready, its placed state as it is at first but for these statics.
    fn prepare(
        &mut self,
        slot: &Slot,
        states: &[PlacedValue],
    ) -> impl Future<Output = Result<Prepared, Self::Error>> + Send;

    /// Runs a function in a slot that was prepared.
    fn run(&mut self, job: Job<'_>) -> impl Future<Output = Result<ReplayedRun, Self::Error>> + Send;
}

/// A function's code with a placed state of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Two slots may hold the same code.
    pub role: Role,
    /// The service, by its Rust name.
    pub service: String,
    /// The version: `name@hash`.
    pub version: String,
    /// Whether it may do more than compute.
    pub is_free: bool,
}

/// Which side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The code before.
    Was,
    /// The code now.
    Now,
}

/// A slot that is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Statics that did not take the recorded value, each with why.
    pub reset: Vec<(String, String)>,
    /// What the library did as it was opened, other than compute: it was stopped, and the slot is none.
    pub stopped: Option<String>,
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    pub slot: &'a Slot,
    /// In the order of the parameters.
    pub inputs: &'a [Body],
    /// What answers calls from its body.
    pub stand_ins: &'a [RecordedCall],
    /// How long it may take.
    pub timeout: Duration,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayedRun {
    pub end: Outcome,
    /// Nanoseconds in the function.
    pub function_ns: u64,
}
