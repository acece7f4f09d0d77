//! Callers that break the rules, while others call as they should: every call of theirs is answered right.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::chain::Chain;
use super::load::{Fate, Load};
use support::session::PATIENCE;

support::on_both_backends!(
    requests_that_break_the_rules_are_refused_with_the_right_words,
    idle_connections_and_slow_heads_keep_nobody_out,
    slow_bodies_fill_the_house_and_it_empties,
);

const DEADLINE: Duration = Duration::from_secs(20);

/// `host:port` of a URL.
fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(authority(url)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends these bytes and reads all that comes: the status, and the rest as text.
fn exchange(url: &str, request: &[u8]) -> (u16, String) {
    let mut stream = connect(url);
    // Whoever is refused early may find the door shut while he still talks.
    let _cut = stream.write_all(request);
    let mut answer = Vec::new();
    let _cut = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text)
}

fn get(headers: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

fn post(body: &[u8]) -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let mut request = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

fn route(route: &str) -> Vec<u8> {
    get(&format!("dyninka-route: {route}\r\n"))
}

fn requests_that_break_the_rules_are_refused_with_the_right_words(on: &str) {
    let chain = Chain::start(on);
    let load = Load::start(&chain.dev.url(), DEADLINE);
    let nested =
        |open: &str, shut: &str, depth: usize| format!("{{\"value\":{}{}}}", open.repeat(depth), shut.repeat(depth));
    let digits = |count: usize| format!("{{\"value\":{}}}", "9".repeat(count));
    let wrong: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("deep arrays", post(nested("[", "]", 100_000).as_bytes()), 422, "rejected"),
        ("deep objects", post(nested("{\"a\":", "}", 100_000).replace(":}", ":1}").as_bytes()), 422, "rejected"),
        ("arrays that are never closed", post(nested("[", "", 100_000).as_bytes()), 400, "request"),
        ("a huge number", post(b"{\"value\":1e999}"), 422, "rejected"),
        ("a million digits", post(digits(1_000_000).as_bytes()), 422, "rejected"),
        ("one more than there is", post(b"{\"value\":18446744073709551616}"), 422, "rejected"),
        ("a number below zero", post(b"{\"value\":-1}"), 422, "rejected"),
        ("an input twice", post(b"{\"value\":1,\"value\":2}"), 400, "request"),
        ("a text that is no UTF-8", post(b"{\"value\":\"\xff\"}"), 400, "request"),
        ("a name that is no UTF-8", post(b"{\"\xc3\x28\":1}"), 400, "request"),
        ("half a surrogate", post(br#"{"value":"\ud800"}"#), 422, "rejected"),
        ("NUL", post(b"\0"), 400, "request"),
        ("no body and no route", post(b"[]"), 400, "request"),
        ("a long route", route(&"1,".repeat(5000)), 400, "route"),
        ("a wide route", route(&vec!["enter(1)"; 900].join(",")), 400, "route"),
        ("a deep route", route(&format!("{}1{}", "enter(".repeat(300), ")".repeat(300))), 400, "route"),
        ("a round route", route("enter(middle(enter(1)))"), 400, "route"),
        ("a route that is all brackets", route(&"(".repeat(8000)), 400, "route"),
        ("a deep literal", route(&format!("{}1{}", "[".repeat(4000), "]".repeat(4000))), 400, "route"),
        ("a route elsewhere", route("http://127.0.0.1:22/"), 400, "route"),
        ("a route of other letters", route("\u{e9}"), 400, "route"),
        ("a long path", get(&format!("dyninka-path: {}\r\n", vec!["middle"; 1000].join(","))), 508, "loop"),
        (
            "another method",
            b"DELETE / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_vec(),
            405,
            "unsupported",
        ),
        ("a deadline beyond numbers", get(&format!("dyninka-deadline: {}\r\n", "9".repeat(400))), 400, "request"),
    ];
    let url = chain.dev.url_of("middle");
    for (about, request, status, kind) in wrong {
        let (told, answer) = exchange(&url, &request);
        let names =
            answer.contains(&format!("urn:dyninka:problem:{kind}")) && answer.contains("\"service\":\"middle\"");
        assert!(told == status && names, "{about}: {told} {:.600}", answer);
    }
    // What is no HTTP is answered by whoever speaks it, before any service is asked.
    let unread: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("a large header", get(&format!("x: {}\r\n", "y".repeat(2 << 20))), &[431]),
        ("many headers", get(&"x: y\r\n".repeat(1000)), &[431]),
        ("a folded header", get("dyninka-route: enter(1)\r\n enter(2)\r\n"), &[400]),
        (
            "two lengths",
            b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}".to_vec(),
            &[400],
        ),
        ("a length that is none", b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n".to_vec(), &[400]),
        ("no HTTP", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), &[400, 0]),
    ];
    for (about, request, statuses) in unread {
        let (told, answer) = exchange(&url, &request);
        assert!(statuses.contains(&told), "{about}: {told} {:.600}", answer);
    }
    // A chunk that ends early, and a caller that is gone while it is answered.
    let half =
        b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nff\r\n{";
    connect(&url).write_all(half).expect("half a request");
    connect(&url).write_all(&route("enter(1)")).expect("a request");
    load.until_steady();
    let fates = load.end();
    assert!(fates.values().all(|fate| *fate == Fate::Right), "{fates:#?}");
    chain.dev.stop();
}

fn idle_connections_and_slow_heads_keep_nobody_out(on: &str) {
    may_open(3000);
    let chain = Chain::start(on);
    let url = chain.dev.url();
    let load = Load::start(&url, DEADLINE);
    let flood: Vec<_> = (0..1000).map(|_| connect(&url)).collect();
    let mut slow: Vec<_> = (0..200).map(|_| connect(&url)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ").expect("half a head");
    }
    load.until_steady();
    // The house shows them the door by itself.
    for (at, mut stream) in slow.into_iter().chain(flood).enumerate() {
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            // A reset is an end, too.
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "connection {at}: {error}");
        }
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    }
    load.until_steady();
    let fates = load.end();
    assert!(fates.values().all(|fate| *fate == Fate::Right), "{fates:#?}");
    chain.dev.stop();
}

fn slow_bodies_fill_the_house_and_it_empties(on: &str) {
    may_open(3000);
    let chain = Chain::start(on);
    let url = chain.dev.url();
    let load = Load::start(&url, DEADLINE);
    // As many as are let in, and some more; each has five seconds.
    let slow: Vec<_> = (0..600)
        .map(|_| {
            let mut stream = connect(&url);
            let head =
                "POST / HTTP/1.1\r\nhost: localhost\r\ndyninka-deadline: 5000\r\ncontent-type: application/json\r\n";
            stream.write_all(format!("{head}content-length: 99\r\n\r\n{{").as_bytes()).expect("half a body");
            stream
        })
        .collect();
    load.until_told("overload", |fate| matches!(fate, Fate::Problem { status: 503, .. }));
    load.until_steady();
    let fates = load.end();
    drop(slow);
    assert!(!fates.values().any(|fate| matches!(fate, Fate::Broken(_))), "{fates:#?}");
    chain.account(&fates, "leave", &[(503, "overloaded")]);
}

/// Lets this process have so many connections, where the machine does.
fn may_open(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limit }).expect("more open files");
    }
}
