//! Apps in a session, ready to be loaded.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::arguments::On;
use crate::load::{Check, Goal};
use crate::program;
use crate::session::{Session, Setting};

/// Which of the example's readings its copy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readings {
    /// All 50,000, of which seven in eight are filtered on the way.
    All,
    /// Those that go through all four functions, so that every shape does the same for every request.
    Temperatures,
}

/// A session of an app. Dropped in this order: the session before its file.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) session: Session,
    file: PathBuf,
    _folder: TempDir,
}

impl App {
    /// An app of this text.
    pub(crate) async fn start(setting: &Setting, on: On, text: &str, further: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let file = folder.path().join("app.rs");
        std::fs::write(&file, text).context("write the app")?;
        Self::of(setting, on, folder, file, further).await
    }

    /// A copy of examples/building.rs.
    pub(crate) async fn building(
        setting: &Setting,
        on: On,
        readings: Readings,
        further: &[&str],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let file = folder.path().join("building.rs");
        std::fs::copy(program::workspace().join("examples/building.rs"), &file).context("copy the example")?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data).context("make a folder")?;
        copy_readings(readings, &data.join("readings.csv"))?;
        Self::of(setting, on, folder, file, further).await
    }

    async fn of(setting: &Setting, on: On, folder: TempDir, file: PathBuf, further: &[&str]) -> anyhow::Result<Self> {
        let session = Session::start_with(setting, &file, on.name(), None, further).await?;
        Ok(Self { session, file, _folder: folder })
    }

    /// The public listener of the building.
    pub(crate) fn door(&self) -> anyhow::Result<Goal> {
        Goal::door(&self.session.url()?, Check::Average)
    }

    /// A service of it, by whatever route.
    pub(crate) fn goal(&self, service: &str, check: Check) -> anyhow::Result<Goal> {
        Goal::door(&self.session.service(service)?.0, check)
    }

    /// Its file, as commands take it.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What the session knows of itself.
    pub(crate) async fn status(&self, setting: &Setting) -> anyhow::Result<Value> {
        let mut command = Command::new(&setting.program);
        command.arg("status").arg(&self.file).arg("--json").env("DYNINKA_HOME", &setting.home).kill_on_drop(true);
        let output = command.output().await.context("start dyn")?;
        ensure!(output.status.success(), "dyn status: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("read what dyn status says")
    }
}

/// The example's readings, or some of them.
pub(crate) fn copy_readings(readings: Readings, file: &Path) -> anyhow::Result<()> {
    let from = program::workspace().join("examples/data/readings.csv");
    let text = std::fs::read_to_string(&from).with_context(|| format!("read {}", from.display()))?;
    let wanted = |line: &&str| readings == Readings::All || line.contains(",Temperature,");
    let mut lines = text.lines();
    let mut copy = lines.next().unwrap_or_default().to_owned();
    for line in lines.filter(wanted) {
        write!(copy, "\n{line}").context("copy a line")?;
    }
    std::fs::write(file, copy).with_context(|| format!("write {}", file.display()))
}

/// The head of apps that pass a record on.
pub(crate) const RECORD: &str = "use dyninka::prelude::*;\n\n\
    #[derive(Debug, Clone, Serialize, Deserialize)]\nstruct Record {\n    text: String,\n}\n";

/// A record of so many bytes as JSON.
pub(crate) fn record(bytes: usize) -> String {
    let empty = r#"{"text":""}"#.len();
    format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes.saturating_sub(empty)))
}

/// A service that makes such a record.
pub(crate) fn maker(name: &str, bytes: usize) -> String {
    let text = bytes.saturating_sub(r#"{"text":""}"#.len());
    format!("\n#[service]\nfn {name}() -> Record {{\n    Record {{ text: \"x\".repeat({text}) }}\n}}\n")
}

/// A service that hands a record on.
pub(crate) fn passer(name: &str) -> String {
    format!("\n#[service]\nfn {name}(record: Record) -> Record {{\n    record\n}}\n")
}

/// The flow of an app.
pub(crate) fn flow(services: &[String]) -> String {
    format!("\n#[dyninka::main]\nfn main() {{\n    {}()\n}}\n", services.join("()."))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_as_many_bytes_as_it_should() {
        for bytes in [11, 300, 1024] {
            assert_eq!(record(bytes).len(), bytes);
        }
    }

    #[test]
    fn temperatures_are_some_of_the_readings_and_the_head_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("readings.csv");
        let mut lengths = Vec::new();
        for readings in [Readings::All, Readings::Temperatures] {
            copy_readings(readings, &file).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("Sensor,Variable,"), "{}", &text[..80]);
            lengths.push(text.lines().count() - 1);
            let warm = text.lines().skip(1).all(|line| line.contains("Temperature"));
            assert_eq!(warm, readings == Readings::Temperatures);
        }
        assert_eq!(lengths, [50_000, 6_116]);
    }
}
