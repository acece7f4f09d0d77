//! What other terminals and programs see of a running session: status, logs, events, the shell, a collector.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use support::session::{Client, Dev, PATIENCE};
use support::{app, dyn_command, run};

const CHAIN: &str = "use dyninka::prelude::*;

#[placed(plus)]
static SUM: Placed<u64> = Placed::new(|| 0);

#[service]
fn source() -> u64 { println!(\"asked\"); 10 }

#[service]
fn plus(value: u64) -> u64 { SUM.update(|sum| { *sum += value; *sum }) }

#[dyninka::main]
fn main() { source().plus() }
";

fn status(file: &Path) -> Value {
    let output = run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub(crate) fn shell(file: &Path, lines: &str) -> Output {
    let mut shell = dyn_command()
        .arg("shell")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    shell.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("lines");
    shell.wait_with_output().expect("its output")
}

#[test]
fn a_good_edit_goes_live_beside_a_broken_one_which_is_told_as_stale() {
    let (_folder, file) = app(CHAIN);
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    fs::write(&file, CHAIN.replace("; 10 }", "; ten() }").replace("*sum += value", "*sum += value + 1"))
        .expect("a save");
    let broken = dev.wait_for("broken");
    assert_eq!(broken["diagnostics"][0]["line"], 7, "{broken}");
    let live = dev.wait_for("live");
    assert_eq!(live["services"].as_array().map(Vec::len), Some(1), "{live}");
    assert_eq!(live["services"][0]["name"], "plus");
    assert_eq!(client.get(&url).body, "11");
    let now = status(&file);
    let states: Vec<&Value> = now["services"].as_array().expect("a list").iter().map(|known| &known["state"]).collect();
    assert_eq!((&now["phase"], states), (&json!("broken"), vec![&json!("stale"), &json!("live")]));
    dev.stop();
}

#[test]
fn a_session_is_asked_by_other_programs() {
    let (_folder, file) = app(CHAIN);
    let mut dev = Dev::start(&file, "process");
    let now = status(&file);
    assert_eq!((&now["phase"], &now["flow"]), (&json!("serving"), &json!("plus(source)")));
    let folder = dev.socket_folder(&file);
    let socket = fs::metadata(folder.join("session.sock")).expect("a socket");
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);

    let called = shell(&file, "plus 5\nsource | plus\n:state plus\n:set plus.SUM 100\nplus 1\n");
    assert_eq!(String::from_utf8_lossy(&called.stdout), "5\n15\n{\"SUM\":15}\n101\n");
    assert_eq!(called.status.code(), Some(0));
    let wrong = shell(&file, "plus \"x\"\nplus 1\n");
    assert_eq!((wrong.status.code(), wrong.stdout.as_slice()), (Some(1), &b""[..]));
    let nobody = shell(&file, "minus 1\n");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("minus"), "{nobody:?}");

    let logs = run(&["logs".as_ref(), file.as_os_str(), "source".as_ref(), "-n".as_ref(), "1".as_ref()]);
    assert_eq!(String::from_utf8_lossy(&logs.stdout), "asked\n");
    let unknown = run(&["logs".as_ref(), file.as_os_str(), "minus".as_ref()]);
    assert_eq!(unknown.status.code(), Some(2));

    let mut events = dyn_command().arg("events").arg(&file).stdout(Stdio::piped()).spawn().expect("events");
    let mut lines = BufReader::new(events.stdout.take().expect("its output")).lines();
    let mut next = |wanted: &str| loop {
        let line = lines.next().expect("a line").expect("text");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        if event["event"] == wanted {
            return event;
        }
    };
    let ready = next("ready");
    fs::write(&file, CHAIN.replace("; 10 }", "; 20 }")).expect("a save");
    let live = next("live");
    assert!(live["seq"].as_u64() > ready["seq"].as_u64(), "{live}");
    events.kill().expect("an end");
    events.wait().expect("an end");
    dev.wait_for("live");
    dev.stop();
    let over = run(&["status".as_ref(), file.as_os_str()]);
    assert_eq!(over.status.code(), Some(1));
    assert!(!folder.join("session.sock").exists());
}

#[test]
fn a_collector_is_sent_the_spans_of_a_request() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let posts = collect(listener);
    let (_folder, file) = app(CHAIN);
    let mut command: Command = dyn_command();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    let mut dev = Dev::spawn(command, &file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    Client::default().get_with(&dev.url(), &[("traceparent", &parent)]);
    let mut services = std::collections::BTreeSet::new();
    while services.len() < 2 {
        let (head, body) = posts.recv_timeout(PATIENCE).expect("spans");
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-type: application/x-protobuf"), "{head}");
        let spans = ::protocol::otlp::decode(&body).expect("a payload").spans;
        services
            .extend(spans.iter().filter(|span| span.trace.to_string() == trace).map(|span| span.service.to_string()));
    }
    assert!(services.contains("source") && services.contains("plus"), "{services:?}");
    dev.stop();
}

/// A collector: takes every request and hands head and body on.
fn collect(listener: TcpListener) -> Receiver<(String, Vec<u8>)> {
    let (sender, posts) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            std::thread::spawn(move || {
                while let Some(post) = take(&stream) {
                    if sender.send(post).is_err() {
                        return;
                    }
                }
            });
        }
    });
    posts
}

fn take(mut stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    Some((head, body))
}
