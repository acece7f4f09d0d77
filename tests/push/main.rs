//! `dyn push` on a real Kubernetes: `tests/testbed/kubernetes up 2` starts it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod api;
mod app;
mod cluster;
mod load;
mod others;
mod outages;
mod pods;
mod refusals;
mod rolls;
#[path = "../support/mod.rs"]
mod support;
mod turns;
mod underway;
