//! Which trace a request belongs to: W3C Trace Context, version 00.

use http::HeaderMap;
use protocol::{SpanId, TraceId, header};

use crate::request_context::text;

/// A tracestate longer than this need not be handed on (W3C Trace Context, 3.3.1.5).
const LONGEST_STATE: usize = 512;

/// A request's place in a trace.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) id: TraceId,
    /// The caller's span.
    pub(crate) parent: Option<SpanId>,
    /// This service's.
    pub(crate) span: SpanId,
    flags: u8,
    state: Option<String>,
}

impl Trace {
    /// The caller's trace, or a new one where there is none that reads (W3C Trace Context, 3.2).
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let one = headers.get_all(header::TRACEPARENT).iter().nth(1).is_none();
        let given = text(headers, header::TRACEPARENT).filter(|_| one).and_then(parent);
        let span = random_span();
        match given {
            Some((id, parent, flags)) => {
                let state = headers.get_all(header::TRACESTATE).iter().map(|value| value.to_str().unwrap_or_default());
                let state = state.collect::<Vec<_>>().join(",");
                let state = Some(state).filter(|state| !state.is_empty() && state.len() <= LONGEST_STATE);
                Self { id, parent: Some(parent), span, flags, state }
            }
            None => Self { id: random_trace(), parent: None, span, flags: SAMPLED, state: None },
        }
    }

    /// The place of a call that is this span.
    pub(crate) fn called(&self, call: SpanId) -> Self {
        Self { parent: Some(call), span: random_span(), ..self.clone() }
    }

    /// Whether the caller wants it sent on to collectors.
    pub(crate) fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The header of a call that is this span.
    pub(crate) fn header(&self, call: SpanId) -> String {
        format!("00-{}-{call}-{:02x}", self.id, self.flags)
    }

    /// What others keep with the trace.
    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

const SAMPLED: u8 = 1;

fn parent(text: &str) -> Option<(TraceId, SpanId, u8)> {
    let parts: Vec<_> = text.split('-').collect();
    let (version, id, parent, flags) = match parts[..] {
        [version, id, parent, flags] => (version, id, parent, flags),
        // A later version may say more, this one may not.
        [version, id, parent, flags, ..] if version != "00" => (version, id, parent, flags),
        _ => return None,
    };
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hex(version, 2) || version == "ff" || !hex(id, 32) || !hex(parent, 16) || !hex(flags, 2) {
        return None;
    }
    let id = TraceId::new(u128::from_str_radix(id, 16).ok()?)?;
    let parent = SpanId::new(u64::from_str_radix(parent, 16).ok()?)?;
    Some((id, parent, u8::from_str_radix(flags, 16).ok()?))
}

fn random_trace() -> TraceId {
    loop {
        if let Some(id) = TraceId::new(rand::random()) {
            return id;
        }
    }
}

/// A new span.
pub(crate) fn random_span() -> SpanId {
    loop {
        if let Some(id) = SpanId::new(rand::random()) {
            return id;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn read(pairs: &[(&str, &str)]) -> Trace {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        Trace::read(&headers)
    }

    #[test]
    fn a_trace_goes_on() {
        let given = format!("00-{ID}-00f067aa0ba902b7-00");
        let trace = read(&[("traceparent", &given), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        assert_eq!(trace.id.to_string(), ID);
        assert_eq!(trace.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert_eq!((trace.is_sampled(), trace.state()), (false, Some("a=1,b=2")));
        let call = SpanId::new(0xab).unwrap();
        assert_eq!(trace.header(call), format!("00-{ID}-00000000000000ab-00"));
        // A later version may carry more.
        assert_eq!(read(&[("traceparent", &format!("01-{ID}-00f067aa0ba902b7-01-more"))]).id.to_string(), ID);
    }

    #[test]
    fn what_does_not_read_begins_anew() {
        let zero = "0".repeat(32);
        for wrong in [
            "",
            "00",
            "ff-x-y-z",
            &format!("00-{zero}-00f067aa0ba902b7-01"),
            &format!("00-{ID}-0000000000000000-01"),
            &format!("00-{ID}-00f067aa0ba902b7-01-more"),
            &format!("ff-{ID}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
        ] {
            let trace = read(&[("traceparent", wrong), ("tracestate", "a=1")]);
            assert_eq!((trace.parent, trace.is_sampled(), trace.state()), (None, true, None), "{wrong}");
            assert_ne!(trace.id.to_string(), ID);
        }
        let given = format!("00-{ID}-00f067aa0ba902b7-01");
        assert_eq!(read(&[("traceparent", &given), ("traceparent", &given)]).parent, None, "two are none");
    }
}
