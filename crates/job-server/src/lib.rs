//! Durable jobs for the services of an app: asked for now, fetched later, never lost, never counted twice.
//!
//! A job is kept before it is accepted (`books`), waits for its tenant's turn (`dispatch`), and runs at the host of its
//! service (`run`), which keeps the outcome until it is stored here. So the end of this process repeats no run: the next
//! one asks the hosts for what was under way.
//!
//! # The way of a job
//!
//! 1. The job server keeps the job, commits, and answers 202. Changes that came together share one sync of the disk. Where a slot
//!    is free and it is the tenant's turn, the same commit begins its next job.
//! 2. Else `dispatch` picks the tenant that has used the least function time over its weight. It claims the tenant's next job.
//! 3. `run` asks the service's host with `Dyninka-Run: JOB.ATTEMPT` and the host's epoch. The host runs each id once in its life, in a
//!    task of its own, and keeps the outcome until the server has stored it (`crates/host/src/runs.rs`).
//! 4. The end of the attempt is stored where job, attempt and holder are still the same: what comes late changes nothing.
//! 5. A server that starts takes over what was running. It asks the hosts for the same ids: it waits for the outcome, gets it, or
//!    hears of another epoch, and then the attempt is lost.
//! 6. Hosts count function time by account (`crates/host/src/meter.rs`). The server reads them each second and adds differences.
//!
//! A function asks for a job by its host: the server holds a question for such jobs at each host (`asks`), and accepts them as any
//! other. So a host needs no way to the server, and an end of the server between two of its answers asks for nothing twice.
//!
//! The session starts the job server once the app serves (`src/command/jobs_beside.rs`), and again whenever it ends.

mod asks;
mod books;
mod clock;
pub mod config;
mod core;
mod deliver;
mod dispatch;
mod faas;
mod fit;
mod functions;
mod hosts;
mod http;
mod metrics;
mod redrive;
mod run;
mod schedule;
mod serve;
mod slots;
mod sweep;
#[cfg(test)]
mod tests;
mod waits;

pub use config::{
    CallbackSettings, FunctionSettings, JobConfigError, JobServerConfig, JobServerSettings, JobServerTarget,
    KumoriAccess,
};
pub use jobs::request::{LostRule, TargetTerms};
pub use serve::{JobServerError, run};

/// The OpenAPI document of the HTTP API.
pub fn openapi() -> String {
    http::document()
}
