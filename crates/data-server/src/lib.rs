//! Buckets with copies at several stores, kept in step.
//!
//! The catalog (`data`, pure) says where copies belong and what follows from what was seen; the ledger keeps it with every
//! object's last version and what each copy still lacks. Three kinds of tasks do the work (`work`):
//!
//! 1. A task of each store asks whether it answers, and whether it is still the store that it was.
//! 2. A task of each bucket looks at keys that events name (hints), and compares listings (the truth). It never deletes; it
//!    notes what is to be copied and deleted, unless the guard stops it.
//! 3. A task of each copy brings keys to what they are at the master now, a few at a time, in parts where they are large.
//!
//! The door (`door`) is beside all of them: it passes requests from outside on to functions, by where their data is.
//!
//! Bytes go through this process piece by piece: what is held of them is bounded. A change of settings is a plan first, and
//! the plan is the catalog's own update made to a copy.

mod clock;
mod core;
mod door;
mod http;
mod ledger;
mod options;
mod secret;
mod serve;
mod work;

pub use options::{DataServerOptions, DataServerStart};
pub use serve::{DataServerError, run};

/// The OpenAPI document of the HTTP API.
pub fn openapi() -> String {
    http::document()
}
