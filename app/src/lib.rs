//! Source text to [`App`]: services, flow, placed state, and what changed between two.
//!
//! Pure: no file is read here. The caller puts texts into [`Sources`] and asks [`wanted`] what else is mentioned.
//!
//! The way of a text: `text` (bytes to text) → `tree` (syn's items, by module) → `mention` (what an item names) →
//! `reach` (what a service needs) → `parse` (services, flow, findings) → `slice` (what a service is compiled from).

mod change;
mod diagnostic;
mod flow;
mod graph;
mod mention;
mod model;
mod parse;
mod reach;
mod scope;
mod service;
mod slice;
mod sources;
mod text;
mod tokens;
mod tree;

pub use change::{Change, Changes, compare};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use graph::{Drawing, graph, report};
pub use model::{App, Flow, Input, Output, Placed, Service, Slice, Stub};
pub use parse::parse;
pub use sources::{Missing, Sources, wanted};
pub use text::{LARGEST_FILE, check_text};
