//! A rustc that is started before there is anything to compile. It has loaded itself by the time that an edit comes, which
//! is a tenth of what the edit waits for, and waits for its arguments: rustc reads arguments from a file (`@file`), which
//! here is its standard input. That ends with `dyn`, however `dyn` ends, and rustc with it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::error::BuildError;
use crate::permits::Permits;
use crate::process::{Ended, Started};
use crate::toolchain::Toolchain;

/// By then the edit before is served: it is not to wait for a rustc that loads itself.
const PAUSE: Duration = Duration::from_millis(50);

/// A probe is answered in milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What rustc takes its arguments from.
const ARGUMENTS: &str = "@/dev/stdin";

/// The one rustc that waits. Dropping it ends that.
#[derive(Default)]
pub(crate) struct Ready {
    waiting: Arc<Mutex<Option<Waiting>>>,
    /// The next one, on its way.
    coming: Mutex<Option<JoinHandle<()>>>,
    /// The reason why there is none.
    refused: Mutex<Option<String>>,
}

/// A rustc that waits for its arguments, in a folder of its own.
pub(crate) struct Waiting {
    pub(crate) rustc: WaitingRustc,
    pub(crate) folder: TempDir,
}

/// Its process.
pub(crate) struct WaitingRustc {
    process: Started,
    toolchain: Toolchain,
    surroundings: Surroundings,
}

/// What a program finds where it runs.
#[derive(Debug, PartialEq, Eq)]
struct Surroundings {
    program: OsString,
    folder: Option<PathBuf>,
    /// Beside what this process has: variables, and those that it does not hand on.
    variables: BTreeMap<OsString, Option<OsString>>,
}

impl Surroundings {
    fn of(command: &Command) -> Self {
        let command = command.as_std();
        let variables = command.get_envs();
        Self {
            program: command.get_program().to_owned(),
            folder: command.get_current_dir().map(PathBuf::from),
            variables: variables.map(|(name, value)| (name.to_owned(), value.map(OsString::from))).collect(),
        }
    }
}

impl Ready {
    /// Has a rustc wait, once nobody waits for a build. `command` is one without arguments, whose temporary folder is this.
    pub(crate) fn prepare(&self, command: Command, folder: TempDir, toolchain: &Toolchain, permits: &Arc<Permits>) {
        if self.refused.lock().is_some() {
            return;
        }
        let (permits, waiting, toolchain) = (Arc::clone(permits), Arc::clone(&self.waiting), toolchain.clone());
        let begin = async move {
            tokio::time::sleep(PAUSE).await;
            let _permit = permits.take_spare().await;
            match WaitingRustc::start(command, toolchain) {
                Ok(rustc) => *waiting.lock() = Some(Waiting { rustc, folder }),
                // The next build says what is wrong with it.
                Err(error) => tracing::debug!(%error, "no rustc is kept ready"),
            }
        };
        let mut coming = self.coming.lock();
        if let Some(before) = coming.take() {
            before.abort();
        }
        *coming = Some(tokio::spawn(begin));
    }

    /// Whether there is one, or one will come.
    pub(crate) fn has_one(&self) -> bool {
        let is_coming = self.coming.lock().as_ref().is_some_and(|coming| !coming.is_finished());
        is_coming || self.waiting.lock().is_some()
    }

    /// The rustc that waits, where it is one of this toolchain and can go on. Where rustc does not wait for arguments, the
    /// words say so, once.
    pub(crate) fn take(&self, toolchain: &Toolchain) -> Result<Option<Waiting>, String> {
        let Some(mut waiting) = self.waiting.lock().take() else { return Ok(None) };
        // A folder that nothing was written to for an hour may have been cleared.
        if waiting.rustc.toolchain != *toolchain || !waiting.folder.path().is_dir() {
            return Ok(None);
        }
        match waiting.rustc.state() {
            State::Waits => Ok(Some(waiting)),
            // Somebody else ended it, or keeps it from running.
            State::Gone => Ok(None),
            State::Refused(code) => {
                let why = format!("rustc does not wait for its arguments, it ended with {code}");
                *self.refused.lock() = Some(why.clone());
                Err(why)
            }
        }
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Some(coming) = self.coming.lock().take() {
            coming.abort();
        }
    }
}

/// What has become of a rustc that was to wait.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Waits,
    Gone,
    /// It ended by itself, with this code.
    Refused(i32),
}

impl WaitingRustc {
    fn start(mut command: Command, toolchain: Toolchain) -> Result<Self, BuildError> {
        let surroundings = Surroundings::of(&command);
        command.arg(ARGUMENTS).stdin(Stdio::piped());
        Ok(Self { process: Started::start(&mut command)?, toolchain, surroundings })
    }

    fn state(&mut self) -> State {
        match self.process.child().try_wait() {
            Ok(None) if self.is_stopped() => State::Gone,
            Ok(None) => State::Waits,
            Ok(Some(status)) => status.code().map_or(State::Gone, State::Refused),
            Err(_) => State::Gone,
        }
    }

    /// Whether somebody stopped it, as SIGSTOP does (proc(5), field 3 of `stat`).
    fn is_stopped(&mut self) -> bool {
        let Some(pid) = self.process.child().id() else { return true };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        matches!(state, Some('T' | 't'))
    }

    /// Tells it the arguments of a call; gives them back where it is none that it could do. What it says is to be attended
    /// to.
    pub(crate) async fn tell(mut self, command: &Command) -> Option<Started> {
        let words = arguments(command).filter(|_| Surroundings::of(command) == self.surroundings)?;
        let mut input = self.process.child().stdin.take()?;
        let told = async { input.write_all(words.as_bytes()).await };
        match told.await {
            Ok(()) => Some(self.process),
            Err(error) => {
                tracing::debug!(%error, "the rustc that was kept ready has ended");
                None
            }
        }
    }
}

/// Arguments as rustc reads them from a file, one a line; none where they cannot stand there.
fn arguments(command: &Command) -> Option<String> {
    let mut words = String::new();
    for argument in command.as_std().get_args() {
        let argument = argument.to_str().filter(|argument| !argument.contains(['\n', '\r']) && !argument.is_empty())?;
        words.push_str(argument);
        words.push('\n');
    }
    Some(words)
}

impl Toolchain {
    /// Whether its rustc can be kept ready; else why not.
    pub async fn waits(&self) -> Result<(), String> {
        let command = Command::new(&self.rustc);
        let words = |error: BuildError| error.to_string();
        let waiting = WaitingRustc::start(command, self.clone()).map_err(words)?;
        let mut call = Command::new(&self.rustc);
        call.arg("--version");
        let started = waiting.tell(&call).await.ok_or("it does not read its arguments from a pipe")?;
        let Ended { status, stdout, stderr } = started.attend(PATIENCE, |_| false).await.map_err(words)?;
        if status.success() && stdout.trim() == self.version {
            return Ok(());
        }
        let said = stderr.lines().next().unwrap_or(stdout.trim()).to_owned();
        Err(format!("it does not read its arguments from a pipe: {said}"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    async fn toolchain() -> Toolchain {
        Toolchain::find(Path::new("/")).await.unwrap()
    }

    /// A rustc that waits, as after an edit.
    async fn waiting(ready: &Ready, toolchain: &Toolchain) -> u32 {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(&toolchain.rustc);
        command.env("TMPDIR", folder.path());
        ready.prepare(command, folder, toolchain, &Permits::new(1));
        let coming = ready.coming.lock().take().unwrap();
        coming.await.unwrap();
        ready.waiting.lock().as_mut().unwrap().rustc.process.child().id().unwrap()
    }

    fn version(toolchain: &Toolchain, folder: &Path) -> Command {
        let mut command = Command::new(&toolchain.rustc);
        command.arg("--version").env("TMPDIR", folder);
        command
    }

    #[tokio::test]
    async fn a_rustc_that_waits_does_what_it_is_told_and_the_next_finds_none() {
        let (ready, toolchain) = (Ready::default(), toolchain().await);
        waiting(&ready, &toolchain).await;
        assert!(ready.has_one());
        let Waiting { rustc, folder } = ready.take(&toolchain).unwrap().unwrap();
        assert!(!ready.has_one() && ready.take(&toolchain).unwrap().is_none());
        let started = rustc.tell(&version(&toolchain, folder.path())).await.unwrap();
        let ended = started.attend(PATIENCE, |_| false).await.unwrap();
        assert_eq!(ended.stdout.trim(), toolchain.version);
        assert_eq!(toolchain.waits().await, Ok(()));
    }

    #[tokio::test]
    async fn another_environment_folder_or_program_is_told_to_no_rustc_that_waits() {
        let (ready, toolchain) = (Ready::default(), toolchain().await);
        let changes: [fn(&mut Command); 4] = [
            |command| {
                command.env("MORE", "1");
            },
            |command| {
                command.env_remove("HOME");
            },
            |command| {
                command.current_dir("/");
            },
            |command| {
                command.arg("two\nlines");
            },
        ];
        for change in changes {
            waiting(&ready, &toolchain).await;
            let Waiting { rustc, folder } = ready.take(&toolchain).unwrap().unwrap();
            let mut command = version(&toolchain, folder.path());
            change(&mut command);
            assert!(rustc.tell(&command).await.is_none(), "{command:?}");
        }
        let mut upgraded = toolchain.clone();
        upgraded.identity.push('1');
        waiting(&ready, &toolchain).await;
        assert!(ready.take(&upgraded).unwrap().is_none());
    }

    #[tokio::test]
    async fn one_that_is_killed_or_stopped_is_not_taken() {
        let (ready, toolchain) = (Ready::default(), toolchain().await);
        for signal in [Signal::KILL, Signal::STOP] {
            let pid = waiting(&ready, &toolchain).await;
            kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
            let has_heard = || {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                stat.rsplit_once(')').is_none_or(|(_, rest)| ["Z", "T"].contains(&&rest.trim_start()[..1]))
            };
            while !has_heard() {
                tokio::task::yield_now().await;
            }
            assert!(ready.take(&toolchain).unwrap().is_none(), "{signal:?}");
            assert!(!ready.has_one(), "and another is started");
        }
    }

    #[tokio::test]
    async fn it_ends_with_who_keeps_it() {
        let (ready, toolchain) = (Ready::default(), toolchain().await);
        let pid = waiting(&ready, &toolchain).await;
        drop(ready);
        while Path::new("/proc").join(pid.to_string()).join("exe").exists() {
            tokio::task::yield_now().await;
        }
        // However that ends: its arguments end with the pipe.
        let mut waiting = WaitingRustc::start(Command::new(&toolchain.rustc), toolchain).unwrap();
        drop(waiting.process.child().stdin.take());
        assert!(waiting.process.child().wait().await.is_ok());
    }

    #[tokio::test]
    async fn a_rustc_that_does_not_wait_is_told_once_and_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let rustc = folder.path().join("rustc");
        fs::write(&rustc, "#!/bin/sh\necho \"no file $1\" >&2\nexit 3\n").unwrap();
        fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).unwrap();
        let mut toolchain = toolchain().await;
        toolchain.rustc = rustc;
        let ready = Ready::default();
        waiting(&ready, &toolchain).await;
        let mut found = ready.waiting.lock().take().unwrap();
        found.rustc.process.child().wait().await.unwrap();
        *ready.waiting.lock() = Some(found);
        let why = ready.take(&toolchain).err().unwrap();
        assert_eq!(why, "rustc does not wait for its arguments, it ended with 3");
        ready.prepare(Command::new("rustc"), tempfile::tempdir().unwrap(), &toolchain, &Permits::new(1));
        assert!(!ready.has_one());
        let why = toolchain.waits().await.unwrap_err();
        assert!(why.contains("does not read its arguments from a pipe"), "{why}");
    }
}
