//! Containers call each other over unix sockets that the session makes: what that gives them, and what it does not.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use support::app;
use support::hosts::{kill, ours, serving};
use support::session::{Client, Dev};

/// `leave` tells of the TCP connections of its container, and what it can do to what is not its own.
const APP: &str = r#"use dyninka::prelude::*;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};

#[service]
fn enter() -> u64 {
    1
}

#[service]
fn middle(value: u64) -> u64 {
    value + 1
}

#[service]
fn leave(value: u64, tries: bool) -> Vec<String> {
    let mut told = vec![format!("value {value}"), format!("connections {}", connections())];
    if tries {
        told.push(format!("own listeners {}", listeners().len()));
        let mut note = |what: &str, done: io::Result<()>| {
            told.push(format!("{what}: {}", done.map_or_else(|error| format!("{:?}", error.kind()), |()| "done".to_owned())));
        };
        let other = "/dyninka-sockets/middle:8080";
        note("connect to another", UnixStream::connect(other).map(drop));
        note("remove another", fs::remove_file(other));
        note("rename another", fs::rename(other, "/dyninka-sockets/other"));
        note("rename over another", fs::rename("/dyninka-sockets/leave:8080", other));
        note("listen for another", UnixListener::bind(other).map(drop));
        note("listen for a new one", UnixListener::bind("/dyninka-sockets/new:8080").map(drop));
        note("write a file", fs::write("/dyninka-sockets/file", "x"));
        note("link", std::os::unix::fs::symlink("/etc/passwd", "/dyninka-sockets/link"));
        note("write beside its library", fs::write("/dyninka/file", "x"));
        note("remove its handover", fs::remove_file("/dyninka/handover.sock"));
        for listener in listeners() {
            // `sockaddr_un`: its family, and a path.
            let there = [&1_u16.to_ne_bytes(), other.as_bytes(), &[0]].concat();
            let done = match unsafe { connect(listener, there.as_ptr(), there.len() as u32) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            };
            note("connect its listener", done);
        }
        note("reach the machine", TcpStream::connect(("127.0.0.1", PORT)).map(drop));
    }
    told
}

unsafe extern "C" {
    fn getsockopt(socket: i32, level: i32, option: i32, value: *mut i32, length: *mut u32) -> i32;
    fn connect(socket: i32, address: *const u8, length: u32) -> i32;
}

/// Unix sockets of this process that listen.
fn listeners() -> Vec<i32> {
    let option = |socket: i32, option: i32| {
        let (mut value, mut length) = (0, 4);
        // Level 1: of the socket itself.
        let answered = unsafe { getsockopt(socket, 1, option, &mut value, &mut length) };
        (answered == 0).then_some(value)
    };
    const ACCEPTS: i32 = 30;
    const FAMILY: i32 = 39;
    (3..1024).filter(|socket| option(*socket, ACCEPTS) == Some(1) && option(*socket, FAMILY) == Some(1)).collect()
}

/// Established connections to the port of a service.
fn connections() -> usize {
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
    let columns = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns.filter(|columns| columns[3] == "01" && columns[2].ends_with(":1F90")).count()
}

#[dyninka::main]
fn main() { leave(middle(enter()), false) }
"#;

fn start(file: &Path) -> Dev {
    let mut dev = Dev::launch(file, &["--on", "docker", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    dev
}

fn status(file: &Path) -> Value {
    let output = support::run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What `leave` told of a request.
fn told(client: &Client, url: &str) -> Vec<String> {
    let answer = client.get(url);
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).expect("lines")
}

fn text(port: u16) -> String {
    format!("{APP}\nconst PORT: u16 = {port};\n")
}

#[test]
fn containers_call_each_other_over_sockets_that_none_of_them_can_take_or_make_lead_out() {
    let machine = TcpListener::bind("127.0.0.1:0").expect("a port");
    machine.set_nonblocking(true).expect("a listener that does not wait");
    let port = machine.local_addr().expect("its address").port();
    let (_folder, file) = app(&text(port));
    let mut dev = start(&file);
    let (client, url) = (Client::default(), dev.url());
    assert_eq!(status(&file)["transport"], json!({ "by": "socket" }));
    let expected = ["value 2", "connections 0"];
    assert_eq!(told(&client, &url), expected);

    // Started again, it has a socket again.
    kill("docker", &file, "middle");
    dev.wait_for("up");
    assert_eq!(told(&client, &url), expected);

    // Another user of a machine where the folder were open to all meets closed sockets.
    let sockets = dev.socket_folder(&file).join("sockets");
    let image = image(&serving("docker", &file)[0]);
    let mount = format!("{}:/dyninka-sockets:ro", sockets.display());
    let stranger = Command::new("docker")
        .args(["run", "--rm", "--network=none", "--user=4711:4711", "--entrypoint=/dyn", "-v", &mount])
        .args([&image, "host", "/dyninka-sockets"])
        .output()
        .expect("docker");
    let words = String::from_utf8_lossy(&stranger.stderr);
    assert!(!stranger.status.success() && words.to_lowercase().contains("permission denied"), "{words}");

    let answer = client.get_with(&url, &[("dyninka-route", "middle(enter), true")]);
    let tried: Vec<String> = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body));
    let refused = |what: &str| {
        let line = tried.iter().find(|line| line.starts_with(&format!("{what}: ")));
        line.unwrap_or_else(|| panic!("{what}: {tried:?}")).rsplit(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(refused("connect to another"), "done");
    for what in
        ["remove another", "rename another", "rename over another", "listen for a new one", "write a file", "link"]
    {
        assert_eq!(refused(what), "ReadOnlyFilesystem", "{what}");
    }
    assert_eq!(refused("listen for another"), "AddrInUse");
    assert_eq!(refused("write beside its library"), "ReadOnlyFilesystem");
    assert_eq!(refused("remove its handover"), "ReadOnlyFilesystem");
    assert!(tried.contains(&"own listeners 1".to_owned()), "{tried:?}");
    assert_eq!(refused("connect its listener"), "InvalidInput");
    assert_eq!(refused("reach the machine"), "ConnectionRefused");
    assert!(machine.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "the machine's loopback");

    // The public listener is the session's: callers wait while that stands still, and are answered afterwards.
    dev.signal("STOP");
    let stat = format!("/proc/{}/stat", dev.pid());
    while !fs::read_to_string(&stat).expect("a process").contains(") T ") {
        std::thread::yield_now();
    }
    let (sender, answers) = channel();
    let caller = std::thread::spawn(move || sender.send(Client::default().get(&url).status));
    assert_eq!(answers.recv_timeout(Duration::from_millis(300)), Err(RecvTimeoutError::Timeout));
    dev.signal("CONT");
    assert_eq!(answers.recv(), Ok(200));
    caller.join().expect("a caller").expect("it is heard");
    dev.stop();
    assert!(!sockets.exists() && ours("docker", &file).is_empty());
}

fn image(container: &str) -> String {
    let output = Command::new("docker").args(["inspect", "-f", "{{.Config.Image}}", container]).output();
    String::from_utf8(output.expect("docker").stdout).expect("a name").trim().to_owned()
}

#[test]
fn where_sockets_cannot_be_made_it_is_tcp_as_ever_and_that_is_told() {
    let (_folder, file) = app(&text(1));
    // The folder's own name is taken by what cannot be removed as a folder.
    let dev = Dev::start(&file, "process");
    let place = dev.socket_folder(&file);
    dev.stop();
    fs::write(place.join("sockets"), "in the way").expect("a file");
    let mut dev = Dev::launch(&file, &["--on", "docker", "--port", "0"]);
    let is_told = |event: &Value| event["message"].as_str().is_some_and(|message| message.contains("by TCP"));
    dev.wait_until("a notice", is_told);
    dev.ready = dev.wait_for("ready");
    let told = told(&Client::default(), &dev.url());
    assert_eq!(told[0], "value 2");
    assert_ne!(told[1], "connections 0");
    let status = status(&file);
    assert_eq!(status["transport"]["by"], "tcp");
    assert!(status["transport"]["why"].as_str().is_some_and(|why| why.contains("sockets cannot be made")), "{status}");
    let notices = dev.seen().iter().filter(|event| is_told(event)).count();
    assert_eq!(notices, 1);
    dev.stop();
    fs::remove_file(place.join("sockets")).expect("the file");
}

#[test]
fn the_public_listener_of_containers_moves_without_a_failed_request() {
    const TWO: &str = "use dyninka::prelude::*;

#[service]
fn one() -> u64 { 1 }

#[service]
fn two(value: u64) -> u64 { value * 2 }

#[dyninka::main]
fn main() { one().two() }
";
    let three = TWO
        .replace("#[dyninka::main]", "#[service]\nfn three(value: u64) -> u64 { value * 3 }\n\n#[dyninka::main]")
        .replace("one().two()", "one().two().three()");
    let (_folder, file) = app(TWO);
    let mut dev = start(&file);
    let (url, ends) = (dev.url(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut seen, mut failed) = (Vec::new(), Vec::new());
                    while !ends.load(Ordering::Acquire) {
                        // A new connection each: those that are kept stay with the service they were made to.
                        match Client::default().try_get(&url) {
                            Some(answer) if answer.status == 200 => seen.push(answer.body),
                            Some(answer) => failed.push(answer.body),
                            None => failed.push("no answer".to_owned()),
                        }
                    }
                    (seen, failed)
                })
            })
            .collect();
        for (edit, answer) in [(three.as_str(), "6"), (TWO, "2")] {
            fs::write(&file, edit).expect("an edit");
            dev.wait_for("live");
            assert_eq!(Client::default().get(&url).body, answer);
        }
        ends.store(true, Ordering::Release);
        for caller in callers {
            let (seen, failed) = caller.join().expect("a caller");
            assert!(failed.is_empty(), "{failed:?}");
            assert!(seen.iter().all(|body| body == "2" || body == "6") && seen.len() > 10, "{seen:?}");
        }
    });
    dev.stop();
}
