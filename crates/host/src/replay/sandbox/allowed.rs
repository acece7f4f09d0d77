//! What a function that is run again may ask of the kernel. Whatever is not here is stopped.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BackendError, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition as Condition, SeccompRule,
};

/// By the call's number; without rules: whatever its arguments.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls without effect outside this process, whatever their arguments. Writing is among them: every file that is open
/// here is read-only, a pipe of the process's own, or memory ([`allowed`] says how one is opened).
const ALWAYS: &[c_long] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_mseal,
    libc::SYS_msync,
    libc::SYS_munlock,
    libc::SYS_munmap,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy,
    // Threads.
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_get_robust_list,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_getcpu,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals to itself.
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    // Time and chance.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_times,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
    libc::SYS_getrandom,
    // Reading.
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getxattr,
    libc::SYS_fgetxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_flistxattr,
    libc::SYS_llistxattr,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_umask,
    // Into pipes and memory of its own.
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_write,
    libc::SYS_writev,
    // A socket that leads nowhere: what would have it lead anywhere is not here.
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    // About itself.
    libc::SYS_capget,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getrusage,
    libc::SYS_getsid,
    libc::SYS_getuid,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_wait4,
    libc::SYS_waitid,
];

/// The same, in the forms that only older machines have.
#[cfg(target_arch = "x86_64")]
const ALWAYS_OLD: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_alarm,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_getdents,
    libc::SYS_getpgrp,
    libc::SYS_getrlimit,
    libc::SYS_lstat,
    libc::SYS_pause,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_OLD: &[c_long] = &[];

/// Calls that are told to be unknown, so that programs fall back on what can be looked into.
const UNKNOWN: &[c_long] = &[libc::SYS_clone3, libc::SYS_openat2, libc::SYS_io_uring_setup];

/// Open flags by which something is written or made. `O_TMPFILE` has `O_DIRECTORY` in it, which only reads.
pub(super) const WRITES: c_int =
    libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);

/// What a thread of this process is made with, and what would make something else of it.
const THREAD: c_int = libc::CLONE_THREAD | libc::CLONE_VM;
const NO_THREAD: c_int = libc::CLONE_VFORK
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// `MPOL_MF_MOVE_ALL`: pages that others have, too.
const MOVE_ALL: c_int = 1 << 2;

const FCNTL: [c_int; 9] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETPIPE_SZ,
    libc::F_GET_SEALS,
    libc::F_ADD_SEALS,
];

const IOCTL: [u64; 6] = [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD, libc::FIONBIO, libc::FIOCLEX, libc::FIONCLEX];

const PRCTL: [c_int; 7] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_VMA,
    libc::PR_CAPBSET_READ,
    libc::PR_GET_DUMPABLE,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_GET_TIMERSLACK,
];

/// Everything that is let through.
pub(super) fn allowed() -> Result<Rules, BackendError> {
    let always = ALWAYS.iter().chain(ALWAYS_OLD).chain(UNKNOWN);
    let mut rules: Rules = always.map(|call| (*call, Vec::new())).collect();
    let own = u64::from(std::process::id());
    let mut where_ = |call: c_long, conditions: &[Condition]| {
        let rule = SeccompRule::new(conditions.to_vec())?;
        rules.entry(call).or_default().push(rule);
        Ok::<_, BackendError>(())
    };
    // Files are opened to be read.
    where_(libc::SYS_openat, &[masked(2, WRITES, 0)?])?;
    #[cfg(target_arch = "x86_64")]
    where_(libc::SYS_open, &[masked(1, WRITES, 0)?])?;
    // Threads, and no processes.
    where_(libc::SYS_clone, &[masked(0, THREAD | NO_THREAD, THREAD)?])?;
    // Memory of its own, and none that the machine has for others.
    let other = |advice| Condition::new(2, Length::Dword, Is::Ne, word(advice));
    where_(libc::SYS_madvise, &[other(libc::MADV_HWPOISON)?, other(libc::MADV_SOFT_OFFLINE)?])?;
    where_(libc::SYS_mbind, &[masked(5, MOVE_ALL, 0)?])?;
    // The stop itself stays this process's. What blocks signals is looked at as it is called: `stopped`.
    where_(libc::SYS_rt_sigaction, &[Condition::new(0, Length::Dword, Is::Ne, word(libc::SIGSYS))?])?;
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        where_(call, &[is(0, own)?])?;
    }
    for process in [0, own] {
        // No new limit.
        where_(libc::SYS_prlimit64, &[is(0, process)?, Condition::new(2, Length::Qword, Is::Eq, 0)?])?;
        where_(libc::SYS_sched_setaffinity, &[is(0, process)?])?;
    }
    for command in FCNTL {
        where_(libc::SYS_fcntl, &[is(1, word(command))?])?;
    }
    for command in IOCTL {
        where_(libc::SYS_ioctl, &[is(1, command)?])?;
    }
    for command in PRCTL {
        where_(libc::SYS_prctl, &[is(0, word(command))?])?;
    }
    // A socket as such does nothing; where it is to lead is then told with the stop.
    for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
        for domain in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
            where_(libc::SYS_socket, &[is(0, word(domain))?, masked(1, KIND, kind)?])?;
        }
        where_(libc::SYS_socketpair, &[is(0, word(libc::AF_UNIX))?, masked(1, KIND, kind)?])?;
    }
    where_(libc::SYS_socket, &[is(0, word(libc::AF_NETLINK))?])?;
    // Nothing that joins a group of others.
    for level in [libc::SOL_SOCKET, libc::IPPROTO_TCP] {
        where_(libc::SYS_setsockopt, &[is(1, word(level))?])?;
    }
    // What the C library sets before it looks up a name.
    for (level, option) in [(libc::IPPROTO_IP, libc::IP_RECVERR), (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)] {
        where_(libc::SYS_setsockopt, &[is(1, word(level))?, is(2, word(option))?])?;
    }
    // To whom it is connected, and to no other.
    where_(libc::SYS_sendto, &[Condition::new(4, Length::Qword, Is::Eq, 0)?])?;
    Ok(rules)
}

/// What is told to be unknown: it is among [`allowed`], which is asked last.
pub(super) fn unknown() -> Result<Rules, BackendError> {
    let mut rules: Rules = UNKNOWN.iter().map(|call| (*call, Vec::new())).collect();
    // How a name is looked up without it is the same, as far as that comes.
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(vec![is(0, word(libc::AF_NETLINK))?])?]);
    Ok(rules)
}

/// A socket's kind, without its flags.
const KIND: c_int = 0xf;

fn is(argument: u8, value: u64) -> Result<Condition, BackendError> {
    Condition::new(argument, Length::Dword, Is::Eq, value)
}

fn masked(argument: u8, mask: c_int, value: c_int) -> Result<Condition, BackendError> {
    Condition::new(argument, Length::Dword, Is::MaskedEq(word(mask)), word(value))
}

fn word(value: c_int) -> u64 {
    u64::from(value.cast_unsigned())
}
