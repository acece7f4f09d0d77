//! A `dyn dev --json` that runs, and what it says.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// What every session of a run shares.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) program: PathBuf,
    /// DYNINKA_HOME: builds of dependencies stay from run to run.
    pub(crate) home: PathBuf,
}

/// An event and when its line was read.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) event: Value,
}

/// A session. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    events: UnboundedReceiver<Heard>,
    log: Arc<Mutex<VecDeque<String>>>,
    /// From the call of `dyn` to its `ready`, in milliseconds.
    pub(crate) start: f64,
    ready: Value,
}

/// A first start builds the dependencies; reached only by a hang.
const PATIENCE: Duration = Duration::from_secs(300);

/// Stopping containers takes seconds.
const GRACE: Duration = Duration::from_secs(30);

/// Lines of stderr and of events that are kept for the words of a failure.
const KEPT: usize = 12;

impl Session {
    /// Starts an app on a free port and waits until it is ready.
    pub(crate) async fn start(setting: &Setting, file: &Path, on: &str, path: Option<&OsStr>) -> anyhow::Result<Self> {
        Self::start_with(setting, file, on, path, &[]).await
    }

    /// The same, with further arguments of `dyn dev`.
    pub(crate) async fn start_with(
        setting: &Setting,
        file: &Path,
        on: &str,
        path: Option<&OsStr>,
        further: &[&str],
    ) -> anyhow::Result<Self> {
        let mut command = command(setting, file, on);
        command.args(further).envs(path.map(|path| ("PATH", path)));
        Self::spawn(setting, command).await
    }

    /// Starts an app with more in the environment of `dyn`.
    pub(crate) async fn start_in(
        setting: &Setting,
        file: &Path,
        on: &str,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut command = command(setting, file, on);
        command.envs(environment.iter().copied());
        Self::spawn(setting, command).await
    }

    async fn spawn(setting: &Setting, mut command: Command) -> anyhow::Result<Self> {
        let begun = Instant::now();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("start {}", setting.program.display()))?;
        let (sender, events) = unbounded_channel();
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        tokio::spawn(listen(stdout.context("stdout is no pipe")?, log.clone(), Some(sender)));
        tokio::spawn(listen(stderr.context("stderr is no pipe")?, log.clone(), None));
        let mut session = Self { child, events, log, start: 0.0, ready: Value::Null };
        let ready = session.wait_for(&["ready"]).await?;
        session.start = millis(begun, ready.at);
        session.ready = ready.event;
        Ok(session)
    }

    /// The next event of one of these kinds; a failure in between ends the wait.
    pub(crate) async fn wait_for(&mut self, kinds: &[&str]) -> anyhow::Result<Heard> {
        let mut passed = Vec::new();
        self.wait_noting(kinds, &mut passed).await
    }

    /// The same, and keeps what came before.
    pub(crate) async fn wait_noting(&mut self, kinds: &[&str], passed: &mut Vec<Heard>) -> anyhow::Result<Heard> {
        let wanted = kinds.join(" or ");
        loop {
            let heard = match timeout(PATIENCE, self.events.recv()).await {
                Ok(Some(heard)) => heard,
                Ok(None) => bail!("dyn ended before it was {wanted}; its last words:\n{}", self.last_words()),
                Err(_) => bail!("dyn was not {wanted} for {PATIENCE:?}; its last words:\n{}", self.last_words()),
            };
            let kind = heard.event["event"].as_str().unwrap_or_default();
            if kinds.contains(&kind) {
                return Ok(heard);
            }
            // A host that ends on its way to `ready` and is started again costs time, and is told by that.
            let comes_back = self.ready.is_null() && heard.event["restart_ms"].is_number();
            if ["failed", "rolled_back", "down", "stopped"].contains(&kind) && !comes_back {
                bail!("dyn said {kind} before it was {wanted}; its last words:\n{}", self.last_words());
            }
            passed.push(heard);
        }
    }

    /// What was said and not waited for.
    pub(crate) fn drain(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("dyn has ended; its last words:\n{}", self.last_words()))
    }

    /// The public listener.
    pub(crate) fn url(&self) -> anyhow::Result<String> {
        self.ready["url"].as_str().map(str::to_owned).context("ready names no url")
    }

    /// A service's address and its version at the start.
    pub(crate) fn service(&self, name: &str) -> anyhow::Result<(String, String)> {
        let mut services = self.ready["services"].as_array().into_iter().flatten();
        let found = services.find(|service| service["name"] == name);
        let part = |part: &str| found.and_then(|service| service[part].as_str()).map(str::to_owned);
        part("url").zip(part("version")).with_context(|| format!("ready names no service {name}"))
    }

    /// What it said last, on stdout and stderr.
    pub(crate) fn last_words(&self) -> String {
        let log = self.log.lock();
        log.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Asked to, `dyn` takes its hosts, containers and network with it; a kill leaves them to its next start.
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let Some(pid) = pid else { return };
        let asked = kill_process(pid, Signal::INT);
        let until = Instant::now() + GRACE;
        while asked.is_ok() && Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!("dyn did not end within {GRACE:?} of an interrupt and is killed");
        if let Err(error) = kill_process(pid, Signal::KILL) {
            eprintln!("failed to kill dyn (process {pid:?}): {error}");
        }
    }
}

fn command(setting: &Setting, file: &Path, on: &str) -> Command {
    let mut command = Command::new(&setting.program);
    command.arg("dev").arg(file).args(["--json", "--port", "0", "--on", on]);
    command.env("DYNINKA_HOME", &setting.home).env("NO_COLOR", "1");
    command
}

/// Milliseconds between two instants.
pub(crate) fn millis(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1e3
}

async fn listen(
    source: impl AsyncRead + Unpin,
    log: Arc<Mutex<VecDeque<String>>>,
    events: Option<UnboundedSender<Heard>>,
) {
    let mut lines = BufReader::new(source).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let at = Instant::now();
        let event = events.as_ref().map(|_| serde_json::from_str(&line));
        {
            let mut log = log.lock();
            if log.len() == KEPT {
                log.pop_front();
            }
            log.push_back(line);
        }
        // A line that is not JSON stays in the log and is seen there when something is waited for in vain.
        if let (Some(events), Some(Ok(event))) = (&events, event)
            && events.send(Heard { at, event }).is_err()
        {
            break;
        }
    }
}
