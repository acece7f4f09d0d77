//! Spans as OpenTelemetry sends them: OTLP, protobuf, one `ExportTraceServiceRequest` a batch.
//!
//! A [`Span`](crate::Span) is a span of kind SERVER, each of its calls one of kind CLIENT below it, named and described
//! by the semantic conventions for HTTP (1.38). What they have no word for is under `dyninka.*`: any collector takes
//! the same bytes as the session.

mod decode;
mod encode;
mod message;
mod name;

pub use decode::{DecodeError, Decoded, Rejected, decode, rejected};
pub use encode::encode;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
