//! The main job, end to end, on both backends: the same checks against processes and against containers.
//!
//! A Docker engine must answer; where none does, these tests fail rather than pass over what they are for.

#[path = "../support/mod.rs"]
mod support;

mod building;
mod builds;
mod daemon;
mod disk;
mod edits;
mod engine;
mod environment;
mod errors;
mod examples;
mod faces;
mod faults;
mod floods;
mod hops;
mod hosts;
mod recordings;
mod replaying;
mod saves;
mod session;
mod sessions;
mod state;
mod takeovers;
mod toolchain;

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
