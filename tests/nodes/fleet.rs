//! Three machines, and `dyn` on each.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{home, program, repository};

/// Reached only by a hang.
const PATIENCE: Duration = Duration::from_secs(90);
/// One testbed on a machine.
static ONE: Mutex<()> = Mutex::new(());

/// What every node runs: a service that keeps nothing, and that may not run twice.
pub(crate) const APP: &str = "use dyninka::prelude::*;\n\
    #[service(rate = 100)]\nfn banner(text: String) -> String { format!(\"*{text}*\") }\n\
    #[dyninka::main]\nfn main() { banner(\"hi\") }\n";

/// A service that counts what it is asked, and says which of its versions it is.
pub(crate) const COUNTING: &str = "use dyninka::prelude::*;\n#[placed(banner)]\nstatic COUNT: Placed<u64> = Placed::new(|| 0);\n\
    #[service]\nfn banner(text: String) -> String { let n = COUNT.update(|n| { *n += 1; *n }); format!(\"{text} A {n}\") }\n\
    #[dyninka::main]\nfn main() { banner(\"hi\") }\n";

fn testbed(arguments: &[&str]) {
    let status = Command::new(repository().join("tests/testbed/nodes")).args(arguments).status().unwrap();
    assert!(status.success(), "tests/testbed/nodes {arguments:?}: these tests need root and iproute2");
}

/// Machines, and the agents that run on them. Dropped, all of it is gone.
pub(crate) struct Fleet {
    folder: tempfile::TempDir,
    agents: Vec<Option<Child>>,
    /// This machine is all nodes, and has their services in containers.
    is_docker: bool,
    _alone: MutexGuard<'static, ()>,
}

impl Fleet {
    /// Machines without anything.
    pub(crate) fn bare(count: usize) -> Self {
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        testbed(&["up", &count.to_string()]);
        Self { folder: folder(), agents: (0..count).map(|_| None).collect(), is_docker: false, _alone: alone }
    }

    /// Nodes of this machine without anything, which have services in containers. Each has a loopback address of its own.
    pub(crate) fn on_docker(count: usize) -> Self {
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self { folder: folder(), agents: (0..count).map(|_| None).collect(), is_docker: true, _alone: alone }
    }

    /// A fleet of so many nodes, each of which runs the app.
    pub(crate) fn with_app(count: usize, app: &str) -> Self {
        let mut fleet = Self::bare(count);
        fleet.gather();
        let pushed = fleet.push(app);
        assert!(pushed.status.success(), "{}", stderr(&pushed));
        fleet.wait_for_offers();
        fleet
    }

    pub(crate) fn wait_for_offers(&self) {
        let count = self.agents.len();
        self.wait("each has offers of all others", |fleet| {
            (1..=count).all(|at| {
                let view = fleet.view(at);
                let others = view["nodes"].as_array().unwrap().iter().filter(|node| node["link"] == "up");
                others.filter(|node| node["services"][0]["offered"].as_f64().unwrap_or_default() > 0.0).count()
                    == count - 1
            })
        });
    }

    /// Begins a fleet on the first machine, and has all others join.
    pub(crate) fn gather(&mut self) {
        let count = self.agents.len();
        let begun = self.run(1, &["node", "init", "--fleet", "plant", "--name", "n1"]);
        assert!(begun.status.success(), "{}", stderr(&begun));
        self.up(1);
        for at in 2..=count {
            let token = self.invite(&[]);
            let joined = self.run(at, &["node", "join", &token, "--name", &format!("n{at}")]);
            assert!(joined.status.success(), "{}", stderr(&joined));
            self.up(at);
        }
        self.wait("all see all", |fleet| (1..=count).all(|at| fleet.links_up(at) == count - 1));
    }

    pub(crate) fn invite(&self, more: &[&str]) -> String {
        let output = self.run(1, &[&["node", "invite"], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Pushes an app to every node, from the first machine.
    pub(crate) fn push(&self, app: &str) -> Output {
        self.push_to("all", "banner", app, "0.0.0.0:8080")
    }

    /// Pushes an app of this name, which users call at this address of the nodes.
    pub(crate) fn push_to(&self, nodes: &str, name: &str, app: &str, listen: &str) -> Output {
        let file = self.folder.path().join(format!("app/{name}.rs"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, app).unwrap();
        std::fs::write(file.with_file_name("dyn.toml"), format!("[entry]\nlisten = \"{listen}\"\n")).unwrap();
        self.run(1, &["push", file.to_str().unwrap(), "--to", nodes, "--yes"])
    }

    /// Where a machine keeps its things.
    pub(crate) fn home(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("n{at}"))
    }

    /// `dyn` on a machine.
    pub(crate) fn command(&self, at: usize, arguments: &[&str]) -> Command {
        let mut command = Command::new(if self.is_docker { program() } else { "nsenter".into() });
        if !self.is_docker {
            command.arg(format!("--net=/run/netns/dyn-n{at}")).arg("--").arg(program());
        }
        command.args(arguments);
        command.env("DYNINKA_HOME", self.home(at)).env("NO_COLOR", "1").current_dir(self.folder.path());
        // Libraries are built once for all tests, as those of other tests are.
        let build = home().join("build");
        std::fs::create_dir_all(&build).unwrap();
        std::fs::create_dir_all(self.home(at)).unwrap();
        if !self.home(at).join("build").exists() {
            std::os::unix::fs::symlink(&build, self.home(at).join("build")).unwrap();
        }
        command
    }

    /// Runs `dyn` on a machine to its end.
    pub(crate) fn run(&self, at: usize, arguments: &[&str]) -> Output {
        self.command(at, arguments).output().unwrap()
    }

    /// The first line of JSON with a text that a command of `dyn` prints, which prints on until it is ended.
    pub(crate) fn first_line(&self, at: usize, arguments: &[&str], text: &str) -> Value {
        let mut child = self.command(at, arguments).stdout(Stdio::piped()).spawn().unwrap();
        let (pid, (_ended, waits)) = (child.id().to_string(), mpsc::channel::<()>());
        std::thread::spawn(move || {
            if waits.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                drop(Command::new("kill").arg(pid).status());
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains(text)).expect("it prints such a line");
        child.kill().unwrap();
        child.wait().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Starts the agent of a machine and waits until it answers.
    pub(crate) fn up(&mut self, at: usize) {
        self.up_with(at, &[]);
    }

    /// The same with further options.
    pub(crate) fn up_with(&mut self, at: usize, options: &[&str]) {
        let log = File::options().create(true).append(true).open(self.log(at)).unwrap();
        let mut command = self.command(at, &[&["node", "up", "--json"], options].concat());
        if self.is_docker {
            command.args(["--on", "docker", "--listen", &format!("{}:7940", local(at))]);
        }
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        self.agents[at - 1] = Some(command.spawn().unwrap());
        self.wait("the agent answers", |fleet| fleet.run(at, &["nodes", "--json"]).status.success());
    }

    fn log(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("n{at}.log"))
    }

    /// What an agent said so far.
    pub(crate) fn said(&self, at: usize) -> String {
        std::fs::read_to_string(self.log(at)).unwrap_or_default()
    }

    /// Sends a signal to the agent of a machine.
    pub(crate) fn signal(&self, at: usize, name: &str) {
        let pid = self.agents[at - 1].as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Kills the agent of a machine, and its services with it.
    pub(crate) fn kill(&mut self, at: usize) {
        let mut agent = self.agents[at - 1].take().expect("it runs");
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    /// Waits for the end of an agent that was told to end.
    pub(crate) fn ended(&mut self, at: usize) {
        let mut agent = self.agents[at - 1].take().expect("it runs");
        assert!(agent.wait().unwrap().success());
    }

    pub(crate) fn network(&self, arguments: &[&str]) {
        testbed(arguments);
    }

    /// The fleet as a node sees it.
    pub(crate) fn view(&self, at: usize) -> Value {
        let output = self.run(at, &["nodes", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// How many links of a node are up.
    pub(crate) fn links_up(&self, at: usize) -> usize {
        self.view(at)["nodes"].as_array().unwrap().iter().filter(|node| node["link"] == "up").count()
    }

    /// How a node is, as another one sees it.
    pub(crate) fn state(&self, seen_from: usize, at: usize) -> String {
        let view = self.view(seen_from);
        let mut nodes = view["nodes"].as_array().unwrap().iter();
        let node = nodes.find(|node| node["name"] == format!("n{at}"));
        node.map_or_else(|| "unknown".to_owned(), |node| node["state"].as_str().unwrap().to_owned())
    }

    /// Waits until something holds; how long that took.
    pub(crate) fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Duration {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}\n{}", self.told());
            std::thread::sleep(Duration::from_millis(20));
        }
        begun.elapsed()
    }

    fn told(&self) -> String {
        (1..=self.agents.len()).map(|at| format!("--- n{at}\n{}\n", self.said(at))).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.told());
        }
        for agent in self.agents.iter_mut().filter_map(Option::as_mut) {
            drop(agent.kill());
            drop(agent.wait());
        }
        if !self.is_docker {
            return testbed(&["down"]);
        }
        for at in 1..=self.agents.len() {
            // What a killed agent left of its services.
            drop(self.run(at, &["node", "down"]));
        }
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("dyn").tempdir_in("/tmp").unwrap()
}

/// The loopback address of a node of this machine.
pub(crate) fn local(at: usize) -> String {
    format!("127.45.0.{at}")
}

/// The address of a machine.
pub(crate) fn address(at: usize) -> String {
    format!("10.45.0.{at}")
}

/// A copy of a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    static CP: OnceLock<()> = OnceLock::new();
    CP.get_or_init(|| support::installed("ip", "iproute2"));
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}
