//! Clusters as nodes of a fleet: namespaces of the testbed, each pinned to one of its machines.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::dyn_command;
use tempfile::TempDir;

use crate::app::App;
use crate::cluster::{Namespace, Ran, unique};
use crate::load::{Load, node};
use crate::outages::Cut;

/// Reached only by a hang.
const PATIENCE: Duration = Duration::from_secs(60);
/// What one node serves a second is less than the fifty of the load, and what two serve is more.
const BANNER: &str = "use dyninka::prelude::*;\n\
    #[service(rate = 35)]\nfn banner(text: String) -> String { format!(\"*{text}*\") }\n\
    #[dyninka::main]\nfn main() { banner(\"hi\") }\n";
/// Callers of the load.
const CALLERS: usize = 4;

/// The machine that a fleet was begun on: the testbed's host, which runs none of the services.
struct First {
    home: TempDir,
    agent: Child,
}

impl First {
    fn begin() -> Self {
        let home = tempfile::tempdir().unwrap();
        let begun = Self::of(&home, &["node", "init", "--fleet", "plant", "--name", "first"]).output().unwrap();
        assert!(begun.status.success(), "{}", stderr(&begun));
        let mut command = Self::of(&home, &["node", "up", "--listen", "10.44.0.1:0"]);
        let mut agent = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(agent.stderr.take().unwrap()).lines();
        assert!(said.by_ref().any(|line| line.unwrap().contains("is up at")), "it ended");
        // Whatever else it says is not kept waiting.
        std::thread::spawn(move || said.for_each(drop));
        Self { home, agent }
    }

    fn of(home: &TempDir, arguments: &[&str]) -> Command {
        let mut command = dyn_command();
        command.env("DYNINKA_HOME", home.path()).args(arguments);
        command
    }

    fn invite(&self) -> String {
        let invited = Self::of(&self.home, &["node", "invite"]).output().unwrap();
        assert!(invited.status.success(), "{}", stderr(&invited));
        String::from_utf8(invited.stdout).unwrap().trim().to_owned()
    }

    /// Nodes it has a link to.
    fn linked(&self) -> BTreeSet<String> {
        let output = Self::of(&self.home, &["nodes", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let view: Value = serde_json::from_slice(&output.stdout).unwrap();
        let nodes = view["nodes"].as_array().unwrap().iter().filter(|node| node["link"] == "up");
        nodes.map(|node| node["name"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for First {
    fn drop(&mut self) {
        drop(self.agent.kill());
        drop(self.agent.wait());
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Everything in the namespace on one machine, and what makes it a node.
fn settings(name: &str, machine: &str, port: u32) -> String {
    let pinned = format!("nodes = {{ \"kubernetes.io/hostname\" = \"{machine}\" }}");
    format!("[services.banner]\n{pinned}\n[entry]\nnode_port = 0\n[node]\nname = \"{name}\"\nport = {port}\n{pinned}\n")
}

fn join(namespace: &Namespace, app: &App, first: &First) -> Ran {
    namespace.push(&app.file, &["--join", &first.invite()]).done()
}

#[test]
fn clusters_share_load_and_one_that_is_cut_off_costs_what_it_had_and_nothing_else() {
    let east = Namespace::alone("east");
    let (west, south) = (east.beside("west"), east.beside("south"));
    let first = First::begin();
    let ports = 30_100 + unique() % 2_600;
    let app = App::of(BANNER);
    app.settings(&settings("east", "node1", ports));
    // Without an invitation nothing is begun.
    let refused = east.push(&app.file, &[]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("has joined no fleet") && refused.stderr.contains("--join"), "{}", refused.stderr);
    assert_eq!(east.made(), [""; 0]);
    let pushed = join(&east, &app, &first);
    let objects = pushed.all("plan")[0]["plan"]["objects"].to_string();
    assert!(objects.contains("deployment/dyninka-app-node") && objects.contains("role/dyninka-app-node"), "{objects}");
    for (at, (namespace, name, machine)) in
        [(&west, "west", "node2"), (&south, "south", "node1")].into_iter().enumerate()
    {
        app.settings(&settings(name, machine, ports + 1 + at as u32));
        join(namespace, &app, &first);
    }
    until("all are in the fleet", || first.linked().len() == 3);
    let url = east.url("banner");
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let mut seen = BTreeSet::new();
    until("both others serve what does not fit", || {
        // More at once than what is saved up at home.
        seen.extend((0..20).map(|_| node(&client.get(&url).send().unwrap())));
        seen.contains("west") && seen.contains("south")
    });
    let load = Load::start(&url);
    load.wait(100);
    let cut = Cut::of("node2");
    until("its link is down", || !first.linked().contains("west"));
    let answers = load.end();
    // What was under way there, and of what came until it was noticed, and room was promised anew, as much as did not fit.
    let count = |kind| answers.failures.iter().filter(|failure| failure.contains(kind)).count();
    let (lost, refused) = (count("node-lost"), count("overloaded"));
    let all = lost + refused == answers.failures.len();
    assert!(all && lost <= 3 * CALLERS && refused <= CALLERS, "{:#?}", answers.failures);
    assert!(["", "west", "south"].iter().all(|node| answers.nodes.contains_key(*node)), "{:?}", answers.nodes);
    // From then on it is asked nothing, and nothing is lost.
    let load = Load::start(&url);
    load.wait(150);
    let answers = load.end();
    drop(cut);
    assert_eq!(answers.failures, [""; 0], "of {}", answers.bodies.len());
    assert!(answers.bodies.iter().all(|body| body == "\"*hi*\""));
    assert_eq!(answers.nodes.into_keys().collect::<Vec<_>>(), ["", "south"]);
    until("the fleet is whole again", || first.linked().contains("west"));
    goes(&south, &app);
    leaves(&west, &app);
}

/// All of it goes with the app.
fn goes(namespace: &Namespace, app: &App) {
    let mut down = namespace.command("cluster down", &app.file);
    let gone = down.arg("--yes").output().unwrap();
    assert!(gone.status.success(), "{}", stderr(&gone));
    assert_eq!(namespace.made(), [""; 0]);
}

/// Without `[node]` the namespace is no node any more, and the app runs on.
fn leaves(namespace: &Namespace, app: &App) {
    let pinned = "nodes = { \"kubernetes.io/hostname\" = \"node2\" }";
    app.settings(&format!("[services.banner]\n{pinned}\n[entry]\nnode_port = 0\n"));
    let pushed = namespace.push(&app.file, &[]).done();
    assert!(pushed.all("plan")[0]["plan"]["objects"].to_string().contains("dyninka-app-node"), "{:#?}", pushed.events);
    let left = namespace.made();
    assert!(!left.is_empty() && !left.iter().any(|object| object.ends_with("dyninka-app-node")), "{left:?}");
}
