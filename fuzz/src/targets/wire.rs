//! What travels between services and sessions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroU128};

use protocol::{Config, Cursor, Limits, Method, Peer, Route, Span, SpanId, Status, Swap, TraceId, UpstreamCall, otlp};

/// Pieces that mean something in a route.
pub(super) const ROUTE_WORDS: &[&str] = &[
    "get",
    "map(",
    "join(",
    ")",
    ",",
    "null",
    "true",
    "1e999",
    "\"\\u0000\"",
    "[[",
    "{\"a\":",
    "}",
    "\t",
    "-0",
    "\\",
    "\u{e9}",
];
/// Pieces that mean something in JSON.
pub(super) const JSON_WORDS: &[&str] = &[
    "null",
    "{}",
    "[]",
    "\"",
    ":",
    ",",
    "1e999",
    "-1",
    "18446744073709551616",
    "\\ud800",
    "\"inputs\":",
    "\"command\":",
    "\"call\":",
    "[[[[",
];

pub(super) fn routes() -> Vec<Vec<u8>> {
    ["0a.1.5.1", "map(filter(get))", "get, join(map(get), 2.5)", "{\"a\":[1,\"x)\"]}", "join(\"\\u00e9\", null)", ""]
        .map(|route| route.as_bytes().to_vec())
        .to_vec()
}

fn peers() -> BTreeMap<String, Peer> {
    let peer = |inputs: &[&str]| Peer {
        address: "127.0.0.1:1".to_owned(),
        others: Vec::new(),
        host: "x".to_owned(),
        inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
    };
    let all = [("get", &[][..]), ("map", &["value"]), ("filter", &["value"]), ("join", &["a", "b"])];
    all.into_iter().map(|(name, inputs)| (name.to_owned(), peer(inputs))).collect()
}

/// A route that reads is written so that it reads the same, fits a header, and names only services there are.
pub(super) fn route(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }
    let Ok(route) = Route::parse(text) else { return };
    let written = route.to_string();
    assert!(written.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{written:?}");
    // Written out, an escape may take more room than the limit leaves.
    if written.len() <= 8 << 10 {
        assert_eq!(Route::parse(&written).as_ref(), Ok(&route), "{written:?}");
    }
    let peers = peers();
    if route.check("last", &peers, 64).is_ok() {
        assert!(route.services().all(|service| peers.contains_key(service)), "{written:?}");
    }
}

const SEVEN: NonZeroU64 = NonZeroU64::new(7).expect("seven is not zero");

fn span() -> Span {
    let call = UpstreamCall {
        id: SpanId(SEVEN),
        service: "get".into(),
        address: "127.0.0.1:1".into(),
        method: Method::Post,
        begun: 5,
        took: 100,
        server: Some(90),
        status: Some(200),
        error: Some("deadline".into()),
        sent: 3,
        received: 4,
        within: true,
    };
    Span {
        trace: TraceId(NonZeroU128::MAX),
        id: SpanId(SEVEN),
        parent: Some(SpanId(NonZeroU64::MIN)),
        entry: true,
        sampled: true,
        app: "app".into(),
        service: "map".into(),
        address: "127.0.0.1:2".into(),
        version: Some("map@0011".into()),
        method: Method::Get,
        start: 1_700_000_000_000_000_000,
        total: 1_000,
        function: 500,
        waiting: 100,
        status: 500,
        outcome: Status::Problem("panicked".into()),
        received: 1,
        sent: 2,
        calls: vec![call],
    }
}

pub(super) fn payloads() -> Vec<Vec<u8>> {
    let whole = span();
    let bare = Span { parent: None, version: None, outcome: Status::Value, calls: Vec::new(), ..span() };
    vec![otlp::encode([&whole, &bare], "epoch"), otlp::encode([&bare], ""), Vec::new()]
}

/// What is understood of a payload is written so that it is understood the same.
pub(super) fn otlp(bytes: &[u8]) {
    drop(otlp::rejected(bytes));
    let Ok(decoded) = otlp::decode(bytes) else { return };
    let written = otlp::encode(&decoded.spans, "epoch");
    let again = otlp::decode(&written).expect("what was written here reads");
    assert_eq!(again.spans.len(), decoded.spans.len(), "{:?}", decoded.spans);
}

pub(super) fn configs() -> Vec<Vec<u8>> {
    let config = Config {
        app: "app".to_owned(),
        service: "map".to_owned(),
        instance: None,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        front: None,
        peers: peers().into(),
        route: Some("filter(get)".to_owned()),
        library: Some("map.so".to_owned()),
        token: "secret".to_owned(),
        names: None,
        outside: None,
        limits: Limits::default(),
        load: protocol::ServiceLoad::default(),
        record: false,
        moved: None,
        near: None,
    };
    vec![
        serde_json::to_vec(&config).expect("JSON"),
        serde_json::to_vec(&Swap { library: "map.so".to_owned() }).expect("JSON"),
    ]
}

/// A configuration that reads is written so that it reads the same.
pub(super) fn config(bytes: &[u8]) {
    drop(serde_json::from_slice::<Swap>(bytes));
    let Ok(config) = serde_json::from_slice::<Config>(bytes) else { return };
    let written = serde_json::to_vec(&config).expect("JSON");
    assert_eq!(serde_json::from_slice::<Config>(&written).expect("what was written here reads"), config);
    if let Some(route) = &config.route {
        drop(Route::parse(route).map(|route| route.check(&config.service, &config.peers, config.limits.depth)));
    }
}
