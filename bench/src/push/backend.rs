//! A namespace of the cluster for tests, and a copy of examples/building.rs that is pushed there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::Run;
use crate::program;

/// What is edited: the body of `map`, its only line.
const BODY: &str = "    (reading.value - 32.0) / 1.8\n";
const MAP: &str = "fn map(reading: Reading) -> f64 {\n    (reading.value - 32.0) / 1.8\n}";
const AVERAGE: &str = "fn moving_avg(value: f64) -> Average {\n";

/// A namespace with the app's file; the namespace goes with it.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) namespace: String,
    pub(super) file: PathBuf,
    text: String,
    folder: TempDir,
}

/// Where the testbed keeps what it runs on.
pub(super) fn testbed() -> PathBuf {
    PathBuf::from(std::env::var_os("DYN_TESTBED_RUN").unwrap_or_else(|| "/run/dyn-testbed".into()))
}

/// The testbed's kubeconfig; none where it is not up.
pub(super) fn kubeconfig() -> Option<PathBuf> {
    Some(testbed().join("kubeconfig")).filter(|file| file.is_file())
}

impl Backend {
    pub(super) fn new(run: &Run<'_>, purpose: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let file = folder.path().join("building.rs");
        let text =
            std::fs::read_to_string(program::workspace().join("examples/building.rs")).context("read the example")?;
        for part in [BODY, MAP, AVERAGE] {
            ensure!(text.matches(part).count() == 1, "examples/building.rs has no such part once: {part}");
        }
        crate::edits::copy_readings(&folder.path().join("data"))?;
        std::fs::write(&file, &text).context("write the app")?;
        std::fs::write(folder.path().join("dyn.toml"), "[entry]\nnode_port = 0\n").context("write dyn.toml")?;
        let namespace = format!("bench-{purpose}-{}", run.nonce);
        kubectl(&["create", "namespace", &namespace])?;
        Ok(Self { namespace, file, text, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Saves the example with something added to what `map` answers: its code alone changes.
    pub(super) fn add(&self, number: u64) -> anyhow::Result<()> {
        self.save(&self.text.replace(BODY, &format!("    (reading.value - 32.0) / 1.8 + {number}.0\n")))
    }

    /// Saves the example with another type between `map` and `moving_avg`: the two depend on each other.
    pub(super) fn retype(&self, number: u64) -> anyhow::Result<()> {
        let map = format!(
            "fn map(reading: Reading) -> Degrees {{\n    Degrees {{ celsius_{number}: (reading.value - 32.0) / 1.8 }}\n}}\n\n\
             #[derive(Debug, Clone, Serialize, Deserialize)]\nstruct Degrees {{\n    celsius_{number}: f64,\n}}"
        );
        let average = format!("fn moving_avg(value: Degrees) -> Average {{\n    let value = value.celsius_{number};\n");
        self.save(&self.text.replace(MAP, &map).replace(AVERAGE, &average))
    }

    /// `kubectl` in the namespace.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        kubectl(&[&["--namespace", &self.namespace], arguments].concat())
    }

    /// Where the last service is reached.
    pub(super) fn url(&self) -> anyhow::Result<String> {
        let read = |text: &str| serde_json::from_str::<Value>(text).context("read what kubectl says");
        let service = read(&self.kubectl(&["get", "service", "moving-avg", "--output", "json"])?)?;
        let nodes = read(&kubectl(&["get", "nodes", "--output", "json"])?)?;
        let addresses = nodes["items"][0]["status"]["addresses"].as_array().context("a node has no address")?;
        let internal = addresses.iter().find(|it| it["type"] == "InternalIP").context("a node has no inner address")?;
        let address = internal["address"].as_str().context("an address is no text")?;
        Ok(format!("http://{address}:{}/", service["spec"]["ports"][0]["nodePort"]))
    }

    fn save(&self, text: &str) -> anyhow::Result<()> {
        std::fs::write(&self.file, text).with_context(|| format!("save {}", self.file.display()))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Err(error) = kubectl(&["delete", "namespace", &self.namespace, "--wait=false"]) {
            eprintln!("bench: the namespace {} stays: {error:#}", self.namespace);
        }
    }
}

/// `kubectl` on the testbed.
pub(super) fn kubectl(arguments: &[&str]) -> anyhow::Result<String> {
    let kubeconfig = kubeconfig().context("the cluster for tests is not up")?;
    let ran = Command::new("kubectl").arg("--kubeconfig").arg(kubeconfig).args(arguments).output();
    let ran = ran.context("start kubectl")?;
    if !ran.status.success() {
        bail!("kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&ran.stderr).trim());
    }
    String::from_utf8(ran.stdout).context("read what kubectl says")
}
