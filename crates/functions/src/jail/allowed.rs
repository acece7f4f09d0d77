//! System calls of a jailed process. All others end it.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BackendError, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition as Condition, SeccompRule,
};

/// By the call's number; without rules: whatever its arguments.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls that reach nothing but this process's own memory, the clock, and its end.
const ALWAYS: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    // Waits for the pipe it reads, and goes on after it was stopped and continued.
    libc::SYS_ppoll,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // How the C library aborts.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigprocmask,
];

/// The last of the machine's own clocks. Others count a process's time, of any process.
const LAST_CLOCK: c_int = libc::CLOCK_TAI;

/// Advice about memory. Other advice reaches pages of other processes.
const ADVICE: [c_int; 4] = [libc::MADV_DONTNEED, libc::MADV_FREE, libc::MADV_HUGEPAGE, libc::MADV_NOHUGEPAGE];

/// Everything that is let through.
pub(super) fn allowed() -> Result<Rules, BackendError> {
    let mut rules: Rules = ALWAYS.iter().map(|call| (*call, Vec::new())).collect();
    let mut only = |call: c_long, conditions: Vec<Condition>| {
        rules.entry(call).or_default().push(SeccompRule::new(conditions)?);
        Ok::<_, BackendError>(())
    };
    only(libc::SYS_read, vec![is(0, libc::STDIN_FILENO)?])?;
    only(libc::SYS_write, vec![is(0, libc::STDOUT_FILENO)?])?;
    // It is closed: a last word of the standard library's ends in an error of this one, and not in another reason.
    only(libc::SYS_write, vec![is(0, libc::STDERR_FILENO)?])?;
    let own_clock = Condition::new(0, Length::Dword, Is::Le, word(LAST_CLOCK))?;
    only(libc::SYS_clock_gettime, vec![own_clock])?;
    // Memory that is never code, and of no file.
    only(libc::SYS_mmap, vec![without(2, libc::PROT_EXEC)?, with(3, libc::MAP_ANONYMOUS | libc::MAP_PRIVATE)?])?;
    only(libc::SYS_mprotect, vec![without(2, libc::PROT_EXEC)?])?;
    for advice in ADVICE {
        only(libc::SYS_madvise, vec![is(2, advice)?])?;
    }
    // Aborts itself.
    let own = c_int::try_from(std::process::id()).unwrap_or_default();
    only(libc::SYS_tgkill, vec![is(0, own)?, is(2, libc::SIGABRT)?])?;
    Ok(rules)
}

fn is(argument: u8, value: c_int) -> Result<Condition, BackendError> {
    Condition::new(argument, Length::Dword, Is::Eq, word(value))
}

fn with(argument: u8, flags: c_int) -> Result<Condition, BackendError> {
    Condition::new(argument, Length::Dword, Is::MaskedEq(word(flags)), word(flags))
}

fn without(argument: u8, flags: c_int) -> Result<Condition, BackendError> {
    Condition::new(argument, Length::Dword, Is::MaskedEq(word(flags)), 0)
}

fn word(value: c_int) -> u64 {
    u64::from(value.cast_unsigned())
}
