//! The way a user would go without us: the files that `dyn export` writes, and `kubectl`.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, ensure};
use tokio::process::Command;

use super::Run;
use super::backend::{Backend, kubeconfig};
use crate::session::millis;

/// A namespace of its own.
#[derive(Debug)]
pub(super) struct Exported {
    backend: Backend,
}

impl Exported {
    pub(super) fn new(run: &Run<'_>) -> anyhow::Result<Self> {
        Ok(Self { backend: Backend::new(run, "kubectl")? })
    }

    /// Saves the change.
    pub(super) fn add(&self, number: u64) -> anyhow::Result<()> {
        self.backend.add(number)
    }

    /// Builds and sends images, writes the file, applies it and waits for the rollout; milliseconds.
    pub(super) async fn apply(&self, run: &Run<'_>) -> anyhow::Result<f64> {
        let file = self.backend.folder().join("building.yml");
        let begun = Instant::now();
        let mut export = Command::new(&run.setting.program);
        export.arg("export").arg(&self.backend.file).args(["--format", "kubernetes", "--output"]).arg(&file);
        export.args(["--registry", &format!("localhost:5000/{}", self.backend.namespace)]);
        export.env("DYNINKA_HOME", &run.setting.home);
        finish("dyn export", export).await?;
        let kubectl = || -> anyhow::Result<Command> {
            let mut kubectl = Command::new("kubectl");
            kubectl.arg("--kubeconfig").arg(kubeconfig().context("the cluster for tests is not up")?);
            kubectl.args(["--namespace", &self.backend.namespace]);
            Ok(kubectl)
        };
        let mut apply = kubectl()?;
        apply.args(["apply", "--filename"]).arg(&file);
        finish("kubectl apply", apply).await?;
        let mut status = kubectl()?;
        status.args(["rollout", "status", "--timeout=120s", "--filename"]).arg(self.deployments(&file)?);
        finish("kubectl rollout status", status).await?;
        Ok(millis(begun, Instant::now()))
    }

    /// The Deployments alone: nothing else has a rollout to wait for.
    fn deployments(&self, file: &std::path::Path) -> anyhow::Result<std::path::PathBuf> {
        let text = std::fs::read_to_string(file).context("read what was exported")?;
        let parts = text.split("---\n").filter(|part| part.lines().any(|line| line == "kind: Deployment"));
        let parts: Vec<&str> = parts.collect();
        ensure!(!parts.is_empty(), "no Deployment in what was exported");
        let beside = file.with_extension("deployments.yml");
        std::fs::write(&beside, parts.join("---\n")).context("write the Deployments")?;
        Ok(beside)
    }
}

async fn finish(name: &str, mut command: Command) -> anyhow::Result<()> {
    let ran =
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.with_context(|| format!("start {name}"))?;
    ensure!(ran.status.success(), "{name} ended with {}: {}", ran.status, String::from_utf8_lossy(&ran.stderr).trim());
    Ok(())
}
