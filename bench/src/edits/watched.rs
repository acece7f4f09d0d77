//! The peer's `map` under a program that watches its source, builds and restarts it.

use std::process::Stdio;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::building::{RESULT, is_about};
use super::peer::{Ports, Processes, Project, with_environment};
use crate::client::{Door, First};
use crate::session::millis;

/// A program that watches and how it is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watcher {
    pub(crate) name: &'static str,
    /// The program that has to be in PATH.
    pub(crate) program: &'static str,
    arguments: &'static [&'static str],
}

/// Called as their own documentation shows it for a server.
pub(crate) const WATCHERS: &[Watcher] = &[
    Watcher { name: "bacon", program: "bacon", arguments: &["--headless", "--job", "map"] },
    Watcher { name: "cargo-watch", program: "cargo-watch", arguments: &["watch", "-w", "src", "-x", "run --bin map"] },
    Watcher {
        name: "watchexec -r",
        program: "watchexec",
        arguments: &["-r", "-w", "src", "--", "cargo", "run", "--bin", "map"],
    },
];

/// bacon's job for a long-running program, from its book.
const BACON: &str = "[jobs.map]
command = [\"cargo\", \"run\", \"--bin\", \"map\"]
need_stdout = true
allow_warnings = true
background = false
on_change_strategy = \"kill_then_restart\"
watch = [\"src\"]
";

/// A project whose `map` such a program runs. Dropped in this order: the programs before their files.
#[derive(Debug)]
pub(crate) struct Watched {
    watcher: Group,
    _others: Processes,
    door: Door,
    project: Project,
}

/// A process and what it has started; killed when dropped.
#[derive(Debug)]
struct Group(Child);

impl Watched {
    pub(crate) async fn start(watcher: Watcher) -> anyhow::Result<Self> {
        let (project, ports) = (Project::build().await?, Ports::reserve()?);
        std::fs::write(project.folder().join("bacon.toml"), BACON).context("write bacon.toml")?;
        let others = Processes::start(&project, ports, false)?;
        let mut command = Command::new(watcher.program);
        command.args(watcher.arguments).current_dir(project.folder()).process_group(0);
        with_environment(&mut command, ports, "map");
        let (log, errors) = (project.log(watcher.program)?, project.log("map")?);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let group = Group(command.spawn().with_context(|| format!("start {}", watcher.program))?);
        let watched = Self { watcher: group, _others: others, door: ports.door()?, project };
        let first = watched.door.first(|value| is_about(value, RESULT)).await;
        first.with_context(|| watched.words(watcher))?;
        Ok(watched)
    }

    /// Milliseconds from the save to the first answer of the new code.
    pub(crate) async fn edit(&mut self, added: f64) -> anyhow::Result<(f64, First)> {
        let saved = self.project.save(added)?;
        let first = self.door.first(|value| is_about(value, RESULT + added)).await?;
        Ok((millis(saved, first.at), first))
    }

    fn words(&self, watcher: Watcher) -> String {
        let (said, errors) = (self.project.words(watcher.program), self.project.words("map"));
        format!("{} (process {:?}) said: {said}\n{errors}", watcher.name, self.watcher.0.id())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(pid) = self.0.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return };
        // The programs that watch put what they start into groups of their own and end it on SIGTERM.
        for signal in [Signal::TERM, Signal::KILL] {
            if kill_process_group(pid, signal).is_err() {
                return;
            }
            for _ in 0..200 {
                if !matches!(self.0.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
}
