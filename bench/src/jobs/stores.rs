//! Servers that queues keep jobs in: Debian's redis and PostgreSQL, set up so that what is accepted outlives a power cut, or
//! not, as is said.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::chain::process::{Process, free_port};
use crate::chain::proxy::find;
use crate::program;

/// A server is there within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A server, and where its clients find it.
pub(super) struct Store {
    pub(super) url: String,
    _process: Process,
}

/// A folder on the disk that `dyn` keeps its jobs on.
fn folder() -> anyhow::Result<TempDir> {
    let beside = program::workspace().join("target/bench");
    std::fs::create_dir_all(&beside).with_context(|| format!("create {}", beside.display()))?;
    tempfile::tempdir_in(beside).context("make a folder")
}

/// redis with its log on disk, synced `always` or `everysec`.
pub(super) fn redis(sync: &str) -> anyhow::Result<Store> {
    let server = find("redis-server")?;
    let (port, folder) = (free_port()?, folder()?);
    let (at, place) = (port.to_string(), folder.path().display().to_string());
    let words = ["--port", &at, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", sync];
    let words: Vec<&str> = [server.as_str()].into_iter().chain(words).chain(["--dir", &place]).collect();
    Ok(Store { url: format!("redis://127.0.0.1:{port}"), _process: Process::server(&words, port, folder)? })
}

/// PostgreSQL as it comes: each commit is synced. Root's runs as the user `postgres`.
pub(super) fn postgres() -> anyhow::Result<Store> {
    let (port, folder) = (free_port()?, folder()?);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).context("make a folder")?;
    let before = if rustix::process::geteuid().is_root() { as_postgres(&data)? } else { Vec::new() };
    let run = |program: &Path, arguments: &[&str]| {
        let words: Vec<String> = before.iter().cloned().chain([program.display().to_string()]).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        [&words[..], arguments].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let place = data.display().to_string();
    let init = run(&tool("initdb")?, &["-D", &place, "-U", "postgres", "-A", "trust", "--locale=C", "-E", "UTF8"]);
    let made = Command::new(&init[0]).args(&init[1..]).current_dir("/").output().context("start initdb")?;
    ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr).trim());
    let at = port.to_string();
    let words = run(
        &tool("postgres")?,
        &["-D", &place, "-p", &at, "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"],
    );
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let process = Process::server(&words, port, folder)?;
    let ready = tool("pg_isready")?;
    let begun = Instant::now();
    while !Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", &at]).status().is_ok_and(|status| status.success())
    {
        if begun.elapsed() > PATIENCE {
            bail!("PostgreSQL takes no connection within {PATIENCE:?}");
        }
        std::thread::sleep(LOOK);
    }
    Ok(Store { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), _process: process })
}

/// What stands before a program so that it runs as the user `postgres`, who owns the data from here on.
fn as_postgres(data: &Path) -> anyhow::Result<Vec<String>> {
    let setpriv = find("setpriv")?;
    let owned = Command::new("chown").arg("postgres:").arg(data).status().context("start chown")?;
    ensure!(owned.success(), "there is no user postgres to run PostgreSQL as");
    // The folder above is root's alone.
    let above = data.parent().context("a folder above")?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(above, mode).with_context(|| format!("open {}", above.display()))?;
    let rights = ["--reuid=postgres", "--regid=postgres", "--clear-groups"].map(str::to_owned);
    Ok([setpriv].into_iter().chain(rights).collect())
}

/// A program of PostgreSQL: by PATH, else where Debian puts them.
fn tool(name: &str) -> anyhow::Result<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|version| version.path().join("bin").join(name)).collect();
    debian.sort();
    match debian.pop().filter(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => find(name).map(PathBuf::from),
    }
}
