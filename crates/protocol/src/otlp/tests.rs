use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1 as proto;
use proptest::prelude::*;
use prost::Message;

use super::{Decoded, Rejected, decode, encode, rejected};
use crate::span::tests::{call, span};
use crate::span::{Method, Span, SpanId, Status, TraceId, UpstreamCall};

fn attributes(pairs: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(yes) => yes.to_string(),
        other => panic!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.as_str(), text(pair))).collect()
}

fn pairs<'a>(list: &[(&'a str, &str)]) -> BTreeMap<&'a str, String> {
    list.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
}

/// What the protocol and the semantic conventions ask for, read with the published types.
#[test]
fn a_payload_is_what_a_collector_expects() {
    let mut one = span("map", 0x0102);
    one.parent = SpanId::new(9);
    one.entry = true;
    one.calls = vec![call("get", 0x0a, 100, 500, Some(400)), call("other", 0x0b, 600, 50, None)];
    (one.waiting, one.status, one.outcome) = (550, 502, Status::Problem("unreachable".into()));
    let message = ExportTraceServiceRequest::decode(encode([&one], "host-1").as_slice()).unwrap();

    let group = &message.resource_spans[0];
    let resource = attributes(&group.resource.as_ref().unwrap().attributes);
    let expected = pairs(&[
        ("service.name", "map"),
        ("service.namespace", "app"),
        ("service.version", "v1"),
        ("service.instance.id", "host-1"),
        ("telemetry.sdk.name", "dyninka"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ]);
    assert_eq!(resource, expected);
    assert_eq!(group.scope_spans[0].scope.as_ref().unwrap().name, "dyninka");

    let [server, get, other] = &group.scope_spans[0].spans[..] else { panic!("{group:?}") };
    for one in [server, get, other] {
        assert_eq!((one.trace_id.len(), one.span_id.len(), one.parent_span_id.len()), (16, 8, 8));
        assert!(one.trace_id.ends_with(&[0, 7]) && one.end_time_unix_nano >= one.start_time_unix_nano);
    }
    assert_eq!((server.kind(), server.name.as_str()), (proto::span::SpanKind::Server, "GET /"));
    assert_eq!((server.flags, get.flags), (0x301, 0x101), "sampled; a remote parent, a local one");
    assert_eq!((server.start_time_unix_nano, server.end_time_unix_nano), (1_000_000, 1_001_000));
    assert_eq!(server.status.as_ref().unwrap().code(), proto::status::StatusCode::Error);
    let expected = pairs(&[
        ("http.request.method", "GET"),
        ("http.response.status_code", "502"),
        ("http.route", "/"),
        ("http.request.body.size", "0"),
        ("http.response.body.size", "2"),
        ("url.path", "/"),
        ("url.scheme", "http"),
        ("server.address", "map"),
        ("server.port", "80"),
        ("error.type", "unreachable"),
        ("dyninka.function.duration", "300"),
        ("dyninka.waiting.duration", "550"),
        ("dyninka.entry", "true"),
    ]);
    assert_eq!(attributes(&server.attributes), expected);

    assert_eq!((get.kind(), get.name.as_str()), (proto::span::SpanKind::Client, "GET"));
    assert_eq!(get.parent_span_id, server.span_id);
    assert_eq!((get.start_time_unix_nano, get.end_time_unix_nano), (1_000_100, 1_000_600));
    assert_eq!(get.status, None);
    let expected = pairs(&[
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.request.body.size", "0"),
        ("http.response.body.size", "5"),
        ("url.full", "http://get:80/"),
        ("server.address", "get"),
        ("server.port", "80"),
        ("peer.service", "get"),
        ("dyninka.server.duration", "400"),
    ]);
    assert_eq!(attributes(&get.attributes), expected);
    assert_eq!(other.status.as_ref().unwrap().code(), proto::status::StatusCode::Error);
    assert_eq!(attributes(&other.attributes)["error.type"], "unreachable");
}

#[test]
fn what_the_caller_did_wrong_is_no_error_of_the_server() {
    let mut one = span("map", 1);
    (one.status, one.outcome) = (422, Status::Problem("rejected".into()));
    let message = ExportTraceServiceRequest::decode(encode([&one], "").as_slice()).unwrap();
    assert_eq!(message.resource_spans[0].scope_spans[0].spans[0].status, None);
    assert_eq!(decode(&encode([&one], "")).unwrap().spans, [one]);
}

#[test]
fn each_version_is_a_resource_and_messages_can_be_joined() {
    let (mut new, old) = (span("map", 2), span("map", 1));
    new.version = Some("v2".into());
    let message = encode([&old, &new, &old], "");
    assert_eq!(ExportTraceServiceRequest::decode(message.as_slice()).unwrap().resource_spans.len(), 2);
    // Protobuf: bytes after each other are lists after each other. The exporter joins batches so.
    let joined = [encode([&old], ""), encode([&new], "")].concat();
    assert_eq!(decode(&joined).unwrap().spans, [old, new]);
}

#[test]
fn what_is_not_ours_is_counted() {
    let message = ExportTraceServiceRequest::decode(encode([&span("map", 1)], "").as_slice()).unwrap();
    let changed = |change: &dyn Fn(&mut proto::ResourceSpans)| {
        let mut message = message.clone();
        change(&mut message.resource_spans[0]);
        decode(&message.encode_to_vec()).unwrap()
    };
    let ignored = Decoded { spans: Vec::new(), ignored: 1 };
    assert_eq!(changed(&|group| group.resource = None), ignored);
    assert_eq!(changed(&|group| group.scope_spans[0].spans[0].trace_id = vec![0; 16]), ignored);
    assert_eq!(changed(&|group| group.scope_spans[0].spans[0].span_id = vec![1; 7]), ignored);
    assert_eq!(changed(&|group| group.scope_spans[0].spans[0].parent_span_id = vec![1; 9]), ignored);
    assert_eq!(changed(&|group| group.scope_spans[0].spans[0].end_time_unix_nano = 1), ignored);
    assert_eq!(changed(&|group| group.scope_spans[0].spans[0].kind = 1), ignored);
    assert_eq!(changed(&|group| group.scope_spans[0].spans[0].attributes.clear()), ignored);
    let orphan = encode([&span("map", 1)], "").len();
    assert!(decode(&encode([&span("map", 1)], "")[..orphan - 1]).is_err(), "a torn message is no message");
    assert_eq!(decode(&[]).unwrap(), Decoded::default());
}

/// Another program's spans have fields and values that ours have not.
#[test]
fn what_spans_of_requests_do_not_have_is_passed_over() {
    let one = span("map", 1);
    let mut message = ExportTraceServiceRequest::decode(encode([&one], "").as_slice()).unwrap();
    let group = &mut message.resource_spans[0];
    group.scope_spans[0].schema_url = "https://example.org".to_owned();
    let span = &mut group.scope_spans[0].spans[0];
    let odd = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    span.attributes.push(odd("a.share", Value::DoubleValue(0.5)));
    span.attributes.push(odd("a.key", Value::BytesValue(vec![1, 2])));
    span.trace_state = "vendor=1".to_owned();
    span.dropped_attributes_count = 3;
    span.events.push(proto::span::Event { name: "retried".to_owned(), ..proto::span::Event::default() });
    span.links.push(proto::span::Link { trace_id: vec![1; 16], ..proto::span::Link::default() });
    span.status = Some(proto::Status { message: "said".to_owned(), code: 1 });
    assert_eq!(decode(&message.encode_to_vec()).unwrap(), Decoded { spans: vec![one], ignored: 0 });
}

#[test]
fn a_collector_s_answer_reads() {
    let answer = |spans, message: &str| {
        let partial_success =
            Some(ExportTracePartialSuccess { rejected_spans: spans, error_message: message.to_owned() });
        rejected(&ExportTraceServiceResponse { partial_success }.encode_to_vec()).unwrap()
    };
    assert_eq!(answer(3, "full"), Some(Rejected { spans: 3, message: "full".to_owned() }));
    assert_eq!(answer(0, "a warning"), Some(Rejected { spans: 0, message: "a warning".to_owned() }));
    assert_eq!((answer(0, ""), rejected(&[]).unwrap()), (None, None));
    assert!(rejected(b"<html>").is_err());
}

const LARGE: u64 = 1 << 62;

prop_compose! {
    fn any_call()(
        id in 1..=u64::MAX, service in "[a-z_]{1,12}", address in "[a-z.]{1,9}:[1-9][0-9]{0,3}",
        (post, within) in any::<(bool, bool)>(),
        begun in 0..LARGE / 4, took in 0..LARGE / 4, server in prop::option::of(0..LARGE),
        status in prop::option::of(any::<u16>()), error in prop::option::of("[a-z-]{1,9}"), sent in 0..LARGE, received in 0..LARGE,
    ) -> UpstreamCall {
        UpstreamCall {
            id: SpanId::new(id).unwrap(), service: service.into(), address: address.into(), within,
            method: if post { Method::Post } else { Method::Other }, begun, took, server, status,
            error: error.map(Into::into), sent, received,
        }
    }
}

prop_compose! {
    fn any_span()(
        trace in 1..=u128::MAX, parent in prop::option::of(1..=u64::MAX), sampled in any::<bool>(), entry in any::<bool>(),
        version in prop::option::of(".{0,9}"), names in ("[a-z_]{1,9}", ".{0,9}", "[a-z]{0,9}"),
        times in (0..LARGE, 0..LARGE, 0..LARGE, 0..LARGE), status in any::<u16>(), problem in prop::option::of("[a-z-]{0,9}"),
        sizes in (0..LARGE, 0..LARGE), calls in prop::collection::vec(any_call(), 0..4),
    )(
        id in 1..=u64::MAX, trace in Just(trace), parent in Just(parent), sampled in Just(sampled), entry in Just(entry),
        version in Just(version), names in Just(names), times in Just(times), status in Just(status),
        problem in Just(problem), sizes in Just(sizes), calls in Just(calls), filtered in any::<bool>(),
    ) -> Span {
        Span {
            trace: TraceId::new(trace).unwrap(), id: SpanId::new(id).unwrap(), parent: parent.and_then(SpanId::new),
            sampled, entry, app: names.1.into(), service: names.0.into(), version: version.map(Into::into),
            address: names.2.into(), method: Method::Get, start: times.0, total: times.1, function: times.2,
            waiting: times.3, status,
            outcome: match problem {
                Some(kind) => Status::Problem(kind.into()),
                None if filtered => Status::Filtered,
                None => Status::Value,
            },
            received: sizes.0, sent: sizes.1, calls,
        }
    }
}

proptest! {
    #[test]
    fn every_span_goes_there_and_back(span in any_span()) {
        let decoded = decode(&encode([&span], "host")).unwrap();
        prop_assert_eq!(decoded, Decoded { spans: vec![span], ignored: 0 });
    }

    #[test]
    fn every_span_has_the_bytes_of_the_published_types(span in any_span()) {
        let bytes = encode([&span], "host");
        let published = ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(published.encode_to_vec(), bytes);
    }

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        drop(decode(&bytes));
        drop(rejected(&bytes));
    }

    #[test]
    fn a_bent_message_is_not_too_much(span in any_span(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode([&span], "host");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop(decode(&bytes));
    }
}
