//! The same four functions in every shape that is compared.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use super::Run;
use super::app::{App, Readings, copy_readings};
use super::process::{Process, free_port};
use super::proxy::{Proxy, find};
use crate::arguments::On;
use crate::load::{Check, Goal, Wire};
use crate::memory;
use crate::peers::{Name, chain};
use crate::report::Row;

/// Bytes of the relay's message, both ways.
const MESSAGE: usize = 300;

/// A shape, running. What it needs ends with it.
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) backend: &'static str,
    pub(super) goal: Goal,
    /// Whether it is loaded without keep-alive, too.
    pub(super) closing: bool,
    /// The session, where hosts are processes of this machine.
    session: Option<u32>,
    _held: Vec<Held>,
}

/// What a shape runs on, in the order it is ended.
#[expect(dead_code, reason = "held for its drop")]
enum Held {
    App(Box<App>),
    Process(Process),
}

/// Shapes that run, and rows for those that cannot.
pub(super) struct Shapes {
    pub(super) running: Vec<Shape>,
    pub(super) absent: Vec<Row>,
    _readings: TempDir,
}

pub(super) const OURS: &str = "dyninka";
pub(super) const RECORDING: &str = "dyninka, recording";
/// All four services in one host.
pub(super) const TOGETHER: &str = "dyninka, together";
/// Two instances of the services that keep no state.
const INSTANCES: &str = "dyninka, instances";
pub(super) const RELAY: &str = "raw TCP relay";
pub(super) const WATCHED: &str = " and watchdogs";

impl Shapes {
    /// Starts all of them. One that does not start is a row that says why.
    pub(super) async fn start(run: &Run<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let readings = folder.path().join("readings.csv");
        copy_readings(Readings::Temperatures, &readings)?;
        chain::prepare(&readings)?;
        let mut shapes = Self { running: Vec::new(), absent: Vec::new(), _readings: folder };
        let wanted = |name: &str| run.options.shapes.is_empty() || run.options.shapes.iter().any(|one| one == name);
        for on in run.backends.iter().filter(|_| wanted(OURS)) {
            let app = App::building(&run.setting, *on, Readings::Temperatures, &[]).await?;
            shapes.running.push(Shape::of(app, OURS, *on)?);
        }
        if wanted(RECORDING) {
            shapes.add(RECORDING, recording(run).await);
        }
        for on in run.backends.iter().filter(|_| wanted(TOGETHER)) {
            shapes.add(TOGETHER, together(run, *on).await);
        }
        if wanted(INSTANCES) {
            shapes.add(INSTANCES, instances(run).await);
        }
        let mut add = |name: &str, start: &dyn Fn(&str) -> anyhow::Result<Shape>| {
            if wanted(name) {
                shapes.add(name, start(name));
            }
        };
        add(RELAY, &|_| relay());
        add("no hop: calls", &|name| Ok(Shape::new(name, Wire::Here(chain::call), Vec::new())));
        add("no hop: one server", &|_| monolith(&readings));
        for proxy in Proxy::ALL {
            let name = format!("through {}", proxy.name());
            add(&name, &|name| gateway(name, proxy, &readings, false));
            add(&format!("{name}{WATCHED}"), &|name| gateway(name, proxy, &readings, true));
        }
        add("through redis lists", &|_| queue(&readings));
        let is_there = |name: &str| {
            shapes.running.iter().any(|shape| shape.name == name) || shapes.absent.iter().any(|row| row.name == name)
        };
        if let Some(unknown) = run.options.shapes.iter().find(|name| !is_there(name)) {
            bail!("there is no shape {unknown:?}; shapes are named as in the table, such as {OURS:?} and {RELAY:?}");
        }
        Ok(shapes)
    }

    fn add(&mut self, name: &str, shape: anyhow::Result<Shape>) {
        match shape {
            Ok(shape) => self.running.push(shape),
            Err(error) => self.absent.push(Row::absent(name, "process", &format!("{error:#}"))),
        }
    }
}

impl Shape {
    fn new(name: &str, wire: Wire, held: Vec<Held>) -> Self {
        let goal = Goal { wire, check: Check::Average };
        Self { name: name.to_owned(), backend: On::Process.name(), goal, closing: false, session: None, _held: held }
    }

    fn of(app: App, name: &str, on: On) -> anyhow::Result<Self> {
        let goal = app.door()?;
        let session = (on == On::Process).then(|| app.session.pid()).transpose()?;
        let held = vec![Held::App(Box::new(app))];
        Ok(Self { name: name.to_owned(), backend: on.name(), goal, closing: true, session, _held: held })
    }

    /// Processor time that its hosts have used so far.
    pub(super) fn processor(&self) -> anyhow::Result<Option<Duration>> {
        let Some(session) = self.session else { return Ok(None) };
        let hosts = memory::hosts(session)?;
        hosts.iter().map(|(pid, _)| memory::processor(*pid)).sum::<anyhow::Result<Duration>>().map(Some)
    }

    fn http(name: &str, door: Process, behind: Vec<Process>) -> Self {
        let wire = Wire::Http { address: door.address, headers: String::new() };
        let held = std::iter::once(door).chain(behind).map(Held::Process).collect();
        Self::new(name, wire, held)
    }
}

/// The chain with its traffic recorded to a file.
async fn recording(run: &Run<'_>) -> anyhow::Result<Shape> {
    let help = Command::new(&run.setting.program).args(["dev", "--help"]).output().await.context("start dyn")?;
    ensure!(String::from_utf8_lossy(&help.stdout).contains("--record"), "this dyn has no --record");
    let app = App::building(&run.setting, On::Process, Readings::Temperatures, &["--record", "bench"]).await?;
    Shape::of(app, RECORDING, On::Process)
}

/// The chain in one host.
async fn together(run: &Run<'_>, on: On) -> anyhow::Result<Shape> {
    let help = Command::new(&run.setting.program).args(["dev", "--help"]).output().await.context("start dyn")?;
    ensure!(String::from_utf8_lossy(&help.stdout).contains("--together"), "this dyn has no --together");
    let app = App::building(&run.setting, on, Readings::Temperatures, &["--together", "all"]).await?;
    Shape::of(app, TOGETHER, on)
}

/// The chain with more than one host for what can have it.
async fn instances(run: &Run<'_>) -> anyhow::Result<Shape> {
    let help = Command::new(&run.setting.program).args(["dev", "--help"]).output().await.context("start dyn")?;
    ensure!(String::from_utf8_lossy(&help.stdout).contains("--instances"), "this dyn has no --instances");
    let further = ["--instances", "filter=2,map=2"];
    let app = App::building(&run.setting, On::Process, Readings::Temperatures, &further).await?;
    Shape::of(app, INSTANCES, On::Process)
}

/// The floor.
pub(super) fn relay() -> anyhow::Result<Shape> {
    let size = MESSAGE.to_string();
    let mut all = vec![Process::peer(["relay", &size])?];
    for _ in 1..Name::ALL.len() {
        let next = all[all.len() - 1].address.to_string();
        all.push(Process::peer(["relay", &size, &next])?);
    }
    let payload = vec![b'x'; MESSAGE];
    let check = Check::Exactly(payload.clone().into());
    let wire = Wire::Raw { address: all[all.len() - 1].address, payload };
    let held = all.into_iter().rev().map(Held::Process).collect();
    Ok(Shape { goal: Goal { wire: wire.clone(), check }, ..Shape::new(RELAY, wire, held) })
}

fn monolith(readings: &Path) -> anyhow::Result<Shape> {
    let door = Process::peer([Path::new("monolith"), readings])?;
    Ok(Shape { closing: true, ..Shape::http("no hop: one server", door, Vec::new()) })
}

fn gateway(name: &str, proxy: Proxy, readings: &Path, watched: bool) -> anyhow::Result<Shape> {
    // Before anything is started that would be for nothing.
    find(proxy.name())?;
    let mut behind = Vec::new();
    let mut functions: Vec<(Name, SocketAddr)> = Vec::new();
    for function in Name::ALL {
        let process = Process::peer([Path::new("function"), Path::new(function.text()), readings])?;
        let mut address = process.address;
        behind.push(process);
        if watched {
            let watchdog = Process::peer(["watchdog", &address.to_string()])?;
            address = watchdog.address;
            behind.push(watchdog);
        }
        functions.push((function, address));
    }
    let proxy = proxy.start(&functions)?;
    let door = Process::peer(["gateway", &proxy.address.to_string()])?;
    behind.insert(0, proxy);
    Ok(Shape { closing: !watched, ..Shape::http(name, door, behind) })
}

fn queue(readings: &Path) -> anyhow::Result<Shape> {
    let program = find("redis-server")?;
    let (port, folder) = (free_port()?, tempfile::tempdir().context("make a folder")?);
    let (at, place) = (port.to_string(), folder.path().display().to_string());
    let words = [&program, "--port", &at, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &place];
    let redis = Process::server(&words, port, folder)?;
    let broker = redis.address.to_string();
    let mut behind = Vec::new();
    for function in Name::ALL {
        let words = [Path::new("worker"), Path::new(function.text()), readings, Path::new(&broker)];
        behind.push(Process::peer(words)?);
    }
    let door = Process::peer(["queue", &broker])?;
    behind.push(redis);
    Ok(Shape::http("through redis lists", door, behind))
}
