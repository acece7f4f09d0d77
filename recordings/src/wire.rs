//! Values as recordings have them, and as hosts and workers say them.

use protocol::value;

use crate::body::{Body, End, Left};
use crate::request::Called;

impl From<value::Value> for Body {
    fn from(value: value::Value) -> Self {
        match value {
            value::Value::Json(json) => Self::Json(json),
            value::Value::Bytes(text) => Self::Bytes(text),
            value::Value::Left { bytes } => Self::Left { bytes, why: Left::Size },
        }
    }
}

impl From<value::End> for End {
    fn from(end: value::End) -> Self {
        match end {
            value::End::Value(value) => Self::Value(value.into()),
            value::End::Filtered => Self::Filtered,
            value::End::Failed { kind, message } => Self::Failed { kind, message },
        }
    }
}

impl From<value::Called> for Called {
    fn from(called: value::Called) -> Self {
        let inputs = called.inputs.into_iter().map(Body::from).collect();
        Self { service: called.service, inputs, end: called.end.into() }
    }
}

impl From<&Body> for value::Value {
    /// What is beside a recording is as good as not kept: it is put in before ([`crate::Reader::fill`]).
    fn from(body: &Body) -> Self {
        match body {
            Body::Json(json) => Self::Json(json.clone()),
            Body::Bytes(text) => Self::Bytes(text.clone()),
            &Body::Stored { bytes, .. } | &Body::Left { bytes, .. } => Self::Left { bytes },
        }
    }
}

impl From<&End> for value::End {
    fn from(end: &End) -> Self {
        match end {
            End::Value(body) => Self::Value(body.into()),
            End::Filtered => Self::Filtered,
            End::Failed { kind, message } => Self::Failed { kind: kind.clone(), message: message.clone() },
        }
    }
}

impl From<&Called> for value::Called {
    fn from(called: &Called) -> Self {
        let inputs = called.inputs.iter().map(value::Value::from).collect();
        Self { service: called.service.clone(), inputs, end: (&called.end).into() }
    }
}
