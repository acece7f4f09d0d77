//! One request with its values.

use std::collections::HashMap;

use recordings::Request;
use session_api::requests::{RequestDetail, RequestHop};

use super::recall::{value_of, value_of_body};
use super::recorder::Recorder;
use super::request_query::line;

/// A request in memory; none where it is not there any more.
pub(crate) fn detail(recorder: &Recorder, number: u64) -> Option<RequestDetail> {
    let request = recorder.request(number)?;
    Some(RequestDetail { line: line(number, &request), hops: hops(&request, |service| recorder.inputs_of(service)) })
}

fn hops(request: &Request, names: impl Fn(&str) -> Vec<String>) -> Vec<RequestHop> {
    let numbers: HashMap<&str, u64> = request.hops.iter().map(|hop| hop.span.as_str()).zip(1..).collect();
    let hop = |(hop, number): (&recordings::RecordedHop, u64)| RequestHop {
        number,
        parent: hop.parent.as_deref().and_then(|span| numbers.get(span)).copied(),
        service: hop.service.clone(),
        version: hop.version.clone(),
        start_us: hop.at_ns / 1_000,
        total_us: hop.took_ns.div_ceil(1_000),
        function_ns: hop.function_ns,
        // Of another version of it there may have been others.
        names: Some(names(&hop.service)).filter(|names| names.len() == hop.inputs.len()).unwrap_or_default(),
        inputs: hop.inputs.iter().map(value_of_body).collect(),
        end: value_of(&hop.end),
    };
    request.hops.iter().zip(1..).map(hop).collect()
}

#[cfg(test)]
mod tests {
    use recordings::{Body, Outcome, RecordedHop};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_told_with_its_values_and_who_asked_whom() {
        let hop = |service: &str, parent: Option<&str>, inputs: Vec<Body>, end: Outcome| RecordedHop {
            span: service.to_owned(),
            parent: parent.map(str::to_owned),
            service: service.to_owned(),
            version: format!("{service}@1"),
            inputs,
            end,
            function_ns: 1_500,
            at_ns: 2_000,
            took_ns: 3_001,
            sequence: 0,
            life: 0,
            calls: Vec::new(),
        };
        let request = Request {
            id: "1".to_owned(),
            at: 7,
            route: None,
            headers: Vec::new(),
            hops: vec![
                hop("get", Some("map"), Vec::new(), Outcome::Value(Body::new(b"{\"room\":\"attic\"}"))),
                hop("map", None, vec![Body::new(b"2.5"), Body::new(&[0xff])], Outcome::Filtered),
            ],
        };
        let hops = hops(&request, |_| vec!["value".to_owned(), "raw".to_owned()]);
        assert_eq!((hops[0].parent, hops[1].parent), (Some(2), None));
        assert_eq!((hops[0].start_us, hops[0].total_us, hops[0].function_ns), (2, 4, 1_500));
        assert_eq!((&hops[0].end, &hops[1].end), (&json!({"room": "attic"}), &json!({"end": "filtered"})));
        assert_eq!(hops[1].inputs, [json!(2.5), json!({"bytes": 1})]);
        assert_eq!((hops[0].names.len(), hops[1].names.len()), (0, 2), "names of as many inputs as there are");
    }
}
