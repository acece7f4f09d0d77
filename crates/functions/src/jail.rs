//! The jail: a process enters it for good before it reads the first byte of a stranger's.
//!
//! It may compute in the memory it is allowed, read one pipe, write another, look at the clock, draw random numbers and
//! end. Any other system call ends the process at once, whatever code makes it, in whatever state that code is.

mod allowed;

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// Memory beside the functions' own: frames on their way, and rounding of allocators.
const SPARE: u64 = 32 << 20;

/// A jail that cannot be had; without one no function runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JailError {
    #[error("no jail for functions is known for {}", std::env::consts::ARCH)]
    Machine,
    #[error("the kernel refuses the jail for functions (seccomp): {0}")]
    Kernel(#[from] seccompiler::Error),
    #[error("the filter of the jail for functions is wrong: {0}")]
    Filter(#[from] seccompiler::BackendError),
    #[error("the jail for functions cannot {doing}: {error}")]
    System { doing: &'static str, error: io::Error },
}

/// Has the kernel end this process when its parent ends, however that ends.
pub(crate) fn die_with_parent() -> Result<(), JailError> {
    let before = rustix::process::getppid();
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(system("end with its parent"))?;
    // The parent may have ended before the kernel knew.
    if rustix::process::getppid() != before {
        return Err(JailError::System { doing: "find its parent", error: io::ErrorKind::NotFound.into() });
    }
    Ok(())
}

/// Jails this process for good. `memory` is what its functions may have beside what is mapped now.
pub(crate) fn enter(memory: u64) -> Result<(), JailError> {
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Err(JailError::Machine);
    }
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| JailError::Machine)?;
    let filter = SeccompFilter::new(allowed::allowed()?, SeccompAction::KillProcess, SeccompAction::Allow, machine)?;
    let filter = BpfProgram::try_from(filter)?;
    let mapped = mapped()?;
    default_handlers();
    close_others()?;
    // Others of the same user read neither its memory nor its descriptors, and it leaves no core.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(system("hide its memory"))?;
    rustix::thread::set_no_new_privs(true).map_err(system("give up privileges"))?;
    let limits = [
        (Resource::As, mapped.saturating_add(memory).saturating_add(SPARE)),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        // Both pipes are open already.
        (Resource::Nofile, 2),
    ];
    for (resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(resource, limit).map_err(system("limit itself"))?;
    }
    apply_filter(&filter)?;
    Ok(())
}

/// Bytes of address space in use.
fn mapped() -> Result<u64, JailError> {
    let text = std::fs::read_to_string("/proc/self/statm");
    let text = text.map_err(|error| JailError::System { doing: "read /proc/self/statm", error })?;
    let pages: Option<u64> = text.split_whitespace().next().and_then(|pages| pages.parse().ok());
    let pages =
        pages.ok_or(JailError::System { doing: "read /proc/self/statm", error: io::ErrorKind::InvalidData.into() })?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Leaves a stack that overflows to the kernel: the handler of the standard library wants to say more than it may.
fn default_handlers() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: sets the kernel's own action, in a process with one thread.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Closes all that is open but the two pipes. Standard error is among it: what a process writes there goes nowhere.
fn close_others() -> Result<(), JailError> {
    // SAFETY: nothing here uses a descriptor beyond the first two later.
    let closed = unsafe { libc::close_range(2, libc::c_uint::MAX, 0) };
    if closed == 0 {
        return Ok(());
    }
    Err(JailError::System { doing: "close what is open", error: io::Error::last_os_error() })
}

fn system(doing: &'static str) -> impl Fn(rustix::io::Errno) -> JailError {
    move |error| JailError::System { doing, error: error.into() }
}
