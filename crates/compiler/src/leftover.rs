//! What builds of a `dyn` that was killed left behind: folders, and a rustc that may run for ever.

use std::fs;
use std::io::Read;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{BuildError, io};

/// How the name of a folder begins that this process works in. A pid alone may by now be somebody else's: the time
/// it began says whose it is, and the namespace among whom it is looked for.
pub(crate) fn own_prefix() -> String {
    let pid = std::process::id();
    format!("{pid}-{}-{}-", begun(pid).unwrap_or_default(), namespace())
}

/// What tells the pids that are seen from here from those in containers.
fn namespace() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

/// Ends what still runs for folders in `work` whose owner is gone, and removes the folders. Of others' folders
/// nothing is known and nothing is touched.
pub(crate) fn clear(work: &Path) -> Result<(), BuildError> {
    let entries = match fs::read_dir(work) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io("list", work))?,
    };
    let left = entries.flatten().filter(|entry| is_left(&entry.file_name().to_string_lossy()));
    for folder in left.map(|entry| entry.path()) {
        end_all_in(&folder);
        match fs::remove_dir_all(&folder) {
            // Another `dyn` that starts at this moment clears the same.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("remove", &folder)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a folder of this name was worked in by a process that is no more.
fn is_left(name: &str) -> bool {
    let parts: Vec<&str> = name.splitn(4, '-').collect();
    let [pid, at, among, _] = parts[..] else { return false };
    match (pid.parse(), at.parse::<u64>()) {
        (Ok(pid), Ok(at)) => among == namespace() && begun(pid) != Some(at),
        _ => false,
    }
}

/// Ends every process whose temporary folder this is: rustc, and the linker it started.
fn end_all_in(folder: &Path) {
    let variable = [b"TMPDIR=", folder.as_os_str().as_encoded_bytes()].concat();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in pids.filter(|pid| has_variable(*pid, &variable)).filter_map(Pid::from_raw) {
        if let Err(error) = kill_process(pid, Signal::KILL) {
            tracing::debug!(%error, "what a killed build left had ended by itself");
        }
    }
}

/// Others' processes cannot be looked into, and are none of ours. One that has just been started has no environment yet
/// for some microseconds: it is looked at again.
fn has_variable(pid: i32, variable: &[u8]) -> bool {
    const LOOKS: u8 = 20;
    let read = |name: &str| {
        let mut bytes = Vec::new();
        fs::File::open(format!("/proc/{pid}/{name}")).and_then(|mut file| file.read_to_end(&mut bytes)).map(|_| bytes)
    };
    for _ in 0..LOOKS {
        match read("environ") {
            // A thread of the kernel and what has ended have none for good, and no program either.
            Ok(text) if text.is_empty() && fs::read_link(format!("/proc/{pid}/exe")).is_ok() => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            read => return read.is_ok_and(|text| text.split(|byte| *byte == 0).any(|found| found == variable)),
        }
    }
    false
}

/// When a process began, in clock ticks since boot (proc(5), field 22).
fn begun(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything, brackets and spaces too.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_runs_for_a_folder_of_nobody_is_ended_and_no_other_folder_is_touched() {
        let work = tempfile::tempdir().unwrap();
        let mut ended = Command::new("true").spawn().unwrap();
        let gone = format!("{}-{}-{}-x", ended.id(), begun(ended.id()).unwrap(), namespace());
        ended.wait().unwrap();
        let mine = format!("{}x", own_prefix());
        let mut running = Vec::new();
        for name in [gone.as_str(), mine.as_str(), "whose"] {
            let folder = work.path().join(name);
            fs::create_dir(&folder).unwrap();
            running.push(Command::new("sleep").arg("1000").env("TMPDIR", &folder).spawn().unwrap());
        }
        clear(work.path()).unwrap();
        assert!(!running[0].wait().unwrap().success());
        for process in &mut running[1..] {
            assert_eq!(process.try_wait().unwrap(), None);
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let mut left: Vec<_> = fs::read_dir(work.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        let mut expected = [mine.into(), std::ffi::OsString::from("whose")];
        expected.sort();
        assert_eq!(left, expected);
    }
}
