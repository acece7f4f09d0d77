//! Durable jobs for the services of an app: asked for now, fetched later, never lost, never counted twice.
//!
//! A job is kept before it is accepted (`books`), waits for its tenant's turn (`dispatch`), and runs at the host of its
//! service (`run`), which keeps the outcome until it is stored here. So the end of this process repeats no run: the next
//! one asks the hosts for what was under way.

mod books;
mod clock;
pub mod config;
mod core;
mod deliver;
mod dispatch;
mod hosts;
mod http;
mod run;
mod schedule;
mod serve;
mod sweep;

pub use config::{CallbackSettings, JobConfigError, JobServerConfig, JobServerSettings, JobServerTarget};
pub use serve::{JobServerError, run};

/// The OpenAPI document of the HTTP API.
pub fn openapi() -> String {
    http::document()
}
