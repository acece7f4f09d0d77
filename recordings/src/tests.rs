//! What tests of this crate record.

use crate::request::{RecordedHop, Request};
use protocol::body::{Body, Outcome};

/// A call of `service` with one input, ended with a value.
pub(crate) fn hop(service: &str, input: &str, output: &str) -> RecordedHop {
    RecordedHop {
        span: "00f067aa0ba902b7".into(),
        parent: None,
        service: service.into(),
        version: format!("{service}@1"),
        inputs: vec![Body::new(input.as_bytes())],
        end: Outcome::Value(Body::new(output.as_bytes())),
        function_ns: 1000,
        at_ns: 0,
        took_ns: 0,
        sequence: 0,
        life: 0,
        calls: Vec::new(),
    }
}

/// The request that began then.
pub(crate) fn request(at: u64, hops: Vec<RecordedHop>) -> Request {
    Request { id: format!("{at:032x}"), at, route: None, headers: Vec::new(), hops }
}
