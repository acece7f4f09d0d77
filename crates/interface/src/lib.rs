//! What other programs call an app by: JSON Schemas of its services, OpenAPI documents, and typed clients.
//!
//! Pure: an [`app::App`] goes in, text or JSON comes out, the same for the same app. All three are made from one
//! [`Interface`], which is what serde reads and writes for the types of the services ([`app::Wire`]).

mod client;
mod directed;
mod openapi;
mod schema;
mod service_operation;
#[cfg(test)]
mod tests;
mod type_names;

pub use client::Language;
pub use directed::Direction;
pub use openapi::{NoEntry, OpenApiVersion};
pub use service_operation::{CallInput, Interface, ServiceOperation};
