#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};

use super::*;
use crate::tests::{hop, request};
use crate::{RecordedHop, Redaction};

type Seen = Arc<Mutex<Vec<(Method, HeaderMap, String)>>>;

/// A service that keeps what it gets, and filters every second time.
async fn service() -> (String, Seen) {
    let seen = Seen::default();
    let answer = |State(seen): State<Seen>, method: Method, headers: HeaderMap, body: Bytes| async move {
        let mut seen = seen.lock().unwrap();
        seen.push((method, headers, String::from_utf8(body.to_vec()).unwrap()));
        if seen.len() % 2 == 0 { StatusCode::NO_CONTENT } else { StatusCode::OK }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, seen)
}

fn load(tempo: Tempo) -> Load {
    Load { tempo, at_once: 4, timeout: Duration::from_secs(60) }
}

/// A request to `map`, which got one input from `get` and one from its caller.
fn recorded(at: u64) -> Request {
    let get = RecordedHop { parent: Some("aa".into()), span: "bb".into(), ..hop("get", "", "5") };
    let map = RecordedHop {
        span: "aa".into(),
        inputs: vec![crate::Body::new(b"5"), crate::Body::new(b"\"x\"")],
        ..hop("map", "", "7")
    };
    let mut request = request(at, vec![get, map]);
    request.route = Some("map(get)".into());
    request.headers = [("Authorization", "Bearer x"), ("x-user", "u"), ("Host", "old"), ("Content-Length", "99")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    Redaction::default().request(&mut request, &BTreeMap::new());
    request
}

#[test]
fn a_request_is_sent_as_it_came() {
    let names = ["value".to_owned(), "to".to_owned()];
    let outgoing = Outgoing::new(&recorded(3), &names).unwrap();
    assert_eq!(outgoing.body.as_deref(), Some(&br#"{"to":"x"}"#[..]));
    let expected = [("x-user", "u"), (protocol::header::ROUTE, "map(get)"), ("content-type", "application/json")];
    assert_eq!(outgoing.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut fetched = recorded(3);
    fetched.hops[1].inputs.pop();
    assert_eq!(Outgoing::new(&fetched, &names).unwrap().body, None);
    // What was filtered on its way has no hop of the first service.
    let mut filtered = recorded(3);
    filtered.hops.pop();
    assert_eq!(Outgoing::new(&filtered, &names), None, "it had a body");
    filtered.headers.retain(|(name, _)| name != "Content-Length");
    assert_eq!(Outgoing::new(&filtered, &names).unwrap().body, None);
    let mut left = recorded(3);
    left.hops[1].inputs[1] = crate::Body::Left { bytes: 9, why: crate::Left::Size };
    assert_eq!(Outgoing::new(&left, &names), None);
}

#[tokio::test]
async fn everything_is_sent_once_at_either_tempo() {
    for tempo in [Tempo::Fast, Tempo::Recorded(1000.0)] {
        let (url, seen) = service().await;
        let requests =
            (0..20).rev().map(|at| Outgoing::new(&recorded(10 * at), &["value".into(), "to".into()]).unwrap());
        let report = send(&url, requests.collect(), &load(tempo)).await.unwrap();
        assert_eq!(report.outcomes, [("filtered".to_owned(), 10), ("value".to_owned(), 10)].into());
        assert!(report.is_well() && report.sent == 20 && report.corrected.max >= report.uncorrected.p50);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 20);
        let (method, headers, body) = &seen[0];
        assert_eq!((method, body.as_str()), (&Method::POST, r#"{"to":"x"}"#));
        assert_eq!(
            (&headers[protocol::header::ROUTE], &headers["x-user"], headers.get("authorization")),
            (&"map(get)".parse().unwrap(), &"u".parse().unwrap(), None)
        );
    }
}

#[tokio::test]
async fn what_does_not_answer_is_counted() {
    // Bound and closed: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let request = Outgoing { at: 0, headers: Vec::new(), body: None };
    let wrong = Outgoing { headers: vec![("a b".into(), "c".into())], ..request.clone() };
    let report = send(&url, vec![request, wrong], &load(Tempo::Fast)).await.unwrap();
    let expected = [("a header that cannot be sent".to_owned(), 1), ("no connection".to_owned(), 1)];
    assert_eq!((report.outcomes.clone(), report.is_well()), (expected.into(), false));
}
