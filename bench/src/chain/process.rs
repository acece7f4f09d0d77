//! A process that ends with its handle, and with the bench.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

/// A server is there within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// A process. Its standard input is what keeps it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it wrote to its standard error, and whatever else it needs.
    _folder: TempDir,
}

impl Process {
    /// One of this program's, which says where it listens.
    pub(crate) fn peer(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let mut child = spawn(arguments.into_iter().map(Into::into), &folder)?;
        let stdout = child.stdout.take().context("stdout is no pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("read where a peer listens")?;
        let address = match line.trim().parse() {
            Ok(address) => address,
            Err(_) => {
                drop(child.wait());
                bail!("a peer does not start: {}", words(&folder));
            }
        };
        Ok(Self { child, address, _folder: folder })
    }

    /// Somebody else's server, which is there when its port is.
    pub(crate) fn server(words_: &[&str], port: u16, folder: TempDir) -> anyhow::Result<Self> {
        let arguments = ["keep", "--"].into_iter().chain(words_.iter().copied()).map(OsString::from);
        let child = spawn(arguments, &folder)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut process = Self { child, address, _folder: folder };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait().context("look after a server")?;
            if ended.is_some() || Instant::now() > until {
                bail!("{} does not listen on {address}: {}", words_.join(" "), words(&process._folder));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(process)
    }
}

fn spawn(arguments: impl Iterator<Item = OsString>, folder: &TempDir) -> anyhow::Result<Child> {
    let own = std::env::current_exe().context("find this program")?;
    let log = File::create(folder.path().join("stderr")).context("create a log")?;
    let mut command = Command::new(own);
    command.arg("peer").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    command.spawn().context("start a peer")
}

/// What a process wrote to its standard error.
fn words(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("stderr")).unwrap_or_default().trim().to_owned()
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        if let Err(error) = self.child.kill() {
            eprintln!("bench: failed to kill a peer: {error}");
        }
    }
}

/// A port that was free a moment ago, for servers that are told theirs.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}
