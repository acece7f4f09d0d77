//! A namespace of the testbed for one test, and `dyn` that pushes to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::underway::Underway;
use support::dyn_command;

/// Where the testbed keeps what it runs on.
pub(crate) fn testbed() -> PathBuf {
    PathBuf::from(std::env::var_os("DYN_TESTBED_RUN").unwrap_or_else(|| "/run/dyn-testbed".into()))
}

/// The testbed's kubeconfig.
pub(crate) fn kubeconfig() -> PathBuf {
    let file = testbed().join("kubeconfig");
    assert!(file.exists(), "no {}: start the cluster for tests with `tests/testbed/kubernetes up 2`", file.display());
    file
}

/// A namespace of its own, gone with it.
pub(crate) struct Namespace {
    pub(crate) name: String,
    /// The testbed is everybody's, but for who takes a part of it away. A test that has one may not ask for another.
    _turn: File,
}

/// What `dyn` said and how it ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) events: Vec<Value>,
    pub(crate) stderr: String,
}

impl Namespace {
    pub(crate) fn new(purpose: &str) -> Self {
        let (gate, turn) = (locked("gate"), lock("turn"));
        turn.lock_shared().unwrap();
        drop(gate);
        Self::taking(purpose, turn)
    }

    /// One for a test that takes a part of the testbed away: no other runs meanwhile.
    pub(crate) fn alone(purpose: &str) -> Self {
        // Whoever comes later waits at the gate: otherwise there might be somebody always.
        let (gate, turn) = (locked("gate"), locked("turn"));
        drop(gate);
        Self::taking(purpose, turn)
    }

    /// Another one of the same test, in its turn.
    pub(crate) fn beside(&self, purpose: &str) -> Self {
        Self::taking(purpose, self._turn.try_clone().unwrap())
    }

    fn taking(purpose: &str, turn: File) -> Self {
        let name = format!("p-{purpose}-{:08x}", unique());
        kubectl(&["create", "namespace", &name]);
        Self { name, _turn: turn }
    }

    /// `dyn COMMAND FILE --yes --json` on the testbed, in this namespace.
    pub(crate) fn command(&self, command: &str, file: &Path) -> Command {
        let mut dyn_command = dyn_command();
        dyn_command.env("KUBECONFIG", kubeconfig());
        dyn_command.args(command.split(' ')).arg(file).args(["--namespace", &self.name]);
        dyn_command
    }

    pub(crate) fn push(&self, file: &Path, more: &[&str]) -> Ran {
        let mut command = self.command("push", file);
        Ran::of(&command.args(["--yes", "--json"]).args(more).output().unwrap())
    }

    /// A push that is still under way.
    pub(crate) fn start_push(&self, file: &Path, more: &[&str]) -> Underway {
        let mut command = self.command("push", file);
        command.args(["--yes", "--json"]).args(more);
        Underway::start(command)
    }

    /// Has an object in the namespace, told as JSON.
    pub(crate) fn have(&self, object: &Value) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("object.json");
        std::fs::write(&file, object.to_string()).unwrap();
        self.kubectl(&["apply", "--filename", file.to_str().unwrap()]);
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["--namespace", &self.name], arguments].concat())
    }

    /// Objects of a kind by name.
    pub(crate) fn objects(&self, kind: &str) -> BTreeMap<String, Value> {
        let list: Value = serde_json::from_str(&self.kubectl(&["get", kind, "--output", "json"])).unwrap();
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        list["items"].as_array().unwrap().iter().map(|object| (name(object), object.clone())).collect()
    }

    /// The Deployment of a service, by its DNS label.
    pub(crate) fn deployment(&self, host: &str) -> Value {
        let of = |object: &Value| object["metadata"]["labels"]["app.kubernetes.io/name"] == host;
        let mut found: Vec<_> = self.objects("deployments").into_values().filter(of).collect();
        assert_eq!(found.len(), 1, "one form of {host}: {found:#?}");
        found.remove(0)
    }

    /// What `dyn` wrote in this namespace so far, in the API server's own words; rehearsals are none.
    pub(crate) fn writes(&self) -> Vec<String> {
        let log = std::fs::read_to_string(testbed().join("audit.log")).unwrap();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours = entries.filter(|entry| {
            entry["objectRef"]["namespace"] == self.name.as_str()
                && entry["userAgent"].as_str().is_some_and(|agent| agent.starts_with("dyninka/"))
                && !["get", "list", "watch"].contains(&entry["verb"].as_str().unwrap())
                && !entry["requestURI"].as_str().unwrap().contains("dryRun")
        });
        ours.map(|entry| format!("{} {}", entry["verb"], entry["requestURI"])).collect()
    }

    /// What is there of objects that a push makes.
    pub(crate) fn made(&self) -> Vec<String> {
        let ours = "app.kubernetes.io/managed-by=dyninka,dyninka.dev/kind!=push";
        let kinds = "deployments,services,configmaps,secrets,leases,ingresses,serviceaccounts,roles,rolebindings";
        let names = self.kubectl(&["get", kinds, "--selector", ours, "--output", "name"]);
        names.lines().map(str::to_owned).collect()
    }

    /// Where the last service is reached: a port of every node.
    pub(crate) fn url(&self, host: &str) -> String {
        let port = self.objects("services")[host]["spec"]["ports"][0]["nodePort"].clone();
        format!("http://10.44.0.11:{port}/")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let lines = String::from_utf8_lossy(&output.stdout);
        Self {
            code: output.status.code(),
            events: lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It went well.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{:#?}", self.stderr, self.events);
        self
    }

    /// The events of a kind.
    pub(crate) fn all(&self, event: &str) -> Vec<&Value> {
        self.events.iter().filter(|it| it["event"] == event).collect()
    }

    /// Services of the plan, by what would be done with them.
    pub(crate) fn planned(&self) -> BTreeMap<String, String> {
        let plan = &self.all("plan")[0]["plan"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        plan["services"].as_array().unwrap().iter().map(|step| (text(&step["name"]), text(&step["what"]))).collect()
    }
}

/// `kubectl` on the testbed.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let ran = Command::new("kubectl").arg("--kubeconfig").arg(kubeconfig()).args(arguments).output().unwrap();
    assert!(ran.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// A file of the testbed whose lock says whose turn it is, in this process and others.
fn lock(name: &str) -> File {
    let path = testbed().join(format!("{name}.lock"));
    File::options().create(true).truncate(false).write(true).open(path).unwrap()
}

/// One that is locked until it is dropped.
fn locked(name: &str) -> File {
    let file = lock(name);
    file.lock().unwrap();
    file
}

/// A number that no other run has: process numbers come again, and a cluster outlives its tests.
pub(crate) fn unique() -> u32 {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    u32::from_str_radix(&uuid[..8], 16).unwrap()
}
