//! Where the processes are that functions run again in.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::Command;

use super::worker::WorkerError;

/// The subcommand that runs functions again.
pub const COMMAND: &str = "replay-worker";
/// Its option that leaves the sandbox away.
pub const FREE: &str = "--free";

/// Starts processes of `dyn replay-worker` where services run, with what a service has there and no more.
pub trait Launch: Debug + Send + Sync {
    /// Starts one for a service's functions; `is_free`: without the sandbox.
    fn launch<'a>(&'a self, service: &'a str, is_free: bool) -> Launching<'a>;
}

/// A start that is under way.
pub type Launching<'a> = Pin<Box<dyn Future<Output = Result<Launched, WorkerError>> + Send + 'a>>;

/// A process that runs.
pub struct Launched {
    /// Where it is asked.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// Where it answers.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// How it ended, in words, once it has. Dropped, it ends the process.
    pub ended: Pin<Box<dyn Future<Output = String> + Send>>,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched").finish_non_exhaustive()
    }
}

/// As processes of this machine, of a program: `dyn`.
#[derive(Clone, Debug)]
pub(super) struct Processes {
    pub(super) program: PathBuf,
    pub(super) environments: Environments,
}

/// What each service finds in its environment, by its name. Nothing else is there.
pub type Environments = BTreeMap<String, BTreeMap<String, String>>;

impl Launch for Processes {
    fn launch<'a>(&'a self, service: &'a str, is_free: bool) -> Launching<'a> {
        Box::pin(async move {
            let start = |error| WorkerError::Start { program: self.program.clone(), error };
            let mut command = Command::new(&self.program);
            command.env_clear().envs(self.environments.get(service).into_iter().flatten());
            // What functions print comes on standard error: it has been read once.
            command.arg(COMMAND).args(is_free.then_some(FREE));
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
            let mut child = command.spawn().map_err(start)?;
            let gone = || start(std::io::Error::other("it has no standard input and output"));
            let (input, output) = (child.stdin.take().ok_or_else(gone)?, child.stdout.take().ok_or_else(gone)?);
            let ended = async move {
                match child.wait().await {
                    Ok(status) => status.to_string(),
                    Err(error) => error.to_string(),
                }
            };
            Ok(Launched { input: Box::new(input), output: Box::new(output), ended: Box::pin(ended) })
        })
    }
}
