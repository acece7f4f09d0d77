//! A fleet of three machines, each a network namespace (tests/testbed/nodes): as root, one test at a time.

#![expect(clippy::unwrap_used, reason = "tests")]

mod fleet;
mod load;
mod outages;
mod sharing;
mod trust;
