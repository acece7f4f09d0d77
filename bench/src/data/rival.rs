//! Programs that copy buckets, as one would run them instead.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, ensure};
use tokio::process::Command;

use super::programs;
use super::weed::{KEY, Weed};
use crate::shadow;

/// A program that copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rival {
    Rclone,
    Juicefs,
}

/// Objects under way at a time, of each.
const AT_ONCE: &str = "16";

impl Rival {
    pub(super) const ALL: [Self; 2] = [Self::Rclone, Self::Juicefs];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rclone => "rclone sync",
            Self::Juicefs => "juicefs sync",
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Rclone => ("rclone", "1.75.2"),
            Self::Juicefs => ("juicefs", "1.4.2"),
        }
    }

    /// The one that the testbed downloads, else whichever is installed.
    pub(super) fn find(self) -> anyhow::Result<PathBuf> {
        let (name, version) = self.words();
        let own = programs().join(format!("{name}-{version}"));
        let found = Some(own).filter(|own| own.is_file()).or_else(|| shadow::find(name));
        found.with_context(|| format!("{name} is not installed: `tests/testbed/stores rivals` downloads it"))
    }

    /// Makes a bucket of one store as it is at the other, as this program does it; the seconds it took. `folder` is its own.
    pub(super) async fn sync(
        self,
        folder: &Path,
        (from, bucket): (&Weed, &str),
        (to, copy): (&Weed, &str),
    ) -> anyhow::Result<f64> {
        let mut command = Command::new(self.find()?);
        match self {
            Self::Rclone => {
                let file = folder.join("rclone.conf");
                let (key, secret) = KEY;
                let remote = |name: &str, weed: &Weed| {
                    format!(
                        "[{name}]\ntype = s3\nprovider = SeaweedFS\naccess_key_id = {key}\nsecret_access_key = {secret}\n\
                         endpoint = http://127.0.0.1:{}\nforce_path_style = true\n",
                        weed.port()
                    )
                };
                let text = remote("from", from) + &remote("to", to);
                std::fs::write(&file, text).context("write rclone's configuration")?;
                command.arg("--config").arg(&file).args(["sync", "--transfers", AT_ONCE, "--checkers", AT_ONCE]);
                command.args([format!("from:{bucket}"), format!("to:{copy}")]);
            }
            Self::Juicefs => {
                let (key, secret) = KEY;
                let url =
                    |weed: &Weed, bucket: &str| format!("s3://{key}:{secret}@127.0.0.1:{}/{bucket}/", weed.port());
                command.args(["sync", "--no-https", "--delete-dst", "-p", AT_ONCE]);
                command.args([url(from, bucket), url(to, copy)]);
            }
        }
        command.env("HOME", folder).stdin(Stdio::null()).kill_on_drop(true);
        let begun = Instant::now();
        let output = command.output().await.with_context(|| format!("start {}", self.name()))?;
        let took = begun.elapsed().as_secs_f64();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{} ended with {}: {words}", self.name(), output.status);
        Ok(took)
    }

    /// What it says of its version.
    async fn version(self) -> Option<String> {
        let output = Command::new(self.find().ok()?).arg("version").kill_on_drop(true).output().await.ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.trim().to_owned())
    }
}

/// All that are there, with their versions, and those that are not.
pub(super) async fn versions() -> String {
    let mut words = Vec::new();
    for rival in Rival::ALL {
        words.push(rival.version().await.unwrap_or_else(|| format!("no {}", rival.words().0)));
    }
    words.join(", ")
}
