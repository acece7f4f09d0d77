//! A chain of hosts, served and asked as a session would.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod hops;
mod http_rules;
mod records;
