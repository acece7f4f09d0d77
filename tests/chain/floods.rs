//! More output than anybody reads: it takes bounded room, what is dropped is shown, and nothing else waits for it.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::saves::numbered;
use crate::sessions::fresh;
use support::session::{Client, Dev, PATIENCE};
use support::{app, dyn_command};

/// A service whose first call never stops to write.
fn flood(summand: u64) -> String {
    format!(
        r#"
use dyninka::prelude::*;
#[service]
fn flood() -> u64 {{
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {{
        std::thread::spawn(|| {{
            loop {{
                println!("a line of the flood, as long as lines of logs are");
            }}
        }});
    }});
    1
}}
#[service]
fn plus(n: u64) -> u64 {{ n + {summand} }}
#[dyninka::main]
fn main() {{ flood().plus() }}
"#
    )
}

/// A `dyn dev --plain` whose output is the test's to read, or not to.
struct Plain {
    child: Child,
    stdout: Option<ChildStdout>,
    talk: Receiver<String>,
}

impl Plain {
    fn start(file: &Path, together: &str) -> (Self, String) {
        let mut command = dyn_command();
        command.arg("dev").arg(file).args(["--plain", "--on", "process", "--port", "0", "--together", together]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("dyn starts");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take().expect("a pipe"));
        let mut plain = Self { child, stdout, talk: lines(stderr) };
        let ready = plain.hear("ready in ");
        let url = ready.split("process: ").nth(1).expect("where it answers").to_owned();
        (plain, url)
    }

    /// The next line on stderr that has this in it.
    fn hear(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        loop {
            match self.talk.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => heard.push(line),
                Err(error) => panic!("no {part}: {error}; heard {heard:#?}"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let status =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end.
    fn end(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end");
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // After `end` there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[test]
fn a_service_that_never_stops_writing_keeps_neither_a_save_nor_the_end_waiting() {
    writes_without_end("none");
}

#[test]
fn a_service_that_never_stops_writing_keeps_nobody_of_its_host_waiting() {
    writes_without_end("all");
}

fn writes_without_end(together: &str) {
    let (_folder, file) = app(&flood(1));
    let (mut dev, url) = Plain::start(&file, together);
    let (mut stdout, dropped) = (dev.stdout.take().expect("a pipe"), Arc::new(AtomicBool::new(false)));
    let seen = dropped.clone();
    std::thread::spawn(move || {
        let (mut buffer, mut rest) = (vec![0; 64 << 10], Vec::new());
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            rest.extend_from_slice(&buffer[..count]);
            if rest.windows(16).any(|part| part == b") were dropped: ") {
                seen.store(true, Ordering::Relaxed);
            }
            rest.drain(..rest.len().saturating_sub(16));
        }
    });
    let client = Client::default();
    assert_eq!(client.get(&url).json(), 2);
    let deadline = Instant::now() + PATIENCE;
    while !dropped.load(Ordering::Relaxed) {
        assert!(Instant::now() < deadline, "nobody says that lines were dropped");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::write(&file, flood(2)).expect("a save");
    dev.hear("edit 1: plus: ");
    assert_eq!(client.get(&url).json(), 3);
    dev.signal("INT");
    assert_eq!(dev.end(), Some(0));
}

#[test]
fn output_that_nobody_reads_keeps_no_signal_and_no_stop_waiting() {
    let (_folder, file) = app(&flood(1));
    for end in ["INT", "TERM", "stop"] {
        let (dev, url) = Plain::start(&file, "none");
        assert_eq!(Client::default().get(&url).json(), 2);
        let stdout = dev.stdout.as_ref().expect("a pipe");
        // A pipe holds 64 KiB; when nothing more goes in, it is full.
        let deadline = Instant::now() + PATIENCE;
        while rustix::io::ioctl_fionread(stdout.as_fd()).expect("a pipe") < 60 << 10 {
            assert!(Instant::now() < deadline, "it writes little");
            std::thread::sleep(Duration::from_millis(5));
        }
        if end == "stop" {
            assert!(dyn_command().arg("stop").arg(&file).status().expect("dyn runs").success());
        } else {
            dev.signal(end);
        }
        assert_eq!(dev.end(), Some(0), "after {end}");
    }
}

#[test]
fn two_sessions_that_want_one_port_at_once_are_one_that_has_it() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port().to_string();
    drop(free);
    let apps = [fresh(), fresh() + 1].map(|number| app(&numbered(number)));
    let mut devs = apps.each_ref().map(|(_folder, file)| Dev::launch(file, &["--on", "process", "--port", &port]));
    let mut ready = 0;
    for dev in &mut devs {
        let told = dev.wait_until("end of the start", |event| event["event"] == "ready" || event["event"] == "failed");
        if told["event"] == "ready" {
            ready += 1;
            continue;
        }
        let message = told["message"].as_str().expect("words");
        assert!(message.contains(&format!("port {port} is taken by the session of dyn (pid ")), "{message}");
    }
    assert_eq!(ready, 1);
}

#[test]
fn a_service_is_started_again_although_dyn_was_replaced_and_removed() {
    let (_folder, file) = app(&numbered(fresh()));
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("dyn");
    std::fs::copy(support::program(), &program).expect("a copy");
    let mut command = std::process::Command::new(&program);
    command.env("DYNINKA_HOME", support::home());
    let mut dev = Dev::spawn(command, &file, &["--on", "process", "--port", "0"]);
    dev.ready = dev.wait_for("ready");
    let services = dev.socket_folder(&file).join("services");
    for replaced in [true, false] {
        std::fs::remove_file(&program).expect("it was there");
        if replaced {
            std::fs::copy("/bin/false", &program).expect("a copy");
        }
        let service = services.read_dir().expect("services").next().expect("one").expect("a folder").path();
        let pid = std::fs::read_to_string(service.join("pid")).expect("its process");
        let pid = pid.split(' ').next().expect("a number");
        assert!(std::process::Command::new("kill").args(["-KILL", pid]).status().expect("kill runs").success());
        dev.wait_for("up");
        assert_eq!(Client::default().get(&dev.url()).status, 200);
    }
    assert_eq!(dev.stop().0.code(), Some(0));
}
