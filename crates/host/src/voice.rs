//! Which service of a host writes what: its lines are marked with it, for the session to tell the lines of each.
//!
//! Libraries write by the system's `write`, which this program defines in the place of the C library's. What is written is
//! the service's whose function runs on the thread, or began the thread: the program defines `pthread_create` as well.
//! Nothing is marked as long as a host runs one service.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::voice::{MARK, NAMED, UNDONE};

/// Bytes written at once with their mark: what a pipe takes whole or not at all.
const MOST: usize = 4096;
/// The longest name of a service, and what stands around it.
const LONGEST_MARK: usize = 80;

/// Whether what is written is marked.
static MARKS: AtomicBool = AtomicBool::new(false);
/// Whether the session wants it to be.
static WANTED: AtomicBool = AtomicBool::new(false);
thread_local! {
    /// The service whose function runs on this thread, or began it.
    static RUNS: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Wants what is written marked, once there is more than one service.
pub fn mark_lines() {
    WANTED.store(true, Ordering::Relaxed);
    end::watch();
    // It is part of the program, whatever the linker thinks of it.
    std::hint::black_box((write as *const (), pthread_create as *const ()));
}

/// A host has more than one service by now.
pub(crate) fn several() {
    MARKS.store(WANTED.load(Ordering::Relaxed), Ordering::Relaxed);
}

/// Runs a function of a service on this thread.
pub(crate) fn of<T>(service: &'static str, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<&'static str>);
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNS.set(self.0);
        }
    }
    let _restore = Restore(RUNS.replace(Some(service)));
    work()
}

/// `write(2)`, for the program and for every library that it loads.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(file: c_int, bytes: *const c_void, count: usize) -> isize {
    if MARKS.load(Ordering::Relaxed) && (file == 1 || file == 2) && count > 0 {
        let name = RUNS.try_with(Cell::get).ok().flatten().unwrap_or_default();
        // SAFETY: the caller's promise.
        return unsafe { write_marked(file, std::slice::from_raw_parts(bytes.cast(), count), name) };
    }
    // SAFETY: the system's own.
    unsafe { libc::syscall(libc::SYS_write, file, bytes, count) as isize }
}

/// What a thread begins with.
type Begin = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;
type CreateThread = unsafe extern "C" fn(*mut c_void, *const c_void, Begin, *mut c_void) -> c_int;

/// A thread that a function of a service begins.
struct OwnThread {
    service: &'static str,
    begin: Begin,
    argument: *mut c_void,
}

/// `pthread_create(3)`, likewise: a thread that a function begins is its service's, and so are those that it begins.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    begin: Begin,
    argument: *mut c_void,
) -> c_int {
    static CREATE: OnceLock<Option<CreateThread>> = OnceLock::new();
    let create = CREATE.get_or_init(|| {
        // SAFETY: the C library's function of this name, where it is there, is one of this type.
        unsafe {
            let found = libc::dlsym(libc::RTLD_NEXT, c"pthread_create".as_ptr());
            (!found.is_null()).then(|| std::mem::transmute::<*mut c_void, CreateThread>(found))
        }
    });
    let Some(create) = *create else { return libc::ENOSYS };
    let Some(service) = RUNS.try_with(Cell::get).ok().flatten().filter(|_| WANTED.load(Ordering::Relaxed)) else {
        // SAFETY: the caller's promise, passed on.
        return unsafe { create(thread, attributes, begin, argument) };
    };
    let own = Box::into_raw(Box::new(OwnThread { service, begin, argument })).cast();
    // SAFETY: the thread takes the box, once; where there is none, it is taken back.
    unsafe {
        let created = create(thread, attributes, begin_own, own);
        if created != 0 {
            drop(Box::from_raw(own.cast::<OwnThread>()));
        }
        created
    }
}

/// Runs what a function's thread is for.
unsafe extern "C-unwind" fn begin_own(own: *mut c_void) -> *mut c_void {
    // SAFETY: the box that was made for this thread.
    let OwnThread { service, begin, argument } = *unsafe { Box::from_raw(own.cast::<OwnThread>()) };
    RUNS.set(Some(service));
    // SAFETY: what the thread was begun with.
    unsafe { begin(argument) }
}

/// Writes bytes with the name of their service before them; none: the host itself.
fn write_marked(file: i32, bytes: &[u8], name: &str) -> isize {
    let name = &name.as_bytes()[..name.len().min(LONGEST_MARK - 2)];
    let mut rest = bytes;
    while !rest.is_empty() {
        let part = whole(rest, MOST - name.len() - 2);
        let parts = [&[MARK][..], name, &[NAMED], part]
            .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
        // SAFETY: all four are lent for the call.
        let written = unsafe { libc::syscall(libc::SYS_writev, file, parts.as_ptr(), parts.len()) };
        let Some(written) = usize::try_from(written).ok() else {
            let done = bytes.len() - rest.len();
            return if done > 0 { done as isize } else { -1 };
        };
        // A file that takes less than all is no pipe; what is left comes with its mark.
        let taken = written.saturating_sub(name.len() + 2);
        if taken == 0 {
            break;
        }
        rest = &rest[taken..];
    }
    (bytes.len() - rest.len()) as isize
}

/// So many bytes at most, and no part of a character at their end.
fn whole(bytes: &[u8], most: usize) -> &[u8] {
    let Some(cut) = bytes.get(..most).filter(|_| bytes.len() > most) else { return bytes };
    let starts = |byte: &u8| *byte & 0b1100_0000 != 0b1000_0000;
    // The character at the cut begins at the cut, or up to three bytes before.
    let back = (0..4).find(|back| bytes.get(most - back).is_some_and(starts)).unwrap_or(0);
    &cut[..most - back]
}

/// Which service's function ended the host, told with its last breath.
mod end {
    use std::ffi::c_void;
    use std::sync::Once;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::{MARK, MARKS, RUNS, UNDONE};

    /// What ends a process that nobody ends from outside.
    const DEADLY: [i32; 5] = [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

    static BEFORE: [AtomicUsize; DEADLY.len()] = [const { AtomicUsize::new(0) }; DEADLY.len()];
    static TOLD: AtomicBool = AtomicBool::new(false);

    pub(super) fn watch() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            for (signal, before) in DEADLY.iter().zip(&BEFORE) {
                // SAFETY: the handler does what handlers may: it writes, and hands on.
                unsafe {
                    let mut was: libc::sigaction = std::mem::zeroed();
                    let mut own: libc::sigaction = std::mem::zeroed();
                    own.sa_sigaction = heard as *const () as usize;
                    own.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                    if libc::sigaction(*signal, &raw const own, &raw mut was) == 0 {
                        before.store(was.sa_sigaction, Ordering::Release);
                    }
                }
            }
            // SAFETY: a function of this program, which stays.
            unsafe { libc::atexit(left) };
        });
    }

    /// A function that runs on this thread ends the process.
    fn tell() {
        let Some(service) = RUNS.try_with(std::cell::Cell::get).ok().flatten() else { return };
        if !MARKS.load(Ordering::Relaxed) || TOLD.swap(true, Ordering::Relaxed) {
            return;
        }
        let parts = [&[MARK, UNDONE][..], service.as_bytes(), b"\n"];
        let parts = parts.map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
        // SAFETY: all are lent for the call.
        unsafe { libc::syscall(libc::SYS_writev, 2, parts.as_ptr(), parts.len()) };
    }

    extern "C" fn left() {
        tell();
    }

    extern "C" fn heard(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
        tell();
        let before =
            DEADLY.iter().position(|deadly| *deadly == signal).map_or(0, |at| BEFORE[at].load(Ordering::Acquire));
        // SAFETY: what was there before, called as the system would: the standard library's tells of a stack overflow.
        unsafe {
            if before > libc::SIG_IGN {
                let before: extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void) = std::mem::transmute(before);
                return before(signal, info, context);
            }
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_is_cut() {
        let text = "a\u{e4}\u{20ac}\u{1f600}".as_bytes();
        let whole = |most| String::from_utf8(whole(text, most).to_vec());
        for most in 4..=text.len() {
            assert!(whole(most).is_ok(), "{most}");
        }
        assert_eq!(whole(5), Ok("a\u{e4}".to_owned()));
        assert_eq!(super::whole(&[0x80; 9], 5).len(), 5, "no text is cut where it is full");
    }

    #[test]
    fn threads_are_of_the_service_that_began_them() {
        WANTED.store(true, Ordering::Relaxed);
        let here = || RUNS.get();
        let began = |service| of(service, || std::thread::spawn(move || std::thread::spawn(here).join()).join());
        assert_eq!(began("map").expect("a thread").expect("another"), Some("map"));
        assert_eq!(std::thread::spawn(here).join().expect("a thread"), None);
    }
}
