//! Processes that a killed session left, found by files that name them.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::backend::{BackendError, Spec};

/// What such a file's name begins with.
const PID: &str = "pid";

/// The file that names the process of a host that begins with a service. One that moves begins another, with a file beside.
pub(super) fn pid_file(spec: &Spec) -> PathBuf {
    let Spec { folder, host, group, .. } = spec;
    folder.join(if host == group { PID.to_owned() } else { format!("{PID}-{group}") })
}

/// A pid alone may by now be somebody else's: its start time says whose it is.
pub(crate) fn write_pid(file: &Path, pid: Pid) -> Result<(), BackendError> {
    let Some(begun) = begun(pid) else { return Ok(()) };
    fs::write(file, format!("{} {begun}", pid.as_raw_nonzero()))
        .map_err(BackendError::io(format!("write {}", file.display())))
}

/// When a process began, in clock ticks since boot (proc(5), field 22).
pub(crate) fn begun(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name before may hold anything, brackets and spaces too.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The process that a file names, if it still runs; the file is removed.
pub(crate) fn leftover(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    drop(fs::remove_file(file));
    let (pid, started) = text.split_once(' ')?;
    let pid = Pid::from_raw(pid.parse().ok()?)?;
    // One that has ended has no time when it began.
    (begun(pid)? == started.parse::<u64>().ok()?).then_some(pid)
}

/// Kills what a killed session left running for the services in these folders; answers how many there were.
pub(crate) fn sweep(folders: &[PathBuf]) -> usize {
    let is_pid = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(PID);
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let leftovers = entries.filter(is_pid).filter_map(|entry| leftover(&entry.path()));
    leftovers.filter(|pid| kill_process(*pid, Signal::KILL).is_ok()).count()
}
