//! Targets: what reads bytes that come from outside, and what must hold for any bytes.
//!
//! `cargo run -p fuzz` mutates seeds for `FUZZ_SECONDS` (10 unless said) on every target side by side, on any
//! toolchain. `fuzz/guided/run TARGET` has libFuzzer look for inputs that reach new code, on a nightly one.

pub mod mutation;
mod targets;

pub use targets::TARGETS;

/// Something that reads.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What is mutated: inputs that are read well.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Pieces that mean something to it, to be put anywhere.
    pub words: &'static [&'static str],
    /// Reads, and panics where something does not hold.
    pub run: fn(&[u8]),
}

/// A target by its name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
