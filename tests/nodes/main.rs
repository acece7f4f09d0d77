//! Fleets of machines, each a network namespace (tests/testbed/nodes), or of nodes with the services in containers of the
//! Docker engine of this machine: as root, one test at a time.

#![cfg(feature = "nodes")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod docker;
mod fleet;
mod load;
mod outages;
mod sharing;
mod trust;
