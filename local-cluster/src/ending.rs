//! How a service ended, in words, and whose doing that was.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::backend::Doer;

/// Added to the signal by a host that was told to end and did, as shells do; engines add it for those that are killed.
const SIGNALLED: i32 = 128;
/// A host's exit code where somebody else has its address: the errno of EADDRINUSE on Linux.
const ADDRESS_IN_USE: i32 = 98;

/// How a process ended. The kernel's count of processes it ended for want of memory tells it from anybody else's
/// SIGKILL; `before` is what it was when the process began.
pub(crate) fn of_process(status: ExitStatus, before: Option<u64>) -> (String, Doer) {
    match (status.code(), status.signal()) {
        (Some(code), _) => of_exit(code, || memory_kills() > before),
        (None, Some(signal)) => {
            (format!("it was ended by {}", signal_name(signal)), doer(signal, memory_kills() > before))
        }
        (None, None) => ("it ended".to_owned(), Doer::Service),
    }
}

/// How a container ended that was not ended for want of memory.
pub(crate) fn of_container(exit_code: &str) -> (String, Doer) {
    exit_code.parse().map_or_else(|_| ("it ended".to_owned(), Doer::Service), |code| of_exit(code, || false))
}

fn of_exit(code: i32, for_memory: impl FnOnce() -> bool) -> (String, Doer) {
    match code {
        ADDRESS_IN_USE => ("its address is taken by somebody else".to_owned(), Doer::Others),
        130 | 134 | 137 | 139 | 143 => {
            let signal = code - SIGNALLED;
            (format!("it was ended by {}", signal_name(signal)), doer(signal, for_memory()))
        }
        _ => (format!("it ended with exit code {code}"), Doer::Service),
    }
}

/// Whoever sends these need not be the kernel.
fn doer(signal: i32, for_memory: bool) -> Doer {
    match signal {
        9 if for_memory => Doer::Service,
        1 | 2 | 3 | 9 | 15 => Doer::Others,
        _ => Doer::Service,
    }
}

/// The signals services die of.
pub(crate) fn signal_name(signal: i32) -> String {
    match signal {
        2 => "SIGINT".to_owned(),
        4 => "SIGILL: an illegal instruction".to_owned(),
        6 => "SIGABRT: abort() or a stack overflow".to_owned(),
        7 => "SIGBUS: memory that cannot be accessed".to_owned(),
        9 => "SIGKILL: killed, perhaps for want of memory".to_owned(),
        11 => "SIGSEGV: memory that is not its own".to_owned(),
        15 => "SIGTERM".to_owned(),
        19 => "SIGSTOP".to_owned(),
        other => format!("signal {other}"),
    }
}

/// How many processes the kernel has ended for want of memory since it began; none where it does not say.
pub(crate) fn memory_kills() -> Option<u64> {
    let counts = fs::read_to_string("/proc/vmstat").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(status: i32, before: Option<u64>) -> (String, Doer) {
        of_process(ExitStatus::from_raw(status), before)
    }

    #[test]
    fn what_was_done_to_a_process_is_not_its_own_doing() {
        let never = Some(u64::MAX);
        for (status, words, doer) in [
            (0, "exit code 0", Doer::Service),
            (3 << 8, "exit code 3", Doer::Service),
            (6, "SIGABRT", Doer::Service),
            (11, "SIGSEGV", Doer::Service),
            (9, "SIGKILL", Doer::Others),
            (15, "SIGTERM", Doer::Others),
            (143 << 8, "SIGTERM", Doer::Others),
            (98 << 8, "taken", Doer::Others),
        ] {
            let (why, whose) = process(status, never);
            assert!(why.contains(words) && whose == doer, "{status}: {why}, {whose:?}");
        }
    }

    #[test]
    fn a_kill_for_want_of_memory_is() {
        assert!(memory_kills().is_some(), "the kernel counts them");
        // There was one less than there are now.
        assert_eq!(process(9, None).1, Doer::Service);
        assert_eq!(process(15, None).1, Doer::Others);
        assert_eq!(of_container("137").1, Doer::Others, "an engine says so by itself");
        assert_eq!(of_container("139").1, Doer::Service);
    }
}
