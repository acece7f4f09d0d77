//! The `dyn` command as a person or a program uses it: answers, exported files, the view on a terminal.

#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod export;
#[cfg(feature = "jobs")]
mod functions;
mod homes;
mod ide;
mod new;
#[cfg(feature = "nodes")]
mod nodes;
mod simulate;
mod terminal;
