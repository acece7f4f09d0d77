//! What a function may do to the world outside it, a deed each, for the tests of the sandbox.
//!
//! `DYNINKA_EFFECTS` names a folder that they do it in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::Command;

use dyninka::Result;

/// What a deed comes to; none where there is no such one.
pub(crate) fn attempt(deed: &str, seed: u64) -> Option<Result<u64>> {
    let done: io::Result<()> = match deed {
        // What only computes, or reads.
        "compute" => compute(seed),
        "read" => fs::read(place("kept")).map(drop),
        "list" => fs::read_dir(place("")).map(|entries| {
            entries.count();
        }),
        "pipe" => pipe(),
        "pair" => pair(),
        "own signal" => own_signal(),
        // What does more.
        "write" => fs::write(place("written"), "x"),
        "append" => OpenOptions::new().append(true).open(place("kept")).and_then(|mut file| file.write_all(b"x")),
        "truncate" => File::options().write(true).truncate(true).open(place("kept")).map(drop),
        "make a folder" => fs::create_dir(place("folder")),
        "remove" => fs::remove_file(place("kept")),
        "rename" => fs::rename(place("kept"), place("renamed")),
        "link" => std::os::unix::fs::symlink(place("kept"), place("written")),
        "mode" => fs::set_permissions(place("kept"), std::os::unix::fs::PermissionsExt::from_mode(0o600)),
        "mode of an open file" => File::open(place("kept"))
            .and_then(|file| file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))),
        "times" => File::open(place("kept")).and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH)),
        "lock" => File::open(place("kept")).and_then(|file| file.lock()),
        "connect" => TcpStream::connect(("127.0.0.1", port(seed))).map(drop),
        "datagram" => {
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", ("127.0.0.1", port(seed)))).map(drop)
        }
        "look up" => std::net::ToSocketAddrs::to_socket_addrs("example.invalid:80").map(drop),
        "listen" => TcpListener::bind("127.0.0.1:0").map(drop),
        "unix" => UnixStream::connect(place("socket")).map(drop),
        "unix datagram" => UnixDatagram::unbound().and_then(|socket| socket.send_to(b"x", place("socket"))).map(drop),
        "process" => Command::new("/bin/touch").arg(place("written")).status().map(drop),
        "process by hand" => libc_call(|| {
            // SAFETY: the child ends at once.
            unsafe {
                let child = libc::fork();
                if child == 0 {
                    libc::_exit(0);
                }
                child.into()
            }
        }),
        "execute" => Err(std::os::unix::process::CommandExt::exec(Command::new("/bin/touch").arg(place("written")))),
        // SAFETY: no memory is handed over in any of these but a word to the last.
        "signal" => libc_call(|| unsafe { libc::kill(libc::getppid(), 0).into() }),
        "shared memory" => {
            libc_call(|| unsafe { libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o600).into() })
        }
        "named memory" => OpenOptions::new().read(true).write(true).open("/dev/shm/dyninka-effects").map(drop),
        "queue" => libc_call(|| unsafe {
            libc::syscall(libc::SYS_mq_open, c"dyninka-effects".as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600, 0)
        }),
        "mount" => {
            // SAFETY: the texts end with a zero each.
            libc_call(|| unsafe {
                libc::mount(c"none".as_ptr(), c"/mnt".as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()).into()
            })
        }
        // SAFETY: no memory is handed over in any of these.
        "namespace" => libc_call(|| unsafe { libc::unshare(libc::CLONE_NEWUSER).into() }),
        "poison" => libc_call(|| unsafe { libc::madvise(std::ptr::null_mut(), 0, libc::MADV_HWPOISON).into() }),
        "enter a ring" => libc_call(|| unsafe { libc::syscall(libc::SYS_io_uring_enter, 0, 1, 0, 0, 0, 0) }),
        "stop by hand" => libc_call(|| unsafe { libc::raise(libc::SIGSYS).into() }),
        "abstract" => <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(
            b"dyninka-effects",
        )
        .and_then(|address| UnixStream::connect_addr(&address))
        .map(drop),
        "others' output" => File::options().write(true).open("/proc/self/fd/2").map(drop),
        "inherited" => inherited(),
        "trace" => libc_call(|| unsafe { libc::ptrace(libc::PTRACE_ATTACH, libc::getppid(), 0, 0) }),
        "ring" => ring(),
        "unmask" => libc_call(|| unsafe { libc::signal(libc::SIGSYS, libc::SIG_IGN) as libc::c_long }),
        "in a thread" => {
            let thread = std::thread::spawn(|| fs::write(place("written"), "x"));
            thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))
        }
        "in passing" => {
            // It goes on as if nothing were wrong.
            drop(fs::write(place("written"), "x"));
            Ok(())
        }
        _ => return None,
    };
    Some(done.map(|()| seed).map_err(dyninka::Error::new))
}

fn place(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("DYNINKA_EFFECTS").unwrap_or_else(|| "/nowhere".into())).join(name)
}

fn port(seed: u64) -> u16 {
    u16::try_from(seed).unwrap_or(9)
}

fn libc_call(call: impl FnOnce() -> libc::c_long) -> io::Result<()> {
    if call() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Memory, threads, locks, time and chance.
fn compute(seed: u64) -> io::Result<()> {
    let shared = std::sync::Arc::new(std::sync::Mutex::new(vec![0_u8; 8 << 20]));
    let threads = (0..4).map(|at| {
        let shared = shared.clone();
        std::thread::spawn(move || shared.lock().map(|mut bytes| bytes[at] = 1).is_ok())
    });
    let threads: Vec<_> = threads.collect();
    let all = threads.into_iter().all(|thread| thread.join().unwrap_or(false));
    std::thread::sleep(std::time::Duration::from_millis(1));
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), seed);
    let late = std::time::SystemTime::now() > std::time::SystemTime::UNIX_EPOCH && std::env::current_dir().is_ok();
    std::hint::black_box(random);
    if all && late { Ok(()) } else { Err(io::Error::other("it does not compute")) }
}

fn pipe() -> io::Result<()> {
    let (mut reader, mut writer) = io::pipe()?;
    writer.write_all(b"x")?;
    reader.read_exact(&mut [0])
}

fn pair() -> io::Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(b"x")?;
    other.read_exact(&mut [0])
}

fn own_signal() -> io::Result<()> {
    // SAFETY: a signal that is ignored by default, to itself.
    libc_call(|| unsafe { libc::kill(libc::getpid(), libc::SIGURG).into() })
}

/// Writes to every file that is open, except what leads nowhere.
fn inherited() -> io::Result<()> {
    use std::os::fd::FromRawFd as _;
    for descriptor in 3..256 {
        // SAFETY: it is not closed here; of one that is not open, the system says so.
        let mut file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
        if file.metadata().is_ok_and(|of| of.is_file()) {
            file.write_all(b"x")?;
        }
    }
    Ok(())
}

/// A ring may do what no filter sees: there is none.
fn ring() -> io::Result<()> {
    let mut parameters = [0_u8; 256];
    // SAFETY: the room is larger than what the kernel fills.
    let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, 8, parameters.as_mut_ptr()) };
    if made >= 0 { Err(io::Error::other("there is one")) } else { Ok(()) }
}
