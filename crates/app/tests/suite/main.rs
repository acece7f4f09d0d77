//! Texts to apps: read, wrong, edited, sliced.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "../../benches/generate.rs"]
#[expect(unreachable_pub, reason = "other crates use it, too")]
mod generate;

mod again;
mod anything;
mod building;
mod cell;
mod changes;
mod imports;
mod modules;
mod tricky;
mod wrong;
