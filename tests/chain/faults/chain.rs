//! The chain under load, one service of which does as it is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::load::Fate;
use support::app;
use support::session::Dev;

/// `enter` and `leave` count how often each number came by; `middle` misbehaves in the way its `MODE` says.
const APP: &str = r#"use dyninka::prelude::*;
use std::collections::BTreeMap;

#[placed(enter)]
static ENTERED: Placed<BTreeMap<u64, u32>> = Placed::new(BTreeMap::new);

#[placed(middle)]
static MODE: Placed<String> = Placed::new(String::new);

#[placed(leave)]
static LEFT: Placed<BTreeMap<u64, u32>> = Placed::new(BTreeMap::new);

#[service]
fn enter(id: u64) -> u64 {
    ENTERED.update(|seen| *seen.entry(id).or_default() += 1);
    id
}

#[service]
fn middle(value: u64) -> Result<u64> {
    let mode = MODE.get();
    match mode.split_once(' ').unwrap_or((&mode, "")) {
        ("slow", ms) => std::thread::sleep(std::time::Duration::from_millis(ms.parse().unwrap_or(0))),
        ("eat", _) => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop { eaten.push(std::hint::black_box(vec![1; 1 << 20])); }
        }
        ("fill", path) => fill(path).map_err(|error| Error::new(error.to_string()))?,
        ("abort", _) => std::process::abort(),
        _ => {}
    }
    Ok(value * 2)
}

fn fill(path: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    loop { file.write_all(&[1; 1 << 16])?; }
}

#[service]
fn leave(value: u64) -> u64 {
    LEFT.update(|seen| *seen.entry(value / 2).or_default() += 1);
    value + 1
}

#[dyninka::main]
fn main() { enter(0).middle().leave() }
"#;

/// The chain, running.
pub(crate) struct Chain {
    pub(crate) dev: Dev,
    pub(crate) file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Chain {
    /// Starts it with services that may have 256 MiB each.
    pub(crate) fn start(on: &str) -> Self {
        Self::start_with(|file| Dev::launch(file, &["--on", on, "--port", "0", "--memory", "256M"]))
    }

    /// Starts it as the caller does, and waits until it is ready.
    pub(crate) fn start_with(launch: impl FnOnce(&Path) -> Dev) -> Self {
        let (folder, file) = app(APP);
        let mut dev = launch(&file);
        dev.ready = dev.wait_for("ready");
        Self { dev, file, _folder: folder }
    }

    /// Asks the session.
    pub(crate) fn say(&self, command: &Value) -> Value {
        let session = std::fs::read(self.dev.socket_folder(&self.file).join("session.json")).expect("a session");
        let session: Value = serde_json::from_slice(&session).expect("JSON");
        let socket = session["socket"].as_str().expect("its socket");
        let client = reqwest::blocking::Client::builder().unix_socket(socket).no_proxy().build().expect("a client");
        let answer = client.post("http://session/v1/commands").json(command).send().expect("an answer");
        serde_json::from_str(&answer.text().expect("its body")).expect("JSON")
    }

    /// Has `middle` misbehave, or behave again. It is told through its door, which its own deeds do not close.
    pub(crate) fn set_mode(&self, mode: &str) {
        let answer = self.say(&json!({ "command": "set", "service": "middle", "state": "MODE", "value": mode }));
        assert_eq!(answer["answer"], "done", "{answer}");
    }

    /// How often each number came by a service that counts.
    fn counts(&self, service: &str, state: &str) -> BTreeMap<u64, u32> {
        let answer = self.say(&json!({ "command": "state", "service": service }));
        serde_json::from_value(answer["values"][state].clone()).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Holds every request's fate against what the services counted; `broken` is the service something was done to,
    /// and `allowed` are the problems that may come of it. Answers how many requests met one.
    pub(crate) fn account(self, fates: &BTreeMap<u64, Fate>, broken: &str, allowed: &[(u16, &str)]) -> usize {
        // A host that was started anew has forgotten what it counted before.
        let entered = (broken != "enter").then(|| self.counts("enter", "ENTERED"));
        let left = (broken != "leave").then(|| self.counts("leave", "LEFT"));
        let mut problems = 0;
        for (number, fate) in fates {
            let count = |counts: &Option<BTreeMap<u64, u32>>| {
                counts.as_ref().map(|counts| counts.get(number).copied().unwrap_or_default())
            };
            let (entered, left) = (count(&entered), count(&left));
            let told = || format!("request {number}: {fate:?}, entered {entered:?}, left {left:?}");
            assert!(entered.is_none_or(|times| times <= 1) && left.is_none_or(|times| times <= 1), "{}", told());
            match fate {
                Fate::Right => assert!(entered.unwrap_or(1) == 1 && left.unwrap_or(1) == 1, "{}", told()),
                Fate::Problem { status, kind, service, .. } => {
                    problems += 1;
                    assert!(service == broken && allowed.contains(&(*status, kind)), "{}", told());
                    assert_eq!(left.unwrap_or(0), 0, "{}", told());
                }
                // There is one door: with the service behind it gone, there is nobody to say so.
                Fate::Broken(_) => {
                    problems += 1;
                    assert!(broken == "leave", "{}", told());
                }
                Fate::Wrong(_) => panic!("{}", told()),
            }
        }
        self.dev.stop();
        problems
    }
}
