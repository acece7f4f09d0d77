//! A fleet of three machines, each a network namespace (tests/testbed/nodes): as root, one test at a time.

mod fleet;
mod load;
mod outages;
mod sharing;
mod trust;
