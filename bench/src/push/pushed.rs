//! One `dyn push`, and what it says of itself.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::Run;
use super::backend::{Backend, kubeconfig};
use crate::session::{Heard, millis};

/// A push that came to its end.
#[derive(Debug)]
pub(super) struct Pushed {
    begun: Instant,
    ended: Instant,
    events: Vec<Heard>,
}

/// Pushes what is saved and waits until `dyn` has ended.
pub(super) async fn push(run: &Run<'_>, backend: &Backend) -> anyhow::Result<Pushed> {
    let mut command = Command::new(&run.setting.program);
    command.arg("push").arg(&backend.file).args(["--yes", "--json", "--namespace", &backend.namespace]);
    // A folder of the registry that nobody else sends to.
    command.args(["--registry", &format!("localhost:5000/{}", backend.namespace)]);
    command.env("DYNINKA_HOME", &run.setting.home).env("NO_COLOR", "1");
    command.env("KUBECONFIG", kubeconfig().context("the cluster for tests is not up")?);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| format!("start {}", run.setting.program.display()))?;
    let (stdout, stderr) = (child.stdout.take().context("no stdout")?, child.stderr.take());
    let mut stderr = stderr.context("no stderr")?;
    let words = tokio::spawn(async move {
        let mut words = String::new();
        stderr.read_to_string(&mut words).await.map(|_| words)
    });
    let (mut lines, mut events) = (BufReader::new(stdout).lines(), Vec::new());
    while let Some(line) = lines.next_line().await.context("read what dyn says")? {
        let event = serde_json::from_str(&line).with_context(|| format!("read {line}"))?;
        events.push(Heard { at: Instant::now(), event });
    }
    let status = child.wait().await.context("wait for dyn")?;
    let ended = Instant::now();
    let words = words.await.context("read stderr")?.context("read stderr")?;
    ensure!(status.success(), "dyn push ended with {status}: {words}");
    Ok(Pushed { begun, ended, events })
}

impl Pushed {
    /// From the start of the command to its end.
    pub(super) fn whole(&self) -> f64 {
        millis(self.begun, self.ended)
    }

    /// From the start of the command to the last event of a kind.
    pub(super) fn until(&self, kind: &str) -> anyhow::Result<f64> {
        Ok(millis(self.begun, self.last(kind)?.at))
    }

    /// From the last event of a kind to the end of the command.
    pub(super) fn since(&self, kind: &str) -> anyhow::Result<f64> {
        Ok(millis(self.last(kind)?.at, self.ended))
    }

    /// A number in the last event of a kind.
    pub(super) fn number(&self, kind: &str, field: &str) -> anyhow::Result<f64> {
        let event = &self.last(kind)?.event;
        event[field].as_f64().with_context(|| format!("no {field} in {event}"))
    }

    /// Service and version of everything that was made live.
    pub(super) fn live(&self) -> Vec<String> {
        self.of("live").filter_map(|heard| heard.event["version"].as_str()).map(str::to_owned).collect()
    }

    /// Whether there was nothing to do.
    pub(super) fn is_nothing(&self) -> bool {
        let services = self.of("plan").filter_map(|heard| heard.event["plan"]["services"].as_array()).flatten();
        self.of("shipped").next().is_none() && services.into_iter().all(|step: &Value| step["what"] == "unchanged")
    }

    fn of(&self, kind: &str) -> impl Iterator<Item = &Heard> {
        self.events.iter().filter(move |heard| heard.event["event"] == kind)
    }

    fn last(&self, kind: &str) -> anyhow::Result<&Heard> {
        self.of(kind).last().with_context(|| format!("dyn push said nothing of {kind}"))
    }
}
