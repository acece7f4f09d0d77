//! The sandbox a function runs in when it is run again: it computes, and does nothing else.
//!
//! The kernel (seccomp) lets through what computing needs: memory, threads, time, random numbers, reading files, and
//! pipes of this process's own. Everything else is stopped before it happens, told to whoever asked ([`stopped`]), and
//! ends the process, so that a function cannot go on to do half of something. It holds for every thread, and is in place
//! before a library is opened, so that a library's own start-up code is held too. What has it is never without it again.

mod allowed;
mod stopped;
mod words;

pub(super) use stopped::undisturbed;

use std::fs::File;
use std::io;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads};

/// A sandbox that cannot be had; without one nothing is run.
#[derive(Debug, thiserror::Error)]
pub(super) enum SandboxError {
    #[error("the sandbox for {} is not known", std::env::consts::ARCH)]
    Machine,
    #[error("the kernel refuses the sandbox (seccomp): {0}")]
    Kernel(#[from] seccompiler::Error),
    #[error("the sandbox's filter is wrong: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("cannot {doing}: {error}")]
    System { doing: &'static str, error: io::Error },
}

/// Confines this process for good. `voice` is where a stop is told, as a line like other answers.
pub(super) fn confine(voice: &File) -> Result<(), SandboxError> {
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Err(SandboxError::Machine);
    }
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| SandboxError::Machine)?;
    leave_terminal()?;
    leave_no_core()?;
    stopped::tell_to(voice)?;
    // Calls that have an older form are told to be unknown, so that the older form is used, which can be looked into.
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let older = SeccompFilter::new(allowed::unknown()?, SeccompAction::Allow, unknown, machine)?;
    let filter = SeccompFilter::new(allowed::allowed()?, SeccompAction::Trap, SeccompAction::Allow, machine)?;
    for filter in [older, filter] {
        apply_filter_all_threads(&BpfProgram::try_from(filter)?)?;
    }
    Ok(())
}

/// Has no terminal: what a user types is not this process's to read.
fn leave_terminal() -> Result<(), SandboxError> {
    match rustix::process::setsid() {
        // It leads a group of its own in the background, which the terminal gives nothing to.
        Ok(_) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(SandboxError::System { doing: "leave the terminal", error: error.into() }),
    }
}

/// Writes no memory to the disk at a crash. A limit of one byte: the kernel starts a program for dumps at none.
fn leave_no_core() -> Result<(), SandboxError> {
    let limit = |bytes| libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the limits are there as long as the calls last.
    let set = |limit: libc::rlimit| unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) } == 0;
    // Where it has none already, it may have no more.
    if set(limit(1)) || set(limit(0)) {
        return Ok(());
    }
    Err(SandboxError::System { doing: "write no memory to the disk", error: io::Error::last_os_error() })
}

/// Closes what is open but standard input, output and error: before anything of this process's own is opened.
pub(super) fn close_inherited() -> Result<(), SandboxError> {
    // SAFETY: nothing in this process has opened a file yet that it uses later.
    let closed = unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    if closed == 0 {
        return Ok(());
    }
    Err(SandboxError::System { doing: "close what is open", error: io::Error::last_os_error() })
}
