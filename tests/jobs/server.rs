//! A session with a job server, and a client of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};
use support::session::{Dev, PATIENCE};

/// A session with jobs.
pub(crate) struct Jobs {
    pub(crate) dev: Dev,
    pub(crate) server: Server,
}

impl std::ops::Deref for Jobs {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// The job server of a session.
#[derive(Clone)]
pub(crate) struct Server {
    /// The session's process.
    session: u32,
    /// `http://HOST:PORT/v1`.
    pub(crate) url: String,
    pub(crate) token: String,
    client: Client,
}

/// Between two looks at a server that may be down.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// An answer: its status and its body as JSON.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Jobs {
    /// Starts a session of an app with jobs.
    pub(crate) fn start(file: &Path) -> Self {
        Self::start_with(file, &[])
    }

    /// The same, with further options.
    pub(crate) fn start_with(file: &Path, further: &[&str]) -> Self {
        let mut dev = Dev::launch(file, &[&["--on", "process", "--port", "0", "--jobs=0"], further].concat());
        dev.ready = dev.wait_for("ready");
        let notice = dev.wait_until("where jobs are accepted", |event| {
            event["message"].as_str().is_some_and(|message| message.starts_with("jobs are accepted at "))
        });
        let message = notice["message"].as_str().expect("a notice");
        let after = |words: &str| {
            let rest = message.split(words).nth(1).unwrap_or_else(|| panic!("{words} in {message}"));
            rest.split([';', ',']).next().expect("a word").trim().to_owned()
        };
        let url = after("accepted at ").trim_end_matches("/jobs").to_owned();
        let token = fs::read_to_string(after("the token is in ")).expect("the token").trim().to_owned();
        assert!(Path::new(&after("the store is ")).exists(), "{message}");
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(90)).build().expect("a client");
        let server = Server { session: dev.pid(), url, token, client };
        Self { dev, server }
    }
}

impl Server {
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/{path}", self.url)).bearer_auth(&self.token)
    }

    pub(crate) fn get(&self, path: &str) -> Told {
        told(self.request(reqwest::Method::GET, path)).expect("the server answers")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Told {
        told(self.request(reqwest::Method::POST, path).json(body)).expect("the server answers")
    }

    /// Asks for a job and answers its id.
    pub(crate) fn ask(&self, job: &Value) -> String {
        let told = self.post("jobs", job);
        assert_eq!(told.status, 202, "{told:?}");
        told.body["id"].as_str().expect("an id").to_owned()
    }

    /// Asks for a job by a type that an edit has just brought: the server is told of types once they are live.
    pub(crate) fn ask_anew(&self, job: &Value) -> String {
        let begun = Instant::now();
        loop {
            let told = self.post("jobs", job);
            if told.status == 202 {
                return told.body["id"].as_str().expect("an id").to_owned();
            }
            assert!(told.status == 422 && begun.elapsed() < PATIENCE, "{told:?}");
            std::thread::sleep(LOOK);
        }
    }

    /// Waits for the end of a job, over kills of the server.
    pub(crate) fn end_of(&self, id: &str) -> Value {
        let begun = Instant::now();
        loop {
            if let Ok(told) = told(self.request(reqwest::Method::GET, &format!("jobs/{id}?wait=5")))
                && told.status == 200
                && !["queued", "running"].contains(&told.body["state"].as_str().unwrap_or_default())
            {
                return told.body;
            }
            assert!(begun.elapsed() < PATIENCE, "{id} does not end");
            std::thread::sleep(LOOK);
        }
    }

    /// The process of the job server.
    pub(crate) fn pid(&self) -> Option<i32> {
        let parent = self.session;
        let pids = fs::read_dir("/proc").expect("processes").flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let of = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
            of == Some(parent) && line.split(|byte| *byte == 0).any(|word| word == b"job-server")
        })
    }

    /// Kills the job server, as `kill -9` does. Whether there was one.
    pub(crate) fn kill(&self) -> bool {
        let Some(pid) = self.pid() else { return false };
        Command::new("kill").args(["-9", &pid.to_string()]).status().is_ok_and(|status| status.success())
    }
}

/// Sends a request.
pub(crate) fn told(request: RequestBuilder) -> Result<Told, reqwest::Error> {
    let answer = request.send()?;
    let status = answer.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = answer.bytes()?;
    Ok(Told { status, body: serde_json::from_slice(&body).unwrap_or(json!(null)), headers })
}
