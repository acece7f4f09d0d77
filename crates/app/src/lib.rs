//! Source text to [`App`]: services, flow, placed state, and what changed between two.
//!
//! Pure: no file is read here. The caller puts texts into [`Sources`] and asks [`wanted()`] what else is mentioned.
//!
//! The way of a text: `text` (bytes to text) → `unit` (syn's items to what counts of them, kept in a `memory` for the
//! next reading) → `read` (those to a `tree`, by module) → `mention` (what an item
//! names, found by `walk` over code and `raw` over tokens) → `names` (what a name is) → `reach` (what a service needs) → `parse`
//! (services, flow, findings) → `slice` and
//! `split` (what a service is compiled from) and `meaning` (what an edit changed).

mod acts;
mod ahead;
mod alias;
mod apart;
mod bucket;
mod cell;
mod change;
mod condition;
mod crates;
mod diagnostic;
mod edge;
mod flow;
mod graph;
mod import;
mod kept;
mod macros;
mod meaning;
mod memory;
mod mention;
mod model;
mod moved;
mod names;
mod nesting;
mod objects;
mod options;
mod parse;
mod placed;
mod quantity;
mod raw;
mod reach;
mod read;
mod reader;
mod scope;
mod seen;
mod service;
mod shape;
mod shared;
mod slice;
mod sources;
mod split;
mod suggest;
mod syntax;
mod terms;
mod text;
mod tokens;
mod tree;
mod unit;
mod unseen;
mod walk;
mod wanted;
mod wire;

pub use apart::Carried;
pub use change::{Change, Changes, compare, reasons};
pub use diagnostic::{Diagnostic, Related, Severity, SourcePlace};
pub use edge::Edge;
pub use graph::{Drawing, graph, report};
pub use memory::Memory as Incremental;
pub use model::{App, AppBucket, Flow, Input, Needs, Output, PlacedStatic, Service, ServiceSlice, Stub, WantedPlaces};
pub use moved::CodeShift;
pub use parse::parse;
pub use quantity::{Cpu, Memory, NoAmount, TimeSpan};
pub use shape::Shape;
pub use sources::{Missing, Sources};
pub use split::{ServiceGroup, Split};
pub use suggest::{nearest, suggest};
pub use terms::{JobTerms, LoadTerms, LostAttempt, RetryWaits};
pub use text::{LARGEST_FILE, check_text};
pub use wanted::wanted;
pub use wire::{Field, Form, SchemaRecord, SchemaVariant, Tag, Unknown, Variant, Wire, WireInput};
