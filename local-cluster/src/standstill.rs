//! Containers whose process was stopped by a signal. To an engine they run like any other: it is seen where processes
//! are, in `/proc`, as far as they are this machine's own.

use std::collections::BTreeMap;
use std::fs;

use parking_lot::{Mutex, MutexGuard};

/// Which services stand still.
#[derive(Debug, Default)]
pub(crate) struct Standstill(Mutex<BTreeMap<String, Process>>);

#[derive(Debug)]
struct Process {
    pid: i64,
    /// The id of its container.
    container: String,
    stopped: bool,
}

impl Standstill {
    /// Notes the process that a service runs as.
    pub(crate) fn watch(&self, service: &str, container: String, pid: i64) {
        self.lock().insert(service.to_owned(), Process { pid, container, stopped: false });
    }

    /// Its process ended.
    pub(crate) fn forget(&self, service: &str) {
        self.lock().remove(service);
    }

    /// The process of a service, where it is one of this machine's.
    pub(crate) fn process(&self, service: &str) -> Option<u32> {
        let all = self.lock();
        let process = all.get(service).filter(|process| process.is_here())?;
        u32::try_from(process.pid).ok()
    }

    /// Whether the process of a service is known.
    pub(crate) fn knows(&self, service: &str) -> bool {
        self.lock().contains_key(service)
    }

    /// Services that were stopped since this was asked before.
    pub(crate) fn newly(&self) -> Vec<String> {
        let mut all = self.lock();
        let newly = all.iter_mut().filter(|(_, process)| !process.stopped && process.stands_still());
        newly
            .map(|(service, process)| {
                process.stopped = true;
                service.clone()
            })
            .collect()
    }

    /// Whether a service was seen to be stopped: it is then taken to go on.
    pub(crate) fn end(&self, service: &str) -> bool {
        self.lock().get_mut(service).is_some_and(|process| std::mem::take(&mut process.stopped))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Process>> {
        self.0.lock()
    }
}

impl Process {
    fn stands_still(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid));
        // The name before it may hold anything, brackets and spaces too (proc(5)).
        let is_stopped =
            stat.is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T')));
        is_stopped && self.is_here()
    }

    /// Where the engine's processes are not ours to see, the number is somebody else's.
    fn is_here(&self) -> bool {
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", self.pid));
        groups.is_ok_and(|groups| groups.contains(&self.container))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::process::Command;

    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

    use super::*;

    #[test]
    fn a_process_that_is_stopped_is_told_of_once_until_it_goes_on() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let group = fs::read_to_string("/proc/self/cgroup").unwrap();
        let group = group.lines().next().unwrap().to_owned();
        let still = Standstill::default();
        still.watch("get", group, pid.as_raw_nonzero().get().into());
        still.watch("other", "0123456789abcdef".to_owned(), pid.as_raw_nonzero().get().into());
        assert!(still.newly().is_empty() && !still.end("get"));
        kill_process(pid, Signal::STOP).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).unwrap();
        assert_eq!((still.newly(), still.newly()), (vec!["get".to_owned()], Vec::new()));
        assert!(still.end("get") && !still.end("get"));
        assert_eq!(still.newly(), ["get"], "it still stands");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(still.end("get") && still.newly().is_empty());
    }
}
