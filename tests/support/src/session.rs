//! A `dyn dev` that runs, and a client for its services.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dyn_command;

/// Long enough for the slowest machine to have built everything; reached only by a hang.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// The variable that says which services share a host, for tests that say nothing of it.
const TOGETHER: &str = "DYN_TEST_TOGETHER";

/// A copy of an example with the data it includes, so that tests of one example run side by side.
pub fn example(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let examples = crate::repository().join("examples");
    copy(&examples, folder.path());
    let file = folder.path().join(format!("{name}.rs"));
    assert!(file.exists(), "no example {name}");
    (folder, file)
}

fn copy(from: &Path, to: &Path) {
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// A `dyn dev --json` that runs.
pub struct Dev {
    child: Child,
    events: Receiver<Value>,
    seen: Vec<Value>,
    stderr: Option<std::thread::JoinHandle<String>>,
    pub ready: Value,
}

impl Dev {
    /// Starts it on a free port and waits until it is ready.
    pub fn start(file: &Path, on: &str) -> Self {
        let mut dev = Self::launch(file, &["--on", on, "--port", "0"]);
        dev.ready = dev.wait_for("ready");
        dev
    }

    /// Starts it with arguments of the caller's choice and waits for nothing.
    pub fn launch(file: &Path, arguments: &[&str]) -> Self {
        Self::spawn(dyn_command(), file, arguments)
    }

    /// Starts it with an environment of the caller's choice.
    pub fn spawn(mut command: Command, file: &Path, arguments: &[&str]) -> Self {
        command.arg("dev").arg(file).arg("--json").args(arguments);
        // Tests of sessions may be run once more with all services in one host: nothing but the time is to differ.
        if let Some(together) = std::env::var_os(TOGETHER).filter(|_| !arguments.contains(&"--together")) {
            command.arg("--together").arg(together);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, events) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let line = line.unwrap();
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, events, seen: Vec::new(), stderr: Some(stderr), ready: Value::Null }
    }

    /// The next event of a kind.
    pub fn wait_for(&mut self, kind: &str) -> Value {
        self.wait_until(kind, |event| event["event"] == kind)
    }

    /// The next event that passes.
    pub fn wait_until(&mut self, what: &str, passes: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if passes(&event) {
                        return event;
                    }
                }
                Err(_) => {
                    drop(self.child.kill());
                    let stderr = self.stderr.take().map(|reader| reader.join().unwrap()).unwrap_or_default();
                    panic!("no {what}; seen {:#?}\nstderr:\n{stderr}", self.seen);
                }
            }
        }
    }

    /// Whether an event of a kind has been told by now; waits for nothing.
    pub fn has_told(&mut self, kind: &str) -> bool {
        self.seen.extend(self.events.try_iter());
        self.seen.iter().any(|event| event["event"] == kind)
    }

    /// Every event so far.
    pub fn seen(&self) -> &[Value] {
        &self.seen
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of the session's app below the home that tests share.
    pub fn socket_folder(&self, file: &Path) -> PathBuf {
        self.find_folder(&crate::home()).unwrap_or_else(|| panic!("no session has {}", file.display()))
    }

    /// The same below a home of the test's own.
    pub fn socket_folder_in(&self, home: &Path) -> PathBuf {
        self.find_folder(home).unwrap_or_else(|| panic!("no session of {} in {}", self.pid(), home.display()))
    }

    fn find_folder(&self, home: &Path) -> Option<PathBuf> {
        let apps = home.join("apps");
        let holds = |folder: &PathBuf| {
            let session = std::fs::read_to_string(folder.join("session.json")).unwrap_or_default();
            serde_json::from_str::<Value>(&session).is_ok_and(|session| session["pid"] == self.pid())
        };
        let folders = apps.read_dir().unwrap().map(|entry| entry.unwrap().path());
        folders.into_iter().find(holds)
    }

    /// The public listener.
    pub fn url(&self) -> String {
        self.ready["url"].as_str().unwrap().to_owned()
    }

    /// Where one service can be called.
    pub fn url_of(&self, service: &str) -> String {
        let services = self.ready["services"].as_array().unwrap();
        let found = services.iter().find(|known| known["name"] == service);
        found.unwrap_or_else(|| panic!("no {service} in {services:?}"))["url"].as_str().unwrap().to_owned()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// Ctrl-C, and what it ended with.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal("INT");
        self.wait_for("stopped");
        self.end()
    }

    /// Waits for the end without asking for it.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        (status, self.stderr.take().unwrap().join().unwrap())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // A failed test must leave no session behind; after `end` there is nothing to kill.
        if self.stderr.is_some() {
            drop(Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status());
            drop(self.child.wait());
        }
    }
}

/// An answer: status, headers in lower case, body.
pub struct Answer {
    pub status: u16,
    pub headers: std::collections::BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A client that keeps connections.
pub struct Client(reqwest::blocking::Client);

impl Default for Client {
    fn default() -> Self {
        Self(reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap())
    }
}

impl Client {
    pub fn get(&self, url: &str) -> Answer {
        self.send(self.0.get(url))
    }

    /// The answer, if one came whole: a service that ends takes its connections with it.
    pub fn try_get(&self, url: &str) -> Option<Answer> {
        self.ask(url).ok()
    }

    /// The same, or in words why none came.
    pub fn ask(&self, url: &str) -> Result<Answer, String> {
        Self::answer(self.0.get(url)).map_err(|error| format!("{error:?}"))
    }

    /// The same with headers.
    pub fn ask_with(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let request = headers.iter().fold(self.0.get(url), |request, (name, value)| request.header(*name, *value));
        Self::answer(request).map_err(|error| format!("{error:?}"))
    }

    pub fn get_with(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(headers.iter().fold(self.0.get(url), |request, (name, value)| request.header(*name, *value)))
    }

    pub fn post(&self, url: &str, body: &str) -> Answer {
        self.post_with(url, body, &[])
    }

    /// The answer, if one came whole.
    pub fn try_post(&self, url: &str, body: &str) -> Option<Answer> {
        Self::answer(self.0.post(url).header("content-type", "application/json").body(body.to_owned())).ok()
    }

    pub fn post_with(&self, url: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.0.post(url).header("content-type", "application/json").body(body.to_owned());
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    }

    fn send(&self, request: reqwest::blocking::RequestBuilder) -> Answer {
        Self::answer(request).unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn answer(request: reqwest::blocking::RequestBuilder) -> reqwest::Result<Answer> {
        let answer = request.send()?;
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        Ok(Answer { status: answer.status().as_u16(), headers, body: answer.text()? })
    }
}
