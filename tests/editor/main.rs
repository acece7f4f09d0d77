//! An app in an editor: what rust-analyzer says of it, and what a debugger sees of it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod analyzer;
mod debugger;
