use protocol::{Method, Span, SpanId, Status, TraceId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn span(id: u64, sampled: bool) -> Span {
    Span {
        trace: TraceId::new(1).unwrap(),
        id: SpanId::new(id).unwrap(),
        parent: None,
        sampled,
        entry: true,
        app: "app".into(),
        service: "get".into(),
        version: None,
        address: "get:80".into(),
        method: Method::Get,
        start: 5,
        total: 1,
        function: 1,
        waiting: 0,
        status: 200,
        outcome: Status::Value,
        received: 0,
        sent: 0,
        calls: Vec::new(),
    }
}

fn batch(spans: Vec<Span>) -> (Batch, Vec<u8>) {
    let otlp = otlp::encode(&spans, "host");
    (Batch { spans, ..Batch::default() }, otlp)
}

/// Takes one request, answers it, and tells its head and body.
async fn collect(listener: &TcpListener, status: &str, message: &[u8]) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut all = Vec::new();
    loop {
        if let Some(head) = all.windows(4).position(|four| four == b"\r\n\r\n") {
            let (head, body) = (String::from_utf8_lossy(&all[..head + 4]).to_lowercase(), &all[head + 4..]);
            let length: usize =
                head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
            if body.len() == length {
                let answer =
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", message.len());
                stream.write_all(&[answer.as_bytes(), message].concat()).await.unwrap();
                return (head, body.to_vec());
            }
        }
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request breaks off");
        all.extend_from_slice(&buffer[..count]);
    }
}

async fn collector() -> (TcpListener, Exporter) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let settings = ExportSettings::read(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("x-key=secret".to_owned()),
        _ => None,
    });
    (listener, Exporter::start(settings.unwrap().unwrap()).unwrap())
}

#[tokio::test]
async fn a_collector_gets_what_the_hosts_told_and_the_caller_wants_collected() {
    let (listener, exporter) = collector().await;
    let (told, bytes) = batch(vec![span(1, true)]);
    exporter.take(&told, &bytes);
    let (told, bytes) = batch(vec![span(2, false), span(3, true)]);
    exporter.take(&told, &bytes);
    let (told, bytes) = batch(vec![span(4, false)]);
    exporter.take(&told, &bytes);
    let (head, body) = collect(&listener, "200 OK", b"").await;
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf\r\n") && head.contains("x-key: secret\r\n"), "{head}");
    assert_eq!(otlp::decode(&body).unwrap().spans, [span(1, true), span(3, true)]);
    assert_eq!(exporter.end().await, Standing { sent: 2, dropped: 0, trouble: None });
}

#[tokio::test]
async fn what_is_not_taken_is_counted_and_what_may_be_taken_later_is_sent_again() {
    let (listener, exporter) = collector().await;
    let (told, bytes) = batch(vec![span(1, true), span(2, true)]);
    exporter.take(&told, &bytes);
    let (_, first) = collect(&listener, "503 Busy\r\nretry-after: 0", b"").await;
    // `partial_success` with one span rejected, for "why".
    let (_, again) = collect(&listener, "200 OK", b"\x0a\x07\x08\x01\x12\x03why").await;
    assert_eq!(first, again);
    exporter.take(&told, &bytes);
    collect(&listener, "400 Bad Request", b"").await;
    let standing = exporter.end().await;
    assert_eq!((standing.sent, standing.dropped), (1, 3));
    assert!(standing.trouble.unwrap().ends_with("answered 400 Bad Request"));
}

#[tokio::test]
async fn nothing_waits_for_a_collector_that_is_away() {
    let (listener, exporter) = collector().await;
    drop(listener);
    let (told, bytes) = batch(vec![span(1, true)]);
    for _ in 0..2 * MOST_QUEUED {
        exporter.take(&told, &bytes);
    }
    // On one thread nothing was sent meanwhile: what the queue does not hold is dropped.
    assert_eq!(exporter.standing(), Standing { sent: 0, dropped: MOST_QUEUED as u64, trouble: None });
    let standing = exporter.end().await;
    assert_eq!((standing.sent, standing.dropped), (0, 2 * MOST_QUEUED as u64), "what was on its way too");
    assert!(standing.trouble.unwrap().contains("onnect"));
}
