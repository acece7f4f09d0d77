//! Source text to [`App`]: services, flow, placed state, and what changed between two.
//!
//! Pure: no file is read here. The caller puts texts into [`Sources`] and asks [`wanted`] what else is mentioned.

mod diagnostic;
mod model;
mod sources;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use model::{App, Flow, Input, Output, Placed, Service, Slice, Stub};
pub use sources::{Missing, Sources};
