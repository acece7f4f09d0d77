//! Upstreams that break the rules: `leave` asks a `middle` that is not ours.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use protocol::Config;
use serde_json::Value;

use super::chain::Chain;
use support::app;
use support::session::{Answer, Client, Dev};

/// What a `middle` does with a connection on which it was asked, before it closes it. An answer that reads well says
/// so: what is sent on a connection that closes unsaid may be lost, and may not be sent again.
type Deed = fn(&mut TcpStream) -> std::io::Result<()>;

/// The deadline of a request, for answers that never end.
const SHORTLY: &str = "3000";
/// What a good `middle` answers; `leave` makes 43 of it.
const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n42";

/// A host of `leave` in this process, on the library that a chain was built with.
struct Leave {
    url: String,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Leave {
    /// One whose `middle` is at an address.
    fn start(chain: &Chain, middle: SocketAddr) -> Self {
        Self::of(&chain.dev.socket_folder(&chain.file).join("services/leave"), middle)
    }

    /// The same of what a session keeps in a folder.
    fn of(built: &Path, middle: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config: Config =
            serde_json::from_slice(&std::fs::read(built.join("config.json")).expect("its configuration"))
                .expect("JSON");
        let library = config.library.clone().expect("a library");
        std::fs::copy(built.join(&library), folder.path().join(&library)).expect("the library");
        (config.listen, config.front) = (SocketAddr::from(([127, 0, 0, 1], 0)), None);
        std::sync::Arc::make_mut(&mut config.peers).get_mut("middle").expect("middle").address = middle.to_string();
        let text = serde_json::to_vec(&config).expect("JSON");
        std::fs::write(folder.path().join("config.json"), text).expect("a configuration");
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        let server = runtime.block_on(host::Server::bind(folder.path())).expect("it serves");
        let url = format!("http://{}/", server.address());
        runtime.spawn(server.serve(std::future::pending()));
        Self { url, _folder: folder, _runtime: runtime }
    }

    fn ask(&self, client: &Client) -> Answer {
        client.get_with(&self.url, &[("dyninka-route", "middle(enter(21))"), ("dyninka-deadline", SHORTLY)])
    }
}

/// Does the next deed at every question; without one, answers as a good service does.
fn middle(listener: TcpListener) -> Arc<Mutex<Option<Deed>>> {
    let next: Arc<Mutex<Option<Deed>>> = Arc::default();
    let deeds = next.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let deeds = deeds.clone();
            std::thread::spawn(move || {
                // The other side may be gone by the time it is answered: that is what some of this is about.
                let Ok(mut stream) = stream else { return };
                while asked(&mut stream) {
                    let deed = deeds.lock().expect("no deed panics").take();
                    match deed {
                        Some(deed) => return drop(deed(&mut stream)),
                        None if stream.write_all(GOOD.as_bytes()).is_err() => return,
                        None => {}
                    }
                }
            });
        }
    });
    next
}

/// Reads a question; whether there was one.
fn asked(stream: &mut TcpStream) -> bool {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    true
}

fn say(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes())
}

/// Waits until the other side has had enough.
fn hold(stream: &mut TcpStream) -> std::io::Result<()> {
    std::io::copy(stream, &mut std::io::sink()).map(drop)
}

/// Each with what the caller of `leave` is told: a status, a kind of problem, and a part of its words.
const WRONG: &[(&str, Deed, u16, &str, &str)] = &[
    ("garbage", |stream| say(stream, "\0\u{1}what?\r\n\r\n"), 502, "unreachable", "invalid HTTP version"),
    ("another protocol", |stream| say(stream, "SSH-2.0-OpenSSH_9.2\r\n"), 502, "unreachable", "invalid HTTP version"),
    ("nothing", |_| Ok(()), 502, "unreachable", "before message completed"),
    ("half a head", |stream| say(stream, "HTTP/1.1 200 OK\r\ncontent-"), 502, "unreachable", "cannot be reached"),
    (
        "half an answer",
        |stream| say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n4200"),
        502,
        "unreachable",
        "breaks off",
    ),
    (
        "half a chunk",
        |stream| say(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n42"),
        502,
        "unreachable",
        "breaks off",
    ),
    (
        "no length, so that half of it would pass for all",
        |stream| say(stream, "HTTP/1.1 200 OK\r\n\r\n4"),
        502,
        "unreachable",
        "how long it is",
    ),
    (
        "two lengths",
        |stream| say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 1\r\n\r\n42"),
        502,
        "unreachable",
        "content-length",
    ),
    (
        "a length that is none",
        |stream| say(stream, "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n42"),
        502,
        "unreachable",
        "content-length",
    ),
    (
        "a reset in the middle",
        |stream| {
            say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n4200")?;
            reset(stream)
        },
        502,
        "unreachable",
        "",
    ),
    ("a reset at once", |stream| reset(stream), 502, "unreachable", ""),
    (
        "more than is taken",
        |stream| {
            say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n")?;
            while stream.write_all(&[b'1'; 1 << 16]).is_ok() {}
            Ok(())
        },
        502,
        "too-large",
        "larger than",
    ),
    (
        "headers without end",
        |stream| {
            say(stream, "HTTP/1.1 200 OK\r\n")?;
            while say(stream, &format!("x: {}\r\n", "y".repeat(1000))).is_ok() {}
            Ok(())
        },
        502,
        "unreachable",
        "",
    ),
    (
        "a way elsewhere",
        |stream| {
            say(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            )
        },
        502,
        "unreachable",
        "no answer of a service",
    ),
    (
        "another protocol, politely",
        |stream| say(stream, "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        502,
        "unreachable",
        "",
    ),
    (
        "a value that ends early",
        |stream| say(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\n[\"x"),
        502,
        "unreachable",
        "not JSON",
    ),
    (
        "a page",
        |stream| {
            say(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
            )
        },
        502,
        "unreachable",
        "not JSON",
    ),
    (
        "no bytes at all",
        |stream| say(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        502,
        "unreachable",
        "not JSON",
    ),
    ("silence", hold, 504, "deadline", "before the deadline"),
    (
        "a byte and then silence",
        |stream| {
            say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n4")?;
            hold(stream)
        },
        504,
        "deadline",
        "before the deadline",
    ),
];

/// Has the kernel tell the other side of the end by a reset.
fn reset(stream: &mut TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(&*stream, Some(std::time::Duration::ZERO))?;
    Ok(())
}

#[test]
fn an_upstream_that_breaks_the_rules_is_named_and_harms_no_other_request() {
    let chain = Chain::start("process");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let leave = Leave::start(&chain, listener.local_addr().expect("its address"));
    let (next, client) = (middle(listener), Client::default());
    assert_eq!(leave.ask(&client).body, "43");
    for (about, deed, status, kind, words) in WRONG {
        *next.lock().expect("no deed panics") = Some(*deed);
        let answer = leave.ask(&client);
        assert_eq!(answer.status, *status, "{about}: {}", answer.body);
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:dyninka:problem:{kind}"), "{about}: {problem}");
        assert_eq!(problem["service"], "middle", "{about}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{about}: {problem}");
        // The very next one is well again: no connection is left over that carries the rest.
        assert_eq!(leave.ask(&client).body, "43", "after {about}");
    }
    // A value that is one, and not what the function takes: who cannot read it says so.
    *next.lock().expect("no deed panics") =
        Some(|stream| say(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\n[\"x\"]"));
    let problem: Value = leave.ask(&client).json();
    assert_eq!((&problem["service"], &problem["status"]), (&"leave".into(), &422.into()), "{problem}");
    assert_eq!(problem["from"], "middle", "{problem}");
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.ends_with("; it is what middle answered")),
        "{problem}"
    );

    // Byte by byte is slow, and right.
    *next.lock().expect("no deed panics") = Some(|stream| {
        stream.set_nodelay(true)?;
        GOOD.replace("content-type: application/json", "connection: close").bytes().try_for_each(|byte| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            stream.write_all(&[byte])
        })
    });
    assert_eq!(leave.ask(&client).body, "43");
    // What comes after an answer is no answer to the next question.
    *next.lock().expect("no deed panics") = Some(|stream| {
        say(stream, &format!("{GOOD}{}", GOOD.replace("42", "66")))?;
        hold(stream)
    });
    assert_eq!(leave.ask(&client).body, "43");
    for _ in 0..20 {
        assert_eq!(leave.ask(&client).body, "43");
    }
    chain.dev.stop();
}

#[test]
fn a_body_that_is_answered_nonsense_is_not_blamed_for_it() {
    let (_folder, file) = app("use dyninka::prelude::*;
#[service] fn middle(value: u64) -> u64 { value * 2 }
#[service] async fn leave(value: u64) -> Result<u64> { Ok(middle(value).await? + 1) }
#[dyninka::main] fn main() { leave(21) }
");
    let dev = Dev::start(&file, "process");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let built = dev.socket_folder(&file).join("services/leave");
    let leave = Leave::of(&built, listener.local_addr().expect("its address"));
    let (next, client) = (middle(listener), Client::default());
    let ask = || client.get_with(&leave.url, &[("dyninka-route", "21"), ("dyninka-deadline", SHORTLY)]);
    assert_eq!(ask().body, "43");
    *next.lock().expect("no deed panics") =
        Some(|stream| say(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\n\r\n<html>"));
    let answer = ask();
    let problem = answer.json();
    assert_eq!((answer.status, &problem["service"]), (502, &"middle".into()), "{problem}");
    assert_eq!(ask().body, "43");
    dev.stop();
}

#[test]
fn a_circuit_opens_where_nobody_listens_and_closes_when_somebody_does() {
    let chain = Chain::start("process");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let leave = Leave::start(&chain, address);
    let client = Client::default();
    // Each is told at once who is away; after some of them nobody knocks for a while.
    let not_tried = |answer: &Answer| {
        let problem = answer.json();
        assert_eq!((answer.status, &problem["service"]), (502, &"middle".into()), "{problem}");
        problem["detail"].as_str().is_some_and(|detail| detail.contains("not tried"))
    };
    while !not_tried(&leave.ask(&client)) {}
    let metrics = client.get(&format!("{}metrics", leave.url)).body;
    let retries = metrics.lines().find_map(|line| line.strip_prefix("dyninka_retries_total{service=\"leave\"} "));
    // Five requests, each tried three times more, less what the budget did not allow.
    assert!(retries.is_some_and(|retries| (1..=15).contains(&retries.parse().unwrap_or(0))), "{metrics}");
    middle(TcpListener::bind(address).expect("the same port"));
    while leave.ask(&client).status != 200 {}
    for _ in 0..20 {
        assert_eq!(leave.ask(&client).body, "43");
    }
    chain.dev.stop();
}
