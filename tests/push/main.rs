//! `dyn push` on a real Kubernetes: `tests/testbed/kubernetes up 2` starts it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod api;
mod app;
mod cluster;
mod hops;
mod load;
mod others;
mod outages;
mod pods;
mod projects;
mod refusals;
mod rolls;
#[expect(dead_code, reason = "other tests resize it")]
#[path = "../terminal/screen.rs"]
mod screen;
mod served;
mod session;
#[path = "../support/mod.rs"]
mod support;
mod turns;
mod underway;
