//! Misdeeds. Each must end the process before it returns; where one returns, the process goes on as if nothing were.

use std::ffi::CString;
use std::ptr::null_mut;

use libc::{c_int, c_long, syscall};

/// Does what is named, by system calls and not by the functions of a library that would look first.
pub(crate) fn attempt(deed: &str) {
    let with_number = deed.rsplit_once(' ').and_then(|(name, number)| Some((name, number.parse().ok()?)));
    let (name, number): (&str, c_long) = with_number.unwrap_or((deed, 0));
    let path = CString::new("/etc/passwd").unwrap_or_default();
    let pid = number as c_int;
    let mut room = [0_u8; 64];
    let own = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let other = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    let page = map(libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: each call is given what it asks for; the jail ends the process at it.
    let _answered: c_long = unsafe {
        match name {
            // Any call by its number, with nothing as its arguments.
            "number" => syscall(number, 0, 0, 0, 0, 0, 0),
            "open" => syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY),
            "create" => {
                syscall(libc::SYS_openat, libc::AT_FDCWD, c"/tmp/x".as_ptr(), libc::O_CREAT | libc::O_WRONLY, 0o600)
            }
            "memory of another" => {
                let path = CString::new(format!("/proc/{pid}/mem")).unwrap_or_default();
                syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY)
            }
            "read another" => syscall(libc::SYS_process_vm_readv, pid, &raw const own, 1, &raw const other, 1, 0),
            "socket" => syscall(libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0),
            "unix socket" => syscall(libc::SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0),
            "socket pair" => syscall(libc::SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, room.as_mut_ptr()),
            "execve" => {
                let program = c"/bin/true";
                let arguments = [program.as_ptr(), std::ptr::null()];
                syscall(libc::SYS_execve, program.as_ptr(), arguments.as_ptr(), arguments[1..].as_ptr())
            }
            "fork" => c_long::from(libc::fork()),
            "clone" => syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0),
            "thread" => {
                let flags = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND;
                syscall(libc::SYS_clone, flags, room.as_mut_ptr(), 0, 0, 0)
            }
            "kill" => syscall(libc::SYS_kill, pid, 0),
            "signal its parent" => syscall(libc::SYS_tgkill, libc::getppid(), libc::getppid(), libc::SIGABRT),
            "signal another" => syscall(libc::SYS_tgkill, pid, pid, libc::SIGABRT),
            "stop itself" => {
                let own = libc::getpid();
                syscall(libc::SYS_tgkill, own, own, libc::SIGSTOP)
            }
            "ptrace" => syscall(libc::SYS_ptrace, libc::PTRACE_ATTACH, pid, 0, 0),
            "mprotect" => syscall(libc::SYS_mprotect, page, 4096, libc::PROT_READ | libc::PROT_EXEC),
            "mmap" => map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as c_long,
            "shared memory" => {
                let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
                syscall(libc::SYS_mmap, 0, 4096, libc::PROT_READ, flags, -1, 0)
            }
            "map a file" => syscall(libc::SYS_mmap, 0, 4096, libc::PROT_READ, libc::MAP_PRIVATE, 0, 0),
            "read elsewhere" => syscall(libc::SYS_read, 3, room.as_mut_ptr(), 1),
            "read its answers" => syscall(libc::SYS_read, 1, room.as_mut_ptr(), 1),
            "write elsewhere" => syscall(libc::SYS_write, 3, room.as_ptr(), 1),
            "clock of another" => {
                let clock = (!pid << 3) | 2;
                syscall(libc::SYS_clock_gettime, clock, room.as_mut_ptr())
            }
            "poison" => syscall(libc::SYS_madvise, page, 4096, libc::MADV_HWPOISON),
            "raise a limit" => syscall(libc::SYS_prlimit64, 0, libc::RLIMIT_AS, room.as_ptr(), 0),
            "memory file" => syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0),
            "ring" => syscall(libc::SYS_io_uring_setup, 1, room.as_mut_ptr()),
            "filter" => syscall(libc::SYS_seccomp, 1, 0, 0),
            "rights" => syscall(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0),
            "control" => syscall(libc::SYS_ioctl, 0, libc::FIONREAD, room.as_mut_ptr()),
            "duplicate" => syscall(libc::SYS_fcntl, 0, libc::F_DUPFD, 5),
            #[cfg(target_arch = "x86_64")]
            "other numbers" => old_numbers(),
            #[cfg(target_arch = "x86_64")]
            "numbers of x32" => syscall(libc::SYS_getpid | 0x4000_0000),
            "abort" => std::process::abort(),
            "fault" => c_long::from(std::ptr::read_volatile(std::ptr::without_provenance::<u8>(1))),
            // All the memory it may have at once, and more: the end says which was to be had.
            "memory" => {
                let some = mapped(16 << 20) != libc::MAP_FAILED;
                let much = mapped(512 << 20) != libc::MAP_FAILED;
                libc::_exit(if some && !much { 40 } else { 41 })
            }
            "speak" => libc::write(2, room.as_ptr().cast(), 1) as c_long,
            "leave" => libc::_exit(7),
            "babble" => write(b"\xff\xff\xff\x7fgarbage"),
            // An answer to another question.
            "lie" => say("{\"checked\":{\"Ok\":{\"parameters\":[]}}}"),
            "call" => say("{\"call\":{\"id\":1,\"service\":\"map\",\"inputs\":{}}}"),
            "boast" => {
                say(&format!("{{\"ran\":{{\"end\":{{\"value\":\"{}\"}},\"ns\":1,\"cut\":0}}}}", "x".repeat(3 << 19)))
            }
            "flood" => {
                let line = format!("{{\"line\":{{\"level\":\"info\",\"text\":\"{}\"}}}}", "x".repeat(1 << 16));
                (0..100).map(|_| say(&line)).sum()
            }
            // A fifth of a second of the processor's that took no time, and an end of its own.
            "cheat" => {
                let before = used_ms();
                while used_ms() < before + 200 {
                    std::hint::spin_loop();
                }
                say("{\"ran\":{\"end\":{\"value\":1},\"ns\":0,\"cut\":0}}");
                say("\"ready\"")
            }
            // Whoever misspells a deed does not see it go well.
            _ => libc::_exit(99),
        }
    };
}

fn map(rights: c_int) -> *mut libc::c_void {
    // SAFETY: memory of its own, wherever there is room.
    unsafe { libc::mmap(null_mut(), 4096, rights, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) }
}

fn mapped(bytes: usize) -> *mut libc::c_void {
    // SAFETY: as above.
    unsafe { libc::mmap(null_mut(), bytes, libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) }
}

/// Milliseconds of processor time that this process has used.
fn used_ms() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is there as long as the call lasts.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

/// Says something, as a frame.
fn say(message: &str) -> c_long {
    write(&[&(message.len() as u32).to_le_bytes(), message.as_bytes()].concat())
}

fn write(mut bytes: &[u8]) -> c_long {
    while !bytes.is_empty() {
        // SAFETY: writes what is there.
        let count = unsafe { libc::write(1, bytes.as_ptr().cast(), bytes.len()) };
        let Ok(count) = usize::try_from(count) else { break };
        bytes = &bytes[count..];
    }
    0
}

/// `getpid` as a program of 32 bits asks for it, past a filter that looks at numbers alone.
#[cfg(target_arch = "x86_64")]
fn old_numbers() -> c_long {
    let answer: u64;
    // SAFETY: changes no memory; the kernel keeps all other registers but those named.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20_u64 => answer, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    answer as c_long
}
