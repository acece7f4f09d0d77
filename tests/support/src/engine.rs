//! A Docker engine of a test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::dyn_command;
use crate::session::{Dev, PATIENCE};

/// An engine with data, socket and containers of its own, and one subnet.
pub struct Engine {
    folder: tempfile::TempDir,
    data: PathBuf,
    daemon: Option<Child>,
    kind: Kind,
}

/// What sets an engine apart from the machine's.
enum Kind {
    Plain,
    /// It is called over the network by this port, and does not see the files below this folder.
    Remote(u16, PathBuf),
    /// Users in its containers are others on this machine (userns-remap).
    Remapped,
}

impl Engine {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        Self::started(Self { folder, data, daemon: None, kind: Kind::Plain })
    }

    /// One that gives containers users of their own.
    pub fn start_remapped() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("users"), "daemon:200000:65536\n").expect("a map of users");
        let data = folder.path().join("data");
        Self::started(Self { folder, data, daemon: None, kind: Kind::Remapped })
    }

    /// One on another machine, as far as it and whoever calls it can see.
    pub fn start_remote(hidden: &Path) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        drop(listener);
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        Self::started(Self { folder, data, daemon: None, kind: Kind::Remote(port, hidden.to_owned()) })
    }

    /// One that keeps images and containers in a folder of the caller's.
    pub fn start_on(data: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::started(Self { folder, data: data.to_owned(), daemon: None, kind: Kind::Plain })
    }

    fn started(mut engine: Self) -> Self {
        assert!(let_through("-I").is_some_and(|status| status.success()), "iptables");
        engine.up();
        engine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn host(&self) -> String {
        match &self.kind {
            Kind::Remote(port, _) => format!("tcp://127.0.0.1:{port}"),
            Kind::Plain | Kind::Remapped => format!("unix://{}", self.path("docker.sock").display()),
        }
    }

    pub fn up(&mut self) {
        // A subnet nobody else on this machine is likely to have, another test run of a moment ago included.
        static ENGINES: AtomicU32 = AtomicU32::new(0);
        let third = (std::process::id() + ENGINES.fetch_add(1, Ordering::Relaxed)) % 250;
        let pool = format!("--default-address-pool=base=10.214.{third}.0/24,size=24");
        let log = std::fs::File::create(self.path("log")).expect("a log");
        let mut daemon = self.program();
        // An engine that starts makes the chains of the firewall anew in which the machine's own has its ports: what
        // that one starts at this moment fails. So this one keeps off it, and its containers are let through here.
        daemon.args(["-H", &self.host(), "--bridge=none", "--iptables=false", &pool]);
        for (option, name) in [("--exec-root", "exec"), ("--pidfile", "pid")] {
            daemon.arg(option).arg(self.path(name));
        }
        daemon.arg("--data-root").arg(&self.data);
        daemon.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.daemon = Some(daemon.spawn().expect("dockerd: these tests run as root, with Docker installed"));
        let begun = Instant::now();
        while !self.docker(&["version"]).0 {
            assert!(begun.elapsed() < PATIENCE, "{}", std::fs::read_to_string(self.path("log")).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// dockerd, among mounts of its own where it is to see something else than we do. It has its own containerd then: the
    /// machine's would see what we see.
    fn program(&self) -> Command {
        let (mounts, options, seen) = match &self.kind {
            Kind::Plain => return Command::new("dockerd"),
            Kind::Remote(_, hidden) => ("mount -t tmpfs none \"$0\"", "--tls=false", hidden.clone()),
            Kind::Remapped => (
                "mount --bind \"$0\" /etc/subuid && mount --bind \"$0\" /etc/subgid",
                "--userns-remap=daemon",
                self.path("users"),
            ),
        };
        let script = format!("{mounts} && mount -t tmpfs none /run/containerd && exec dockerd {options} \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).arg(seen);
        command
    }

    pub fn down(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let told = Command::new("kill").arg(daemon.id().to_string()).status();
            drop(told.and_then(|_| daemon.wait()));
        }
    }

    pub fn docker(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new("docker").args(["-H", &self.host()]).args(arguments).output().expect("docker");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub fn dev(&self, file: &Path) -> Dev {
        let mut command = dyn_command();
        command.env("DOCKER_HOST", self.host());
        Dev::spawn(command, file, &["--on", "docker", "--port", "0"])
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A network that is not removed leaves its bridge on the machine.
        self.docker(&["network", "prune", "-f"]);
        self.down();
        // A rule that stays lets through what nobody sends.
        let _gone = let_through("-D");
    }
}

/// Inserts or deletes the rule that lets containers in the engine's subnets, and those `dyn` falls back to (10.213),
/// talk to each other. Each engine has one: rules may be there twice.
fn let_through(action: &str) -> Option<ExitStatus> {
    const SUBNETS: &str = "10.212.0.0/14";
    Command::new("iptables").args(["-w", action, "FORWARD", "-s", SUBNETS, "-d", SUBNETS, "-j", "ACCEPT"]).status().ok()
}
