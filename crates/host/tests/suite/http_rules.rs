//! What callers may ask for by HTTP, and are told where they may not.

use std::net::SocketAddr;

use protocol::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::chain::start_with;

/// Sends a request by hand and reads until the connection closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn head_and_body(answer: &str) -> (Vec<String>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    (head.to_ascii_lowercase().lines().map(str::to_owned).collect(), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_is_get_without_the_body() {
    let chain = start_with(Limits::default(), false).await;
    let ask = |method: &'static str, target: &'static str, more: &'static str| {
        exchange(
            chain.last.address,
            format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n").leak(),
        )
    };
    for (target, more, status) in [
        ("/", "", "200 OK"),
        ("/", "dyninka-route: nobody\r\n", "400 Bad Request"),
        ("/healthz", "", "200 OK"),
        ("/readyz", "", "200 OK"),
        ("/nowhere", "", "404 Not Found"),
        ("/healthz/", "", "404 Not Found"),
    ] {
        let (get, head) = (ask("GET", target, more).await, ask("HEAD", target, more).await);
        let ((got, body), (told, none)) = (head_and_body(&get), head_and_body(&head));
        assert_eq!(told.first().unwrap(), &format!("http/1.1 {}", status.to_ascii_lowercase()), "{target} {more}");
        assert!(none.is_empty() && !body.is_empty(), "{target} {more}: {head}");
        assert!(told.contains(&format!("content-length: {}", body.len())), "{target} {more}: {head}");
        let names = |lines: &[String]| {
            let mut names: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&got), names(&told), "{target} {more}");
    }
    chain.last.end().await;
    chain.first.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_refused_as_http_has_it() {
    let chain = start_with(Limits { body: 64, ..Limits::default() }, false).await;
    let json = "host: a\r\ncontent-type: application/json\r\n";
    let post = |more: &str, body: &str| {
        format!("POST / HTTP/1.1\r\nconnection: close\r\n{json}{more}content-length: {}\r\n\r\n{body}", body.len())
    };
    let bare = |line: &str| format!("{line}\r\nhost: a\r\nconnection: close\r\n\r\n");
    let told: Vec<(String, u16, &str)> = vec![
        ("GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), 400, "host is missing"),
        ("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), 400, "host is missing"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n".to_owned(), 400, "twice"),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), 200, "14"),
        (bare("GET http://localhost/ HTTP/1.1"), 200, "14"),
        (bare("GET /?a=b HTTP/1.1"), 200, "14"),
        (bare("OPTIONS / HTTP/1.1"), 405, "allow: get, head, post"),
        (bare("OPTIONS * HTTP/1.1"), 405, "allow: get, head, post"),
        (bare("CONNECT a:80 HTTP/1.1"), 405, "allow: get, head, post"),
        (bare("TRACE / HTTP/1.1"), 405, "allow: get, head, post"),
        (bare("BREW / HTTP/1.1"), 405, "allow: get, head, post"),
        (bare("get / HTTP/1.1"), 405, "allow: get, head, post"),
        (bare("POST /healthz HTTP/1.1"), 405, "allow: get,head"),
        (bare("DELETE /metrics HTTP/1.1"), 405, "urn:dyninka:problem:unsupported"),
        (bare("GET // HTTP/1.1"), 404, "urn:dyninka:problem:request"),
        (post("content-encoding: gzip\r\n", "\u{1f}"), 415, "accept-encoding: identity"),
        (post("content-encoding: identity\r\n", "{\"value\":3}"), 200, "6"),
        (post("expect: 200-ok\r\n", "{\"value\":3}"), 417, "100-continue"),
        (post("accept: text/html\r\n", "{\"value\":3}"), 200, "6"),
        (
            format!("POST / HTTP/1.1\r\nconnection: close\r\n{json}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            501,
            "urn:dyninka:problem:unsupported",
        ),
        (
            format!("POST / HTTP/1.1\r\nconnection: close\r\n{json}transfer-encoding: gzip\r\n\r\n0\r\n\r\n"),
            400,
            "400 bad request",
        ),
        // Chunks go before a length, and nothing after them is taken for a request.
        (
            format!(
                "POST / HTTP/1.1\r\n{json}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{{\"value\":3}}\r\n\
                 0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
            ),
            200,
            "6",
        ),
        // Nobody is asked to send what will not be read.
        (
            format!("POST / HTTP/1.1\r\n{json}expect: 100-continue\r\ncontent-length: 65\r\nconnection: close\r\n\r\n"),
            413,
            "larger than 64 bytes",
        ),
    ];
    for (request, status, words) in told {
        let answer = exchange(chain.last.address, &request).await;
        let lower = answer.to_ascii_lowercase();
        let about = request.chars().take(100).collect::<String>();
        assert!(
            lower.starts_with(&format!("http/1.1 {status} ")) || lower.starts_with(&format!("http/1.0 {status} ")),
            "{about}: {answer}"
        );
        assert!(lower.contains(words), "{about}: {answer}");
        let heads = lower.lines().filter(|line| line.starts_with("http/1."));
        assert_eq!(heads.count(), 1, "one answer for {about}: {answer}");
    }
    // Whoever is refused while he still talks may find the door shut.
    let mut stream = TcpStream::connect(chain.last.address).await.unwrap();
    let _cut =
        stream.write_all(format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(300 << 10)).as_bytes()).await;
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    chain.last.end().await;
    chain.first.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_trickles_has_no_more_time_than_the_app_gives() {
    let chain = start_with(Limits { deadline_ms: 300, ..Limits::default() }, false).await;
    let begun = std::time::Instant::now();
    let answer = exchange(
        chain.last.address,
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ndyninka-deadline: 86400000\r\n\
         transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(begun.elapsed().as_secs() < 60, "the deadline is the app's");
    chain.last.end().await;
    chain.first.end().await;
}
