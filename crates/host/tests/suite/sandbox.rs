//! The sandbox of functions that are run again: they compute and read, and whatever else they try does not happen, is
//! told, and ends the process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use protocol::body::{Body, Outcome};
use protocol::replay::{Ask, ReplayAnswer};

/// Longer than any function here takes, however much else the machine does.
const LONG: u64 = 120_000;

/// What one deed came to, in a process of its own.
fn attempt(folder: &Path, deed: &str, seed: u64, options: &[&str]) -> ReplayAnswer {
    let mut command = Command::new(support::examples().join("replay_worker"));
    command.args(options);
    let answers = ask(command, folder, deed, seed);
    assert!(matches!(answers[0], ReplayAnswer::Loaded(_)), "{deed}: {answers:?}");
    answers[1].clone()
}

/// What is answered to the question for a library, and to the one for a run.
fn ask(mut command: Command, folder: &Path, deed: &str, seed: u64) -> Vec<ReplayAnswer> {
    command.env("DYNINKA_EFFECTS", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let inputs = vec![Body::new(format!("{deed:?}").as_bytes()), Body::new(seed.to_string().as_bytes())];
    let asks = [
        Ask::Load {
            slot: "it".to_owned(),
            file: support::examples().join("libreplay_odd.so"),
            service: "odd".to_owned(),
        },
        Ask::Run { slot: "it".to_owned(), inputs, stand_ins: Vec::new(), timeout_ms: LONG },
    ];
    let mut input = process.stdin.take().unwrap();
    for ask in asks {
        writeln!(input, "{}", serde_json::to_string(&ask).unwrap()).unwrap();
    }
    drop(input);
    let answers = BufReader::new(process.stdout.take().unwrap()).lines();
    let answers: Vec<ReplayAnswer> = answers.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    process.wait().unwrap();
    assert_eq!(answers.len(), 2, "{deed}: {answers:?}");
    answers
}

/// Everything in a folder: names, contents, rights and times.
fn picture(folder: &Path) -> BTreeMap<String, (Vec<u8>, u32, i64)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let entries = entries.map(|entry| {
        let of = entry.path().symlink_metadata().unwrap();
        let bytes = if of.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        (entry.file_name().into_string().unwrap(), (bytes, of.mode(), of.mtime_nsec()))
    });
    entries.collect()
}

/// A folder with a file, and sockets that hear of whoever comes.
struct World {
    folder: tempfile::TempDir,
    tcp: TcpListener,
    unix: UnixListener,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kept"), "as it was").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
        tcp.set_nonblocking(true).unwrap();
        unix.set_nonblocking(true).unwrap();
        Self { folder, tcp, unix }
    }

    fn port(&self) -> u64 {
        self.tcp.local_addr().unwrap().port().into()
    }

    fn attempt(&self, deed: &str) -> ReplayAnswer {
        attempt(self.folder.path(), deed, self.port(), &[])
    }

    fn assert_nobody_came(&self) {
        assert_eq!(self.tcp.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(self.unix.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_function_computes_and_reads_as_everywhere() {
    let world = World::new();
    // A file that is open, and not meant for it.
    let kept = fs::OpenOptions::new().append(true).open(world.folder.path().join("kept")).unwrap();
    rustix::io::fcntl_setfd(&kept, rustix::io::FdFlags::empty()).unwrap();
    for deed in ["compute", "read", "list", "pipe", "pair", "own signal", "stop by hand", "ring", "print", "inherited"]
    {
        let answer = world.attempt(deed);
        assert!(
            matches!(&answer, ReplayAnswer::Ran(ran) if matches!(ran.end, Outcome::Value(_))),
            "{deed}: {answer:?}"
        );
    }
    assert_eq!(fs::read(world.folder.path().join("kept")).unwrap(), b"as it was");
}

#[test]
fn what_does_more_does_not_happen_and_is_told() {
    let world = World::new();
    let at = |name: &str| world.folder.path().join(name).display().to_string();
    let before = picture(world.folder.path());
    let process = "it starts a process".to_owned();
    let deeds = [
        ("write", format!("it writes {}", at("written"))),
        ("append", format!("it writes {}", at("kept"))),
        ("truncate", format!("it writes {}", at("kept"))),
        ("make a folder", format!("it writes {}", at("folder"))),
        ("remove", format!("it removes {}", at("kept"))),
        ("rename", format!("it renames {}", at("kept"))),
        ("link", format!("it writes {}", at("written"))),
        ("mode", format!("it writes {}", at("kept"))),
        ("mode of an open file", "it changes an open file".to_owned()),
        ("times", "it writes a file".to_owned()),
        ("lock", "it locks a file, or what else others would see of it".to_owned()),
        ("connect", format!("it connects to 127.0.0.1:{}", world.port())),
        ("datagram", "it listens at 127.0.0.1:0".to_owned()),
        ("look up", "it looks up the address of a name".to_owned()),
        ("listen", "it listens at 127.0.0.1:0".to_owned()),
        ("unix", format!("it connects to {}", at("socket"))),
        ("unix datagram", format!("it sends a message to {}", at("socket"))),
        ("process", process.clone()),
        ("process by hand", process.clone()),
        ("execute", process),
        ("signal", "it sends a signal to another process".to_owned()),
        ("shared memory", "it shares memory or messages with other processes".to_owned()),
        ("named memory", "it writes /dev/shm/dyninka-effects".to_owned()),
        ("queue", "it shares memory or messages with other processes".to_owned()),
        ("mount", "it mounts".to_owned()),
        ("namespace", "it changes the rights of its process".to_owned()),
        ("enter a ring", "it uses io_uring".to_owned()),
        ("abstract", "it connects to another process".to_owned()),
        ("others' output", "it writes /proc/self/fd/2".to_owned()),
        ("trace", "it looks into another process".to_owned()),
        ("unmask", "it handles the signal by which it is stopped here".to_owned()),
        ("in a thread", format!("it writes {}", at("written"))),
        ("in passing", format!("it writes {}", at("written"))),
    ];
    for (deed, told) in deeds {
        assert_eq!(world.attempt(deed), ReplayAnswer::Stopped { deed: told }, "{deed}");
    }
    assert_eq!(picture(world.folder.path()), before);
    world.assert_nobody_came();
}

#[test]
fn memory_that_others_have_is_left_alone() {
    let answer = World::new().attempt("poison");
    assert!(
        matches!(&answer, ReplayAnswer::Stopped { deed } if deed.starts_with("it makes system call ")),
        "{answer:?}"
    );
}

#[test]
fn where_the_kernel_has_no_sandbox_nothing_is_run_and_it_is_told() {
    use std::os::unix::process::CommandExt as _;

    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

    let none = BTreeMap::from([(libc::SYS_seccomp, Vec::new())]);
    let unknown = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(none, SeccompAction::Allow, unknown, machine).unwrap();
    let filter = BpfProgram::try_from(filter).unwrap();
    let world = World::new();
    let mut command = Command::new(support::examples().join("replay_worker"));
    // SAFETY: it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(move || apply_filter(&filter).map_err(|_| ErrorKind::Unsupported.into())) };
    let answers = ask(command, world.folder.path(), "write", 0);
    for answer in answers {
        assert!(matches!(&answer, ReplayAnswer::Refused { why } if why.contains("seccomp")), "{answer:?}");
    }
    assert!(!world.folder.path().join("written").exists());
}

#[test]
fn a_function_that_says_so_does_all_it_does() {
    let world = World::new();
    let heard = UnixDatagram::bind(world.folder.path().join("heard")).unwrap();
    for deed in ["write", "connect", "process", "listen"] {
        let answer = attempt(world.folder.path(), deed, world.port(), &["--free"]);
        assert!(
            matches!(&answer, ReplayAnswer::Ran(ran) if matches!(ran.end, Outcome::Value(_))),
            "{deed}: {answer:?}"
        );
    }
    drop(heard);
    assert!(world.folder.path().join("written").exists() && world.tcp.accept().is_ok());
}

#[test]
fn what_is_told_is_one_line_whatever_a_path_holds() {
    let world = World::new();
    let odd = world.folder.path().join("a\"b\\c\n\u{1b}[31m\u{e9}");
    fs::create_dir(&odd).unwrap();
    let ReplayAnswer::Stopped { deed } = attempt(&odd, "write", 0, &[]) else { panic!() };
    assert!(deed.starts_with("it writes /") && deed.contains("a\"b\\c") && !deed.contains(['\n', '\u{1b}']), "{deed}");
    let long = world.folder.path().join("x".repeat(200)).join("\u{e9}".repeat(100));
    fs::create_dir_all(&long).unwrap();
    let ReplayAnswer::Stopped { deed } = attempt(&long, "write", 0, &[]) else { panic!() };
    assert!(deed.len() < 2_000, "{deed}");
}
