//! A call that was stopped, in words: what the function does that cannot be had a second time.

use std::ffi::{CStr, c_char};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use libc::c_long;

/// A path may be longer than a reader needs.
const LONGEST_PATH: usize = 300;

/// Says what a call does, as in "it writes /tmp/x".
pub(super) fn say(out: &mut impl Write, call: c_long, arguments: &[u64; 6]) -> std::fmt::Result {
    match deed(call) {
        Some((verb, What::Path(at))) => {
            write!(out, "it {verb} ")?;
            path(out, arguments[at])
        }
        Some((verb, What::Address(at))) => {
            let address = address(arguments[at]);
            if address.is_some_and(Address::answers_names) {
                return out.write_str("it looks up the address of a name");
            }
            write!(out, "it {verb}")?;
            address.map_or(Ok(()), |address| address.say(out, if at == 4 { " to " } else { " " }))
        }
        Some((words, What::Nothing)) => write!(out, "it {words}"),
        None => write!(out, "it makes system call {call}, which computing does not need"),
    }
}

/// What of a call's arguments is told.
enum What {
    Nothing,
    /// The argument that leads to a path.
    Path(usize),
    /// The argument that leads to an address.
    Address(usize),
}

#[cfg(target_arch = "x86_64")]
fn old_deed(call: c_long) -> Option<(&'static str, What)> {
    use What::{Nothing, Path};
    Some(match call {
        libc::SYS_open | libc::SYS_creat | libc::SYS_chmod | libc::SYS_chown | libc::SYS_lchown => ("writes", Path(0)),
        libc::SYS_utime | libc::SYS_utimes | libc::SYS_mknod | libc::SYS_mkdir | libc::SYS_futimesat => {
            ("writes", Path(0))
        }
        libc::SYS_unlink | libc::SYS_rmdir => ("removes", Path(0)),
        libc::SYS_rename => ("renames", Path(0)),
        libc::SYS_link | libc::SYS_symlink => ("writes", Path(1)),
        libc::SYS_fork | libc::SYS_vfork => ("starts a process", Nothing),
        _ => return None,
    })
}
#[cfg(not(target_arch = "x86_64"))]
fn old_deed(_: c_long) -> Option<(&'static str, What)> {
    None
}

fn deed(call: c_long) -> Option<(&'static str, What)> {
    use What::{Address, Nothing, Path};
    if let Some(old) = old_deed(call) {
        return Some(old);
    }
    Some(match call {
        libc::SYS_openat | libc::SYS_mkdirat | libc::SYS_mknodat => ("writes", Path(1)),
        libc::SYS_fchmodat | libc::SYS_fchownat | libc::SYS_utimensat => ("writes", Path(1)),
        libc::SYS_truncate | libc::SYS_setxattr | libc::SYS_lsetxattr | libc::SYS_removexattr => ("writes", Path(0)),
        libc::SYS_unlinkat => ("removes", Path(1)),
        libc::SYS_renameat | libc::SYS_renameat2 => ("renames", Path(1)),
        libc::SYS_linkat => ("writes", Path(3)),
        libc::SYS_symlinkat => ("writes", Path(2)),
        libc::SYS_fchmod | libc::SYS_fchown | libc::SYS_fsetxattr => ("changes an open file", Nothing),
        libc::SYS_flock | libc::SYS_fcntl => ("locks a file, or what else others would see of it", Nothing),
        libc::SYS_ioctl => ("drives a device", Nothing),
        libc::SYS_mount | libc::SYS_umount2 | libc::SYS_pivot_root | libc::SYS_chroot => ("mounts", Nothing),
        libc::SYS_sync | libc::SYS_syncfs => ("writes what is not on the disk yet", Nothing),
        libc::SYS_clone | libc::SYS_execve | libc::SYS_execveat => ("starts a process", Nothing),
        libc::SYS_kill | libc::SYS_tkill | libc::SYS_tgkill => ("sends a signal to another process", Nothing),
        libc::SYS_rt_sigqueueinfo | libc::SYS_rt_tgsigqueueinfo | libc::SYS_pidfd_send_signal => {
            ("sends a signal to another process", Nothing)
        }
        libc::SYS_ptrace | libc::SYS_process_vm_readv | libc::SYS_process_vm_writev => {
            ("looks into another process", Nothing)
        }
        libc::SYS_connect => ("connects to", Address(1)),
        libc::SYS_sendto => ("sends a message", Address(4)),
        libc::SYS_sendmsg | libc::SYS_sendmmsg => ("sends a message", Nothing),
        libc::SYS_bind => ("listens at", Address(1)),
        libc::SYS_listen | libc::SYS_accept | libc::SYS_accept4 => ("listens for connections", Nothing),
        libc::SYS_socket | libc::SYS_setsockopt => ("opens a socket", Nothing),
        libc::SYS_shmget | libc::SYS_shmat | libc::SYS_semget | libc::SYS_msgget | libc::SYS_mq_open => {
            ("shares memory or messages with other processes", Nothing)
        }
        libc::SYS_rt_sigaction => ("handles the signal by which it is stopped here", Nothing),
        libc::SYS_unshare | libc::SYS_setns | libc::SYS_capset | libc::SYS_setuid | libc::SYS_setgid => {
            ("changes the rights of its process", Nothing)
        }
        libc::SYS_io_uring_enter | libc::SYS_io_uring_register => ("uses io_uring", Nothing),
        libc::SYS_prctl | libc::SYS_prlimit64 | libc::SYS_seccomp => ("changes the rights of its process", Nothing),
        libc::SYS_inotify_init1 | libc::SYS_inotify_add_watch => ("watches files", Nothing),
        _ => return None,
    })
}

fn path(out: &mut impl Write, at: u64) -> std::fmt::Result {
    let at = at as *const c_char;
    if at.is_null() {
        return out.write_str("a file");
    }
    // SAFETY: the function has given this to the kernel as a path that ends with a zero. Where it lied, this process ends
    // by it, and nothing else.
    let bytes = unsafe { CStr::from_ptr(at) }.to_bytes();
    for chunk in bytes[..bytes.len().min(LONGEST_PATH)].utf8_chunks() {
        out.write_str(chunk.valid())?;
        if !chunk.invalid().is_empty() {
            out.write_char(char::REPLACEMENT_CHARACTER)?;
        }
    }
    if bytes.len() > LONGEST_PATH { out.write_char('…') } else { Ok(()) }
}

/// Where a connection would lead.
#[derive(Clone, Copy)]
pub(super) enum Address {
    V4(Ipv4Addr, u16),
    V6(Ipv6Addr, u16),
    Unix(&'static CStr),
    /// In no file, or of another kind.
    Other,
}

/// The address at a place in memory.
pub(super) fn address(at: u64) -> Option<Address> {
    let at = at as *const libc::sockaddr;
    if at.is_null() {
        return None;
    }
    // SAFETY: the function has given this to the kernel as an address, whose kind stands first and says how long it is.
    // Where it lied, this process ends by it, and nothing else.
    unsafe {
        Some(match i32::from((*at).sa_family) {
            libc::AF_INET => {
                let of = at.cast::<libc::sockaddr_in>().read_unaligned();
                Address::V4(u32::from_be(of.sin_addr.s_addr).into(), u16::from_be(of.sin_port))
            }
            libc::AF_INET6 => {
                let of = at.cast::<libc::sockaddr_in6>().read_unaligned();
                Address::V6(of.sin6_addr.s6_addr.into(), u16::from_be(of.sin6_port))
            }
            libc::AF_UNIX => {
                let name = &raw const (*at.cast::<libc::sockaddr_un>()).sun_path;
                let name = CStr::from_ptr(name.cast());
                if name.is_empty() { Address::Other } else { Address::Unix(name) }
            }
            _ => Address::Other,
        })
    }
}

impl Address {
    /// Whether those who answer there say which address a name has.
    fn answers_names(self) -> bool {
        matches!(self, Self::V4(_, 53) | Self::V6(_, 53))
    }

    /// A service of this machine that libraries ask of their own accord, and go on without.
    pub(super) fn is_asked_in_passing(self) -> bool {
        let Self::Unix(name) = self else { return false };
        let name = name.to_bytes();
        let starts = |with: &[u8]| name.starts_with(with);
        starts(b"/var/run/nscd/") || starts(b"/run/nscd/") || starts(b"/run/systemd/")
    }

    fn say(self, out: &mut impl Write, before: &str) -> std::fmt::Result {
        out.write_str(before)?;
        match self {
            Self::V4(at, port) => write!(out, "{at}:{port}"),
            Self::V6(at, port) => write!(out, "[{at}]:{port}"),
            Self::Unix(name) => path(out, name.as_ptr() as u64),
            Self::Other => out.write_str("another process"),
        }
    }
}
