//! The `dyn` that is measured.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::process::Command;

/// The profile this bench was built in, which `dyn` is built in, too.
pub(crate) const PROFILE: &str = if cfg!(debug_assertions) { "dev" } else { "release" };

/// The one that was named, else this workspace's, built now: a stale one would be measured unnoticed.
pub(crate) async fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return named.canonicalize().with_context(|| format!("find {}", named.display()));
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--package", "dyninka-cli", "--bin", "dyn", "--profile", PROFILE]);
    let status = cargo.current_dir(workspace()).kill_on_drop(true).status().await.context("start cargo")?;
    ensure!(status.success(), "cargo did not build dyn");
    let own = std::env::current_exe().context("find this program")?;
    let beside = own.with_file_name("dyn");
    ensure!(beside.is_file(), "there is no {} after a build: name one with --dyn", beside.display());
    Ok(beside)
}

/// The folder of the workspace this bench was built from.
pub(crate) fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
