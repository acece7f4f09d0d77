//! A copy of examples/building.rs in a session, and edits of its function `map`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Door, First};
use crate::program;
use crate::session::{Heard, Session, Setting, millis};

/// What is edited: the end of the only line of `map`, in the example as in the peer.
pub(crate) const FORMULA: &str = "(reading.value - 32.0) / 1.8";

/// What the formula makes of [`reading`].
pub(crate) const RESULT: f64 = 10.0;

/// A session of the example. Dropped in this order: the session before its file.
#[derive(Debug)]
pub(crate) struct Building {
    pub(crate) session: Session,
    pub(crate) door: Door,
    pub(crate) file: PathBuf,
    pub(crate) text: String,
    _folder: TempDir,
}

/// An edit that is served.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) first: First,
    /// From the save to the first answer of the new code, in milliseconds.
    pub(crate) ms: f64,
    pub(crate) live: Value,
    /// What dyn said before it was live.
    pub(crate) passed: Vec<Heard>,
}

impl Building {
    pub(crate) async fn start(setting: &Setting, on: &str, path: Option<&OsStr>) -> anyhow::Result<Self> {
        Self::start_with(setting, on, path, &[]).await
    }

    /// The same, with further arguments of `dyn dev`.
    pub(crate) async fn start_with(
        setting: &Setting,
        on: &str,
        path: Option<&OsStr>,
        further: &[&str],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let examples = program::workspace().join("examples");
        let file = folder.path().join("building.rs");
        std::fs::copy(examples.join("building.rs"), &file).context("copy the example")?;
        copy_readings(&folder.path().join("data"))?;
        let text = std::fs::read_to_string(&file).context("read the example")?;
        ensure!(text.matches(FORMULA).count() == 1, "examples/building.rs has another formula than {FORMULA}");
        let session = Session::start_with(setting, &file, on, path, further).await?;
        let (url, _) = session.service("map")?;
        let door = Door::new(&url, json!({ "reading": reading() }))?;
        Ok(Self { session, door, file, text, _folder: folder })
    }

    /// The example with something added to what `map` answers.
    pub(crate) fn adding(&self, added: f64) -> String {
        adding(&self.text, added)
    }

    /// Saves a text and asks until `map` answers this; then waits for what dyn says of it.
    pub(crate) async fn serve(&mut self, text: &str, expected: f64) -> anyhow::Result<Served> {
        // Whatever the edit before left to say.
        drop(self.session.drain());
        let saved = super::save(&self.file, text)?;
        let first = self.door.first(|value| is_about(value, expected)).await;
        let first = first.with_context(|| format!("dyn's last words:\n{}", self.session.last_words()))?;
        let mut passed = Vec::new();
        let live = self.session.wait_noting(&["live"], &mut passed).await?.event;
        check(&first, &live)?;
        Ok(Served { ms: millis(saved, first.at), first, live, passed })
    }

    /// Saves a text and waits for an event.
    pub(crate) async fn say(&mut self, text: &str, kinds: &[&str]) -> anyhow::Result<(Instant, Heard, Vec<Heard>)> {
        drop(self.session.drain());
        let saved = super::save(&self.file, text)?;
        let mut passed = Vec::new();
        let heard = self.session.wait_noting(kinds, &mut passed).await?;
        Ok((saved, heard, passed))
    }
}

/// The version in the answer is the one that went live, so that the value is known to be the new code's.
fn check(first: &First, live: &Value) -> anyhow::Result<()> {
    let version = live["services"][0]["version"].as_str().context("live names no version")?;
    let carries = first.versions.split(',').any(|hop| hop.trim() == version);
    ensure!(carries, "the new value came from {}, while {version} went live", first.versions);
    Ok(())
}

/// The measured file's readings, copied to where the copy includes them.
pub(crate) fn copy_readings(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let readings = program::workspace().join("examples/data/readings.csv");
    std::fs::copy(&readings, folder.join("readings.csv")).with_context(|| format!("copy {}", readings.display()))?;
    Ok(())
}

/// A text with something added to what `map` answers.
pub(crate) fn adding(text: &str, added: f64) -> String {
    text.replace(FORMULA, &format!("{FORMULA} + {added:.1}"))
}

/// What `map` is asked with: 50 degrees Fahrenheit.
pub(crate) fn reading() -> Value {
    json!({
        "sensor": "EWR", "variable": "Temperature", "units": "F", "timestamp": "2013-01-01T06:00:00Z", "value": 50.0,
    })
}

/// Edits differ by one at least; the float's own error is far below.
pub(crate) fn is_about(value: &Value, expected: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - expected).abs() < 0.01)
}

/// How many libraries were compiled, and how many were taken from the cache.
pub(crate) fn builds(passed: &[Heard]) -> (usize, usize) {
    let built = passed.iter().filter(|heard| heard.event["event"] == "built");
    let (compiled, found): (Vec<_>, Vec<_>) = built.partition(|heard| heard.event["compiled"] == true);
    (compiled.len(), found.len())
}
