//! What the attributes expand to. A program that is a library itself, as in `border` and `retired`, is one library: each
//! of those is a binary of its own.

#![cfg(feature = "macros")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod flow;
mod names;
