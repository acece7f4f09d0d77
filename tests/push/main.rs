//! `dyn push` on a real Kubernetes: `tests/testbed/kubernetes up 2` starts it. `places` needs `tests/testbed/stores fetch` as well.

#![cfg(feature = "cluster")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod api;
mod app;
mod cluster;
mod groups;
mod hops;
mod load;
mod nodes;
mod others;
mod outages;
mod page;
mod places;
mod pods;
mod projects;
mod refusals;
mod rolls;
mod served;
mod session;
mod store;
mod tabs;
mod turns;
mod underway;
