//! Hosts, asked as a session would; functions run again, and their sandbox.

#![expect(clippy::unwrap_used, reason = "tests")]

mod chain;
mod fleet;
mod hops;
mod http_rules;
mod inline;
mod instances;
mod moves;
mod near;
mod records;
mod replay;
mod runs;
mod sandbox;
mod sharing;
mod together;
