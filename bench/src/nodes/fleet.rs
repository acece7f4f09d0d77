//! Machines that are network namespaces, and an agent on each.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::load::{Check, Goal, Wire};
use crate::program;
use crate::session::Setting;

/// A fleet is whole within this.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where users call an app.
const PORT: u16 = 8080;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// Agents, from n1 on. Dropped, all of it is gone.
#[derive(Debug)]
pub(super) struct Fleet {
    setting: Setting,
    folder: TempDir,
    agents: Vec<Child>,
}

impl Fleet {
    /// A fleet of so many nodes that have links to each other.
    pub(super) async fn start(setting: &Setting, count: usize) -> anyhow::Result<Self> {
        Self::start_with(setting, count, &[]).await
    }

    /// The same with more options for each agent.
    pub(super) async fn start_with(setting: &Setting, count: usize, options: &[&str]) -> anyhow::Result<Self> {
        testbed(&["up", &count.to_string()])?;
        let folder = tempfile::Builder::new().prefix("dyn").tempdir_in("/tmp").context("make a folder")?;
        let mut fleet = Self { setting: setting.clone(), folder, agents: Vec::new() };
        fleet.run(1, &["node", "init", "--fleet", "plant", "--name", "n1"]).await?;
        fleet.up(1, options).await?;
        for at in 2..=count {
            let invited = fleet.run(1, &["node", "invite"]).await?;
            let token = String::from_utf8(invited.stdout).context("read the invitation")?;
            fleet.run(at, &["node", "join", token.trim(), "--name", &format!("n{at}")]).await?;
            fleet.up(at, options).await?;
        }
        for at in 1..=count {
            fleet.wait("links to all others", at, |view| links(view) >= (count - 1).min(8)).await?;
        }
        Ok(fleet)
    }

    /// Runs an app on nodes, which may serve so many requests a second each.
    pub(super) async fn push(&self, to: &str, rate: u32) -> anyhow::Result<()> {
        self.push_app("banner", rate, PORT, to).await
    }

    /// The same of an app of another name and port.
    pub(super) async fn push_app(&self, name: &str, rate: u32, port: u16, to: &str) -> anyhow::Result<()> {
        let folder = self.folder.path().join(format!("app-{name}-{rate}"));
        std::fs::create_dir_all(&folder).context("make a folder")?;
        let file = folder.join(format!("{name}.rs"));
        let text = format!(
            "use dyninka::prelude::*;\n#[service(rate = {rate})]\nfn {name}(text: String) -> String {{ format!(\"*{{text}}*\") \
             }}\n#[dyninka::main]\nfn main() {{ {name}(\"hi\") }}\n"
        );
        std::fs::write(&file, text).context("write the app")?;
        let listen = format!("[entry]\nlisten = \"0.0.0.0:{port}\"\n");
        std::fs::write(folder.join("dyn.toml"), listen).context("write dyn.toml")?;
        let file = file.to_str().context("a path in UTF-8")?;
        self.run(1, &["push", file, "--to", to, "--yes"]).await.map(drop)
    }

    /// The public listener of a node.
    pub(super) fn door(at: u8) -> Goal {
        Self::door_at(at, PORT)
    }

    /// The same at another port.
    pub(super) fn door_at(at: u8, port: u16) -> Goal {
        let address = SocketAddr::from((Ipv4Addr::new(10, 45, 0, at), port));
        let answer: &[u8] = b"\"*hi*\"";
        Goal { wire: Wire::Http { address, headers: String::new() }, check: Check::Exactly(answer.into()) }
    }

    /// Waits until the fleet, as a node sees it, is as it should be.
    pub(super) async fn wait(&self, what: &str, at: usize, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let last = match self.run(at, &["nodes", "--json"]).await {
                Ok(output) => {
                    let view: Value = serde_json::from_slice(&output.stdout).context("read what dyn nodes says")?;
                    if is_so(&view) {
                        return Ok(());
                    }
                    view.to_string()
                }
                Err(error) => format!("{error:#}"),
            };
            if begun.elapsed() > PATIENCE {
                bail!("n{at}: no {what} within {PATIENCE:?}; last: {last}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The process of an agent.
    pub(super) fn pid(&self, at: usize) -> anyhow::Result<u32> {
        self.agents[at - 1].id().context("an agent ended")
    }

    /// Stops an agent, or has it go on.
    pub(super) fn signal(&self, at: usize, name: &str) -> anyhow::Result<()> {
        let pid = self.pid(at)?.to_string();
        let status =
            std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().context("start kill")?;
        ensure!(status.success(), "kill -{name} {pid}: {status}");
        Ok(())
    }

    fn command(&self, at: usize, arguments: &[&str]) -> anyhow::Result<Command> {
        let home = self.folder.path().join(format!("n{at}"));
        std::fs::create_dir_all(&home).context("make a folder")?;
        // Libraries are built once for all runs.
        let build = self.setting.home.join("build");
        std::fs::create_dir_all(&build).context("make a folder")?;
        if !home.join("build").exists() {
            std::os::unix::fs::symlink(&build, home.join("build")).context("link a folder")?;
        }
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/dyn-n{at}")).arg("--").arg(&self.setting.program).args(arguments);
        command.env("DYNINKA_HOME", home).env("NO_COLOR", "1").current_dir(self.folder.path()).kill_on_drop(true);
        Ok(command)
    }

    async fn run(&self, at: usize, arguments: &[&str]) -> anyhow::Result<Output> {
        let output = self.command(at, arguments)?.output().await.context("start dyn")?;
        ensure!(output.status.success(), "dyn {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        Ok(output)
    }

    async fn up(&mut self, at: usize, options: &[&str]) -> anyhow::Result<()> {
        let mut command = self.command(at, &[&["node", "up"], options].concat())?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.agents.push(command.spawn().context("start an agent")?);
        self.wait("answer", at, |_| true).await
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            // One that has ended is what is wanted.
            drop(agent.start_kill());
        }
        if let Err(error) = testbed(&["down"]) {
            eprintln!("bench: {error:#}");
        }
    }
}

/// Links of a node that are up.
pub(super) fn links(view: &Value) -> usize {
    view["nodes"].as_array().into_iter().flatten().filter(|node| node["link"] == "up").count()
}

/// Nodes that offer room to the node that was asked.
pub(super) fn offers(view: &Value) -> usize {
    let nodes = view["nodes"].as_array().into_iter().flatten();
    let offers = |service: &Value| service["offered"].as_f64().is_some_and(|offered| offered > 0.0);
    nodes
        .filter(|node| node["services"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(offers)))
        .count()
}

pub(super) fn testbed(arguments: &[&str]) -> anyhow::Result<()> {
    let script = program::workspace().join("tests/testbed/nodes");
    let output = std::process::Command::new(script).args(arguments).output().context("start tests/testbed/nodes")?;
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "tests/testbed/nodes {}: {words}", arguments.join(" "));
    Ok(())
}
