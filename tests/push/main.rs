//! `dyn push` on a real Kubernetes: `tests/testbed/kubernetes up 2` starts it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod app;
mod cluster;
mod load;
mod refusals;
mod rolls;
mod session;
#[path = "../support/mod.rs"]
mod support;
