//! The same building as four axum binaries, as one would write it by hand, and the restarts one would do by hand.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::building::{RESULT, adding, copy_readings, is_about, reading};
use crate::client::{Door, First};
use crate::docker;
use crate::session::millis;

/// The chain, first to last; `map` is the one that is edited.
const SERVICES: [&str; 4] = ["get", "filter", "map", "moving_avg"];

/// The project's files: generated, so that it is nobody's workspace member. It is built with the very versions that
/// dyn is built with.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../peer/Cargo.toml.in")),
    ("Cargo.lock", include_str!("../../../Cargo.lock")),
    ("src/lib.rs", include_str!("../../peer/src/lib.rs")),
    ("src/bin/get.rs", include_str!("../../peer/src/bin/get.rs")),
    ("src/bin/filter.rs", include_str!("../../peer/src/bin/filter.rs")),
    (MAP, include_str!("../../peer/src/bin/map.rs")),
    ("src/bin/moving_avg.rs", include_str!("../../peer/src/bin/moving_avg.rs")),
];
const MAP: &str = "src/bin/map.rs";

/// The project on disk, built once.
#[derive(Debug)]
pub(crate) struct Project {
    folder: TempDir,
    text: String,
}

impl Project {
    pub(crate) async fn build() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        for (name, text) in FILES {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().context("a file is in a folder")?).context("make a folder")?;
            std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        }
        copy_readings(&folder.path().join("data"))?;
        let text = std::fs::read_to_string(folder.path().join(MAP)).context("read map.rs")?;
        let project = Self { folder, text };
        project.compile().await?;
        Ok(project)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `cargo build`, as it is typed.
    pub(crate) async fn compile(&self) -> anyhow::Result<()> {
        let log = self.log("cargo")?;
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--quiet"]).current_dir(self.folder()).env_remove("CARGO_TARGET_DIR");
        cargo.stdin(Stdio::null()).stderr(log).kill_on_drop(true);
        let status = cargo.status().await.context("start cargo")?;
        ensure!(status.success(), "cargo build of the peer failed: {}", self.words("cargo"));
        Ok(())
    }

    fn program(&self, service: &str) -> PathBuf {
        self.folder().join("target/debug").join(service)
    }

    /// Saves `map` with something added to what it answers.
    pub(crate) fn save(&self, added: f64) -> anyhow::Result<Instant> {
        super::save(&self.folder().join(MAP), &adding(&self.text, added))
    }

    /// A file that a program of this project writes its words to.
    pub(crate) fn log(&self, name: &str) -> anyhow::Result<File> {
        File::create(self.folder().join(format!("{name}.log"))).context("create a log")
    }

    /// The last of what a program wrote.
    pub(crate) fn words(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.folder().join(format!("{name}.log"))).unwrap_or_default();
        let mut lines: Vec<_> = text.lines().rev().take(12).collect();
        lines.reverse();
        lines.join("\n")
    }
}

/// Where the services of a peer listen on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports([u16; 4]);

impl Ports {
    /// Four that are free now.
    pub(crate) fn reserve() -> anyhow::Result<Self> {
        let mut held = Vec::new();
        let mut ports = [0; 4];
        for port in &mut ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
            *port = listener.local_addr().context("find a free port")?.port();
            held.push(listener);
        }
        Ok(Self(ports))
    }

    /// Service, address, its upstream's address.
    fn each(self) -> impl Iterator<Item = (&'static str, u16, Option<u16>)> {
        let upstreams = [None, Some(self.0[0]), Some(self.0[1]), Some(self.0[2])];
        SERVICES.into_iter().zip(self.0).zip(upstreams).map(|((service, port), upstream)| (service, port, upstream))
    }

    pub(crate) fn door(self) -> anyhow::Result<Door> {
        Door::new(&format!("http://127.0.0.1:{}/", self.0[2]), reading())
    }
}

/// A command with the environment of one service.
pub(crate) fn with_environment(command: &mut Command, ports: Ports, service: &str) {
    for (_, port, upstream) in ports.each().filter(|(known, ..)| *known == service) {
        command.env("LISTEN", format!("127.0.0.1:{port}"));
        if let Some(upstream) = upstream {
            command.env("UPSTREAM", format!("http://127.0.0.1:{upstream}/"));
        }
    }
}

/// Services of the project as processes; killed when dropped.
#[derive(Debug)]
pub(crate) struct Processes {
    ports: Ports,
    map: Option<Child>,
    _others: Vec<Child>,
}

impl Processes {
    /// All of them, or all but `map` where somebody else runs it.
    pub(crate) fn start(project: &Project, ports: Ports, with_map: bool) -> anyhow::Result<Self> {
        let mut others = Vec::new();
        for service in SERVICES.into_iter().filter(|service| *service != "map") {
            others.push(Self::spawn(project, ports, service)?);
        }
        let map = if with_map { Some(Self::spawn(project, ports, "map")?) } else { None };
        Ok(Self { ports, map, _others: others })
    }

    fn spawn(project: &Project, ports: Ports, service: &str) -> anyhow::Result<Child> {
        let mut command = Command::new(project.program(service));
        with_environment(&mut command, ports, service);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(project.log(service)?).kill_on_drop(true);
        command.spawn().with_context(|| format!("start the peer's {service}"))
    }

    async fn restart(&mut self, project: &Project) -> anyhow::Result<()> {
        if let Some(mut map) = self.map.take() {
            map.kill().await.context("kill the peer's map")?;
        }
        self.map = Some(Self::spawn(project, self.ports, "map")?);
        Ok(())
    }
}

/// Services of the project as containers with the folder of the binaries mounted; removed when dropped.
#[derive(Debug)]
pub(crate) struct Containers {
    /// Image, network, and prefix of the containers.
    name: String,
}

impl Containers {
    pub(crate) fn start(project: &Project, ports: Ports) -> anyhow::Result<Self> {
        let name = format!("dyninka-bench-{}", std::process::id());
        let containers = Self { name: name.clone() };
        docker::import(&name, &project.program("map"))?;
        docker::run(&["network", "create", &name])?;
        let mount = format!("{}:/app:ro", project.folder().join("target/debug").display());
        for (at, (service, port, _)) in ports.each().enumerate() {
            let (container, published) = (format!("{name}-{service}"), format!("127.0.0.1:{port}:8080"));
            let upstream = at.checked_sub(1).map(|before| format!("UPSTREAM=http://{name}-{}:8080/", SERVICES[before]));
            let program = format!("/app/{service}");
            let mut arguments = vec!["run", "-d", "--name", &container, "--network", &name, "-p", &published];
            arguments.extend(["-v", &mount, "-e", "LISTEN=0.0.0.0:8080"]);
            arguments.extend(upstream.iter().flat_map(|upstream| ["-e", upstream.as_str()]));
            arguments.extend([name.as_str(), &program]);
            docker::run(&arguments)?;
        }
        Ok(containers)
    }

    /// Without grace, which is ten seconds otherwise: no user waits for those at every save.
    async fn restart(&self) -> anyhow::Result<()> {
        let mut docker = Command::new("docker");
        docker.args(["restart", "-t", "0"]).arg(format!("{}-map", self.name)).stdout(Stdio::null()).kill_on_drop(true);
        ensure!(docker.status().await.context("start docker")?.success(), "docker restart failed");
        Ok(())
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        let containers: Vec<_> = SERVICES.iter().map(|service| format!("{}-{service}", self.name)).collect();
        let mut removal = vec!["rm", "-f"];
        removal.extend(containers.iter().map(String::as_str));
        for arguments in [removal, vec!["network", "rm", &self.name], vec!["rmi", "-f", &self.name]] {
            if let Err(error) = docker::run(&arguments) {
                eprintln!("bench: {error:#}");
            }
        }
    }
}

/// How the new binary comes to run.
#[derive(Debug)]
pub(crate) enum Restart {
    Process(Processes),
    Docker(Containers),
}

/// A project with its services running, edited by hand. Dropped in this order: the services before their files.
#[derive(Debug)]
pub(crate) struct ByHand {
    restart: Restart,
    door: Door,
    project: Project,
}

impl ByHand {
    pub(crate) async fn start(docker: bool) -> anyhow::Result<Self> {
        let (project, ports) = (Project::build().await?, Ports::reserve()?);
        let restart = if docker {
            Restart::Docker(Containers::start(&project, ports)?)
        } else {
            Restart::Process(Processes::start(&project, ports, true)?)
        };
        let door = ports.door()?;
        door.first(|value| is_about(value, RESULT)).await?;
        Ok(Self { restart, door, project })
    }

    /// Saves, builds, restarts; milliseconds from the save to the first answer of the new code.
    pub(crate) async fn edit(&mut self, added: f64) -> anyhow::Result<(f64, First)> {
        let saved = self.project.save(added)?;
        let (door, project, restart) = (&self.door, &self.project, &mut self.restart);
        let work = async {
            project.compile().await?;
            match restart {
                Restart::Process(processes) => processes.restart(project).await,
                Restart::Docker(containers) => containers.restart().await,
            }
        };
        let asking = door.first(|value| is_about(value, RESULT + added));
        let (first, ()) = tokio::try_join!(asking, work)?;
        Ok((millis(saved, first.at), first))
    }
}
