//! What happens when the kernel stops a call: it is told, and the process ends.
//!
//! All of this runs in a signal handler, in the midst of whatever the function does: nothing here allocates or locks.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use libc::{c_long, siginfo_t, ucontext_t};

use super::SandboxError;
use super::words;

/// Where a stop is told.
static VOICE: AtomicI32 = AtomicI32::new(-1);
/// An answer is being written there.
static SPEAKING: AtomicBool = AtomicBool::new(false);
/// A thread was stopped: what others do no longer matters.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Has stops told to `voice` from now on.
pub(super) fn tell_to(voice: &File) -> Result<(), SandboxError> {
    VOICE.store(voice.as_raw_fd(), Ordering::Release);
    // SAFETY: an action without flags and masks is one; the handler takes what SA_SIGINFO says it is given.
    let set = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut())
    };
    if set == 0 {
        return Ok(());
    }
    Err(SandboxError::System { doing: "hear of what is stopped", error: std::io::Error::last_os_error() })
}

/// Says something there, undisturbed by a stop.
pub(in crate::replay) fn undisturbed<T>(say: impl FnOnce() -> T) -> T {
    SPEAKING.store(true, Ordering::SeqCst);
    let said = say();
    SPEAKING.store(false, Ordering::SeqCst);
    said
}

/// What the kernel says of a call that it stopped: `siginfo_t`, for SIGSYS.
#[repr(C)]
struct Call {
    signal: c_int,
    errno: c_int,
    code: c_int,
    room: c_int,
    from: *const c_void,
    number: c_int,
    machine: u32,
}

extern "C" fn handle(_: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives both to a handler that was set with SA_SIGINFO, and for SIGSYS lays the first out so.
    let (call, context) = unsafe { (&*info.cast::<Call>(), &mut *context.cast::<ucontext_t>()) };
    // SYS_SECCOMP: anything else is a signal that the process sends itself, and no call.
    if call.code != 1 {
        return;
    }
    let number = c_long::from(call.number);
    let arguments = arguments(context);
    if number == libc::SYS_rt_sigprocmask {
        return block(context, &arguments);
    }
    if number == libc::SYS_connect && words::address(arguments[1]).is_some_and(words::Address::is_asked_in_passing) {
        return answer(context, -c_long::from(libc::ENOENT));
    }
    if !STOPPED.swap(true, Ordering::SeqCst) {
        tell(number, &arguments);
        // SAFETY: ends the process, here and now.
        unsafe { libc::_exit(0) };
    }
    loop {
        // SAFETY: waits. The thread that came first ends the process.
        unsafe { libc::sched_yield() };
    }
}

/// Blocks and unblocks signals as asked, but never the one by which a call is stopped: while that is blocked, a stop ends
/// the process without a word of what it was. Libraries block all there are while they start a process or a thread.
fn block(context: &mut ucontext_t, &[how, set, old, ..]: &[u64; 6]) {
    let mask = (&raw mut context.uc_sigmask).cast::<u64>();
    // SAFETY: the kernel's mask is 64 bits, the first of those here. The other two are the caller's to vouch for, as they
    // would be to the kernel.
    let answered = unsafe {
        let before = *mask;
        let wanted = (set as *const u64).as_ref().map(|set| *set);
        if let Some(old) = (old as *mut u64).as_mut() {
            *old = before;
        }
        let after = match (wanted, how as c_int) {
            (None, _) => Some(before),
            (Some(set), libc::SIG_BLOCK) => Some(before | set),
            (Some(set), libc::SIG_UNBLOCK) => Some(before & !set),
            (Some(set), libc::SIG_SETMASK) => Some(set),
            _ => None,
        };
        after.map(|after| *mask = after & !(1 << (libc::SIGSYS - 1)))
    };
    answer(context, answered.map_or(-c_long::from(libc::EINVAL), |()| 0));
}

/// Writes the answer that says so: a line of JSON, as `protocol::replay::ReplayAnswer` has it.
fn tell(number: c_long, arguments: &[u64; 6]) {
    let mut line = Line { bytes: [0; LINE], end: 0 };
    let opening = "{\"stopped\":{\"deed\":\"";
    line.raw(opening.as_bytes());
    // What has no room is cut off.
    let _cut = words::say(&mut line, number, arguments);
    line.raw(b"\"}}\n");
    while SPEAKING.load(Ordering::SeqCst) {
        // SAFETY: lets the thread that speaks go on.
        unsafe { libc::sched_yield() };
    }
    let mut rest = &line.bytes[..line.end];
    while !rest.is_empty() {
        // SAFETY: what is written is ours; the descriptor is open as long as the process is.
        let written = unsafe { libc::write(VOICE.load(Ordering::Acquire), rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(written) {
            Ok(written) => rest = &rest[written.min(rest.len())..],
            // Nobody listens any more.
            Err(_) => return,
        }
    }
}

const LINE: usize = 2048;

/// Text in a JSON string, in room that is there already.
struct Line {
    bytes: [u8; LINE],
    end: usize,
}

impl Line {
    fn raw(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.end..end) {
            room.copy_from_slice(bytes);
            self.end = end;
        }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            // What closes the line has room left.
            if self.end + 16 > LINE {
                return Err(fmt::Error);
            }
            let mut room = [0; 4];
            match character {
                '"' | '\\' => {
                    self.raw(b"\\");
                    self.raw(character.encode_utf8(&mut room).as_bytes());
                }
                // It is shown on a terminal.
                control if control.is_control() => self.raw("\u{fffd}".as_bytes()),
                other => self.raw(other.encode_utf8(&mut room).as_bytes()),
            }
        }
        Ok(())
    }
}

#[cfg(target_arch = "x86_64")]
fn arguments(context: &ucontext_t) -> [u64; 6] {
    let registers = [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8, libc::REG_R9];
    registers.map(|register| context.uc_mcontext.gregs[register as usize].cast_unsigned())
}

#[cfg(target_arch = "x86_64")]
fn answer(context: &mut ucontext_t, answer: c_long) {
    context.uc_mcontext.gregs[libc::REG_RAX as usize] = answer;
}

#[cfg(target_arch = "aarch64")]
fn arguments(context: &ucontext_t) -> [u64; 6] {
    std::array::from_fn(|at| context.uc_mcontext.regs[at])
}

#[cfg(target_arch = "aarch64")]
fn answer(context: &mut ucontext_t, answer: c_long) {
    context.uc_mcontext.regs[0] = answer.cast_unsigned();
}

/// No sandbox is known for other machines: `confine` refuses.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn arguments(_: &ucontext_t) -> [u64; 6] {
    [0; 6]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn answer(_: &mut ucontext_t, _: c_long) {}
