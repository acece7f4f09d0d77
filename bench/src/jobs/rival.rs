//! Another queue: a process of node or python that accepts and does jobs as it is told.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::stores::{self, Store};
use crate::{program, shadow};

/// It answers within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bullmq,
    /// The same over a redis that may lose a second.
    BullmqEverysec,
    PgBoss,
    Graphile,
    Celery,
    /// Functions in worker threads, a new context for each call, nothing kept.
    Contexts,
}

impl Kind {
    /// Those with a store.
    pub(super) const QUEUES: [Self; 5] =
        [Self::Bullmq, Self::BullmqEverysec, Self::PgBoss, Self::Graphile, Self::Celery];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bullmq => "bullmq",
            Self::BullmqEverysec => "bullmq (everysec)",
            Self::PgBoss => "pg-boss",
            Self::Graphile => "graphile-worker",
            Self::Celery => "celery",
            Self::Contexts => "node vm contexts",
        }
    }

    /// Jobs that it is given to do: about two seconds of them.
    pub(super) fn backlog(self) -> u64 {
        match self {
            Self::Bullmq | Self::BullmqEverysec => 3_000,
            Self::Graphile => 1_000,
            Self::PgBoss => 200,
            Self::Celery => 100,
            Self::Contexts => 3_000,
        }
    }

    /// What has to be known to read its figures.
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::Bullmq => "appendfsync always",
            Self::BullmqEverysec => "a redis that may lose a second",
            Self::PgBoss => "32 workers that look twice a second, the most it allows",
            Self::Graphile => "concurrency 32",
            Self::Celery => "a pool of 32 threads, acks late, appendfsync always",
            Self::Contexts => "a worker thread for each core, in memory",
        }
    }
}

/// A queue that runs. It ends with its handle; then its store.
pub(super) struct Rival {
    pub(super) kind: Kind,
    _child: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _log: tempfile::NamedTempFile,
    _store: Option<Store>,
}

impl Rival {
    pub(super) async fn start(kind: Kind) -> anyhow::Result<Self> {
        let store = match kind {
            Kind::Bullmq | Kind::Celery => Some(stores::redis("always")?),
            Kind::BullmqEverysec => Some(stores::redis("everysec")?),
            Kind::PgBoss | Kind::Graphile => Some(stores::postgres()?),
            Kind::Contexts => None,
        };
        let url = store.as_ref().map_or("", |store| &store.url);
        let mut command = command(kind, url)?;
        let log = tempfile::NamedTempFile::new().context("make a log")?;
        let stderr = log.reopen().context("make a log")?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", kind.name()))?;
        let (input, output) = (child.stdin.take().context("a pipe")?, child.stdout.take().context("a pipe")?);
        let answers = BufReader::new(output).lines();
        let mut rival = Self { kind, _child: child, input, answers, _log: log, _store: store };
        rival.hear().await?;
        Ok(rival)
    }

    /// Jobs accepted a second.
    pub(super) async fn accept(&mut self, clients: u32, seconds: f64) -> anyhow::Result<f64> {
        self.rate(&json!({ "do": "accept", "clients": clients, "seconds": seconds })).await
    }

    /// Jobs done a second, of those that wait.
    pub(super) async fn done(&mut self, workers: u32, seconds: f64) -> anyhow::Result<f64> {
        let jobs = self.kind.backlog();
        self.rate(&json!({ "do": "done", "workers": workers, "jobs": jobs, "seconds": seconds })).await
    }

    /// Milliseconds from asked to done of jobs one after the other; none where it is not asked.
    pub(super) async fn idle(&mut self, jobs: u64) -> anyhow::Result<Vec<f64>> {
        let answer = self.tell(&json!({ "do": "idle", "jobs": jobs })).await?;
        Ok(answer["ms"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect())
    }

    async fn rate(&mut self, asked: &Value) -> anyhow::Result<f64> {
        let answer = self.tell(asked).await?;
        let part = |name: &str| answer[name].as_f64().filter(|value| *value > 0.0);
        part("count")
            .zip(part("seconds"))
            .map(|(count, seconds)| count / seconds)
            .with_context(|| format!("{} did nothing in its time: {answer}", self.kind.name()))
    }

    async fn tell(&mut self, asked: &Value) -> anyhow::Result<Value> {
        let line = format!("{asked}\n");
        self.input.write_all(line.as_bytes()).await.with_context(|| format!("ask {}", self.kind.name()))?;
        self.hear().await
    }

    async fn hear(&mut self) -> anyhow::Result<Value> {
        let name = self.kind.name();
        let words = |log: &tempfile::NamedTempFile| {
            let text = std::fs::read_to_string(log.path()).unwrap_or_default();
            text.lines().rev().take(3).collect::<Vec<_>>().join("; ")
        };
        let line = match tokio::time::timeout(PATIENCE, self.answers.next_line()).await {
            Err(_) => bail!("{name} does not answer within {PATIENCE:?}: {}", words(&self._log)),
            Ok(line) => line.with_context(|| format!("hear {name}"))?,
        };
        let line = line.with_context(|| format!("{name} ended: {}", words(&self._log)))?;
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("read {line}"))?;
        match answer["error"].as_str() {
            Some(error) => bail!("{name}: {error}"),
            None => Ok(answer),
        }
    }
}

fn command(kind: Kind, url: &str) -> anyhow::Result<Command> {
    let peers = program::workspace().join("target/bench/peers");
    let script = |name: &str, text: &str| {
        std::fs::create_dir_all(&peers).with_context(|| format!("create {}", peers.display()))?;
        let file = peers.join(name);
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        anyhow::Ok(file)
    };
    let is_there = |part: &Path| -> anyhow::Result<PathBuf> {
        let path = peers.join(part);
        ensure!(path.exists(), "not installed: bench/install puts it into target/bench/peers");
        Ok(path)
    };
    let module = match kind {
        Kind::Celery => {
            let python = is_there(Path::new("python/bin/python"))?;
            let file = script("celery_peer.py", include_str!("../../jobs/celery_peer.py"))?;
            let mut command = Command::new(python);
            command.arg(file).arg(url);
            return Ok(command);
        }
        Kind::Bullmq | Kind::BullmqEverysec => ("bullmq", "bullmq"),
        Kind::PgBoss => ("pgboss", "pg-boss"),
        Kind::Graphile => ("graphile", "graphile-worker"),
        Kind::Contexts => ("contexts", ""),
    };
    let (word, package) = module;
    let node = shadow::find("node").context("node is not installed")?;
    if !package.is_empty() {
        is_there(&Path::new("node_modules").join(package))?;
    }
    let mut command = Command::new(node);
    command.arg(script("peer.mjs", include_str!("../../jobs/peer.mjs"))?).arg(word).arg(url).current_dir(&peers);
    Ok(command)
}
