//! A program run in a process group of its own, ended as a whole when nobody waits for it any more.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, setpriority_pgrp};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::error::BuildError;

/// Whether somebody waits for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It runs as `dyn` does.
    Awaited,
    /// It takes what others leave of the machine.
    Aside,
}

/// How much is left to others (nice(2)): next to one that is awaited it gets a tenth of a core.
const ASIDE: i32 = 10;

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end. `on_line` sees each line of stderr as it comes. Dropping the future ends the
/// program and all it started, at once.
pub(crate) async fn run(command: Command, limit: Duration, mut on_line: impl FnMut(&str)) -> Result<Ended, BuildError> {
    run_until(command, limit, Pace::Awaited, |line| {
        on_line(line);
        false
    })
    .await
}

/// The same for a program that has failed once it says a line that `is_last`: nobody waits for it to clear up. It is
/// ended with all it started, and counts as one that ended with 1.
pub(crate) async fn run_until(
    mut command: Command,
    limit: Duration,
    pace: Pace,
    is_last: impl FnMut(&str) -> bool,
) -> Result<Ended, BuildError> {
    command.stdin(Stdio::null());
    let started = Started::start(&mut command)?;
    if let (Pace::Aside, Some(id)) = (pace, started.group.id)
        && let Err(error) = setpriority_pgrp(Some(id), ASIDE)
    {
        // It has ended already, or takes its full share: slower for others, and nothing else.
        tracing::debug!(%error, "a program could not be put aside");
    }
    started.attend(limit, is_last).await
}

/// A program that runs. Dropping it ends the program and all it started.
pub(crate) struct Started {
    program: String,
    group: Group,
}

impl Started {
    /// Starts it; what it reads is the caller's choice.
    pub(crate) fn start(command: &mut Command) -> Result<Self, BuildError> {
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn().map_err(|source| unstarted(command, source))?;
        let group = Group { id: child.id().and_then(|id| Pid::from_raw(id.cast_signed())), child };
        Ok(Self { program: name(command), group })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.group.child
    }

    /// [`run_until`] from here on.
    pub(crate) async fn attend(self, limit: Duration, is_last: impl FnMut(&str) -> bool) -> Result<Ended, BuildError> {
        attend(self.program, self.group, limit, is_last).await
    }
}

async fn attend(
    program: String,
    mut group: Group,
    limit: Duration,
    mut is_last: impl FnMut(&str) -> bool,
) -> Result<Ended, BuildError> {
    let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
    let spoken = async {
        let mut text = Vec::new();
        if let Some(mut stdout) = stdout {
            stdout.read_to_end(&mut text).await?;
        }
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
    };
    let complained = async {
        let mut text = String::new();
        let Some(stderr) = stderr else { return Ok((text, false)) };
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await? > 0 {
            let words = String::from_utf8_lossy(&line);
            let has_failed = is_last(words.trim_end());
            text.push_str(&words);
            if has_failed {
                return Ok((text, true));
            }
            line.clear();
        }
        Ok::<_, std::io::Error>((text, false))
    };
    let all = async {
        let ends = async { tokio::try_join!(spoken, group.child.wait()) };
        tokio::pin!(complained, ends);
        // Whatever comes first: it may end while what it started still speaks, and has failed before it ends.
        let (said, rest) = tokio::select! {
            said = &mut complained => {
                let said = said?;
                if said.1 {
                    return Ok((String::new(), said.0, ExitStatus::from_raw(1 << 8), true));
                }
                (said, ends.await?)
            }
            rest = &mut ends => (complained.await?, rest?),
        };
        let (stdout, status) = rest;
        Ok((stdout, said.0, status, false))
    };
    let unreadable =
        |error: std::io::Error| BuildError::Unreadable { program: program.clone(), words: error.to_string() };
    let ended = tokio::time::timeout(limit, all).await;
    let (stdout, stderr, status, is_running) = match ended {
        Ok(ended) => ended.map_err(unreadable)?,
        Err(_) => return Err(BuildError::TimedOut { program, seconds: limit.as_secs() }),
    };
    if !is_running {
        group.id = None;
    }
    match status.signal() {
        Some(signal) => Err(BuildError::Killed { program, signal }),
        None => Ok(Ended { status, stdout, stderr }),
    }
}

/// The file name of the program a command starts.
fn name(command: &Command) -> String {
    let program = std::path::Path::new(command.as_std().get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

struct Group {
    child: Child,
    /// None once the program has ended: its number may be another's by then.
    id: Option<Pid>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id
            && let Err(error) = kill_process_group(id, Signal::KILL)
        {
            tracing::warn!(%error, "a program that is no longer wanted could not be ended");
        }
    }
}

/// Why a program did not start: it is missing, or the folder to run it in is.
fn unstarted(command: &Command, source: std::io::Error) -> BuildError {
    match command.as_std().get_current_dir().filter(|folder| !folder.is_dir()) {
        Some(folder) => BuildError::Io { doing: "run a program in", path: folder.to_owned(), source },
        None => BuildError::Missing { program: name(command), source },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_program_speaks_and_ends() {
        let mut lines = Vec::new();
        let limit = Duration::from_secs(60);
        let ended =
            run(shell("echo out; echo one >&2; echo two >&2; exit 3"), limit, |line| lines.push(line.to_owned()));
        let ended = ended.await.unwrap();
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(3), "out\n"));
        assert_eq!(lines, ["one", "two"]);
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_not_taken_for_a_program_that_is_missing() {
        let mut command = shell("true");
        command.current_dir("/nowhere");
        let words = run(command, Duration::from_secs(60), |_| {}).await.unwrap_err().to_string();
        assert!(words.contains("/nowhere"), "{words}");
    }

    #[tokio::test]
    async fn a_program_that_has_failed_is_not_waited_for() {
        let script = "echo first >&2; echo last >&2; sleep 1000 & echo never >&2; wait";
        let ended =
            run_until(shell(script), Duration::from_secs(60), Pace::Awaited, |line| line == "last").await.unwrap();
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(1), "first\nlast\n"));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_leaves_the_machine_to_others() {
        // It may look before it is put aside.
        let script = "for try in $(seq 1000); do [ \"$(nice)\" = 10 ] && break; sleep 0.01; done; nice";
        let ended = run_until(shell(script), Duration::from_secs(60), Pace::Aside, |_| false).await.unwrap();
        assert_eq!(ended.stdout.trim().parse::<i32>().unwrap(), ASIDE);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = run(Command::new("no-such-program"), Duration::from_secs(60), |_| {}).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot start no-such-program"), "{error}");
    }

    #[tokio::test]
    async fn a_killed_program_is_told_from_a_failed_one() {
        let error = run(shell("kill -9 $$"), Duration::from_secs(60), |_| {}).await.unwrap_err();
        assert!(matches!(error, BuildError::Killed { signal: 9, .. }), "{error}");
    }

    #[tokio::test]
    async fn the_time_limit_ends_what_the_program_started_too() {
        // The grandchild holds the write end of a pipe: its end of file says that it is gone.
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let script = format!("sleep 1000 > '{0}' & wait", pipe.display());
        let reading = tokio::task::spawn_blocking(move || std::fs::read(pipe));
        let error = run(shell(&script), Duration::from_millis(300), |_| {}).await.unwrap_err();
        assert!(matches!(error, BuildError::TimedOut { .. }), "{error}");
        assert!(reading.await.unwrap().unwrap().is_empty());
    }
}
