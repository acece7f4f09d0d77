//! Another's program, ended when the bench ends.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::wait_for_the_end;

/// Asked to, servers with workers of their own end those, too; a kill would leave them.
pub(super) fn run(words: &[String]) -> anyhow::Result<()> {
    let [program, arguments @ ..] = words else { bail!("nothing to start") };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("start {program}"))?;
    let pid = Pid::from_child(&child);
    std::thread::spawn(move || {
        wait_for_the_end();
        if let Err(error) = kill_process(pid, Signal::TERM) {
            eprintln!("bench: failed to end process {pid:?}: {error}");
        }
    });
    let status = child.wait().with_context(|| format!("wait for {program}"))?;
    std::process::exit(status.code().unwrap_or(1));
}
