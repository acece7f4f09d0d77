//! The docker command line, as a user has it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Whether an engine answers.
pub(crate) fn answers() -> bool {
    run(&["version", "--format", "{{.Server.Version}}"]).is_ok()
}

/// Runs it to its end, and what it printed.
pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().context("start docker")?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "docker {}: {}", arguments.join(" "), words.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// An image of one layer that holds what a program is linked to and nothing else: the program comes by a mount.
pub(crate) fn import(name: &str, program: &Path) -> anyhow::Result<()> {
    let mut layer = tar::Builder::new(Vec::new());
    for library in libraries(program)? {
        let inside = library.strip_prefix("/").unwrap_or(&library).to_owned();
        layer.append_path_with_name(&library, &inside).with_context(|| format!("pack {}", library.display()))?;
    }
    let layer = layer.into_inner().context("pack the image")?;
    let mut docker = Command::new("docker");
    docker.args(["import", "-", name]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut docker = docker.spawn().context("start docker")?;
    docker.stdin.take().context("stdin is no pipe")?.write_all(&layer).context("hand the image to docker")?;
    ensure!(docker.wait().context("wait for docker")?.success(), "docker did not import the image");
    Ok(())
}

/// The shared objects a program needs, its loader among them.
fn libraries(program: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("start ldd")?;
    ensure!(output.status.success(), "ldd {}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}
