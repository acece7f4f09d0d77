//! A day of faults: a constant, counted load goes through a chain while something breaks, and every request is
//! accounted for: answered right, or told what went wrong and where; never lost, never wrong, never run twice.

mod callers;
mod chain;
mod engine;
mod hops;
mod limits;
mod load;
mod numbers;
mod promises;
mod services;
