//! Hops that stand still, break off, or say what no service says: whoever waits for one names it, and none hangs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::json;

use support::app;
use support::hosts::{kill, ours};
use support::session::{Client, Dev, PATIENCE};

const TINY: &str = "use dyninka::prelude::*;
#[service] fn one() -> u32 { 1 }
#[service] fn double(value: u32) -> u32 { value * 2 }
#[dyninka::main] fn main() { one().double() }
";

/// A short deadline: what is tested is that it ends the wait, not how long that is.
const DEADLINE: (&str, &str) = ("dyninka-deadline", "500");

#[test]
fn a_hop_that_stands_still_is_named_and_answers_again_when_it_goes_on() {
    let (_folder, file) = app(TINY);
    let dev = Dev::start(&file, "process");
    let client = Client::default();
    let pid = ours("process", &file).into_iter().find(|pid| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.contains("/services/one")
    });
    let pid = pid.expect("the process of one");
    let begun = Instant::now();
    // The session has it go on after a while; a request that comes so late finds nothing wrong.
    let answer = loop {
        assert!(Command::new("kill").args(["-STOP", &pid]).status().expect("kill").success());
        let answer = client.get_with(&dev.url(), &[("dyninka-deadline", "100")]);
        if answer.status != 200 {
            break answer;
        }
        assert!(begun.elapsed() < PATIENCE, "it is never found standing");
    };
    assert_eq!(
        (answer.status, &answer.json()["service"], &answer.json()["path"]),
        (504, &json!("one"), &json!(["double", "one"]))
    );
    assert_eq!(client.get(&dev.url()).body, "2");
    dev.stop();
}

#[test]
fn a_hop_that_is_no_service_any_more_is_named() {
    let (_folder, file) = app(TINY);
    let mut dev = Dev::start(&file, "process");
    let client = Client::default();
    let address = dev.url_of("one").trim_start_matches("http://").trim_end_matches('/').to_owned();
    // In the pause before the restart its port is taken by somebody else; the host that comes back finds it so. Where it was
    // there before us, it is ended again.
    let listener = loop {
        kill("process", &file, "one");
        dev.wait_for("down");
        match TcpListener::bind(&address) {
            Ok(listener) => break listener,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse),
        }
        dev.wait_for("up");
    };
    let (sender, behaviours) = channel::<fn(TcpStream)>();
    std::thread::spawn(move || {
        for behave in behaviours {
            let (mut stream, _) = listener.accept().expect("a connection");
            drop(stream.read(&mut [0; 4096]));
            behave(stream);
        }
    });
    let cases: [(fn(TcpStream), u16); 5] = [
        (|stream| drop(stream), 502),
        (|mut stream| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n")), 502),
        (|mut stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n1")), 502),
        (|mut stream| drop(stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")), 502),
        (trickle, 504),
    ];
    for (behave, status) in cases {
        sender.send(behave).expect("the thread");
        // One that breaks off is known by that, however long it takes.
        let deadline = if status == 504 { DEADLINE } else { ("dyninka-deadline", "20000") };
        let answer = client.get_with(&dev.url(), &[deadline]);
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["service"], &problem["path"]),
            (status, &json!("one"), &json!(["double", "one"])),
            "{problem}"
        );
    }
    dev.stop();
}

/// A byte at a time, for longer than the deadline.
fn trickle(mut stream: TcpStream) {
    drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"));
    for _ in 0..40 {
        if stream.write_all(b" ").is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}
