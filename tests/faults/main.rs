//! A day of faults: a constant, counted load goes through a chain while something breaks, and every request is
//! accounted for: answered right, or told what went wrong and where; never lost, never wrong, never run twice.
//!
//! A Docker engine must answer, and the tests run as root: they mount a disk to fill and start an engine to end.

#[path = "../chain/daemon.rs"]
#[expect(dead_code, reason = "the chain's tests need more of an engine")]
mod daemon;
#[path = "../chain/disk.rs"]
#[expect(dead_code, reason = "here a service fills it")]
mod disk;
#[path = "../chain/hosts.rs"]
#[expect(dead_code, reason = "nothing is replayed here")]
mod hosts;
#[path = "../chain/session.rs"]
#[expect(dead_code, reason = "the chain's tests see more of a session")]
mod session;
#[path = "../support/mod.rs"]
mod support;

mod callers;
mod chain;
mod engine;
mod hops;
mod limits;
mod load;
mod numbers;
mod promises;
mod services;

/// Makes a test of each backend out of a function that takes the backend's name.
macro_rules! on_both_backends {
    ($($test:ident),* $(,)?) => {
        mod process {
            $(#[test] fn $test() { super::$test("process"); })*
        }
        mod docker {
            $(#[test] fn $test() { super::$test("docker"); })*
        }
    };
}
pub(crate) use on_both_backends;
