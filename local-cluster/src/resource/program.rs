//! The servers that there are, and how each is told its port and password. Pure, but for the look at what is installed.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::environment::LocalUrl;

/// A server that sessions start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceProgram {
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// Mosquitto, a broker of MQTT.
    Mosquitto,
}

/// Where distributions put programs that are not for every user.
const SYSTEM: [&str; 4] = ["/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin"];

impl ResourceProgram {
    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis-server",
            Self::Mosquitto => "mosquitto",
        }
    }

    /// The package of Debian that has it.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Redis => "redis-server",
            Self::Mosquitto => "mosquitto",
        }
    }

    /// The repository of images that have it under its own name.
    pub(super) fn image(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Mosquitto => "eclipse-mosquitto",
        }
    }

    /// The user that it knows from the start.
    pub(super) fn user(self) -> &'static str {
        match self {
            Self::Postgres | Self::Mosquitto => "app",
            Self::Redis => "default",
        }
    }

    /// What makes it say its version.
    pub(super) fn version_argument(self) -> &'static str {
        match self {
            Self::Postgres | Self::Redis => "--version",
            // It knows no such argument.
            Self::Mosquitto => "-h",
        }
    }

    /// The signal that has it write everything down and end, whatever its clients do.
    pub(super) fn ending(self) -> Signal {
        match self {
            Self::Postgres => Signal::INT,
            Self::Redis | Self::Mosquitto => Signal::TERM,
        }
    }

    /// Its arguments, in its folder.
    pub(super) fn arguments(self, port: u16) -> Vec<String> {
        let port = port.to_string();
        let words: &[&str] = match self {
            // What goes wrong for a client is told to it. Told here as well, it would fill the disk.
            Self::Postgres => &[
                "-D",
                "data",
                "-p",
                &port,
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                "log_min_messages=fatal",
            ],
            // Its configuration comes by its standard input.
            Self::Redis => &["-"],
            Self::Mosquitto => &["-c", CONFIGURATION],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The text of its configuration, where it reads one.
    pub(super) fn configuration(self, port: u16, password: &str) -> Option<String> {
        match self {
            Self::Postgres => None,
            Self::Redis => Some(format!(
                "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir data\nappendonly yes\ndaemonize no\nloglevel warning\n"
            )),
            // Where this user is not root, `user` is passed over.
            Self::Mosquitto => Some(format!(
                "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file passwd\npersistence true\n\
                 persistence_location data/\nautosave_interval 60\nlog_dest stderr\nlog_type error\nlog_type warning\nuser root\n"
            )),
        }
    }

    /// The URL by which clients reach it.
    pub(super) fn url(self, password: &str, at: SocketAddr) -> LocalUrl {
        let (scheme, tail) = match self {
            Self::Postgres => ("postgres", "/postgres"),
            Self::Redis => ("redis", "/0"),
            Self::Mosquitto => ("mqtt", ""),
        };
        LocalUrl { head: format!("{scheme}://{}:{password}@", self.user()), at, tail: tail.to_owned() }
    }

    /// Whether a server of a version reads the data of another.
    pub(super) fn reads(self, data: u32, installed: u32) -> bool {
        match self {
            Self::Postgres => data == installed,
            Self::Redis | Self::Mosquitto => data <= installed,
        }
    }

    /// Bytes that a client of it begins with.
    pub(super) fn question(self, password: &str) -> Vec<u8> {
        let user = self.user();
        match self {
            Self::Postgres => {
                let parameters = format!("user\0{user}\0database\0postgres\0\0");
                let length = u32::try_from(parameters.len() + 8).unwrap_or_default();
                [&length.to_be_bytes()[..], &0x0003_0000_u32.to_be_bytes(), parameters.as_bytes()].concat()
            }
            Self::Redis => format!("AUTH {user} {password}\r\nPING\r\n").into_bytes(),
            Self::Mosquitto => {
                let text = |text: &str| {
                    let length = u16::try_from(text.len()).unwrap_or_default();
                    [&length.to_be_bytes()[..], text.as_bytes()].concat()
                };
                // MQTT 3.1.1, a clean session with user and password, kept alive for 10 s.
                let head = [&text("MQTT")[..], &[4, 0xc2, 0, 10]].concat();
                let body = [head, text("dyn"), text(user), text(password)].concat();
                [&[0x10, u8::try_from(body.len()).unwrap_or_default()][..], &body].concat()
            }
        }
    }

    /// Whether it is ready, by what it has answered so far.
    pub(super) fn is_ready(self, answer: &[u8]) -> bool {
        match self {
            // It asks for the password. While it starts, it answers with an error.
            Self::Postgres => answer.first() == Some(&b'R'),
            Self::Redis => answer.starts_with(b"+OK\r\n+PONG"),
            Self::Mosquitto => answer.starts_with(&[0x20, 2, 0, 0]),
        }
    }

    /// Whether anything that it answers to a question is all of the answer.
    pub(super) fn is_whole(self, answer: &[u8]) -> bool {
        match self {
            Self::Postgres => !answer.is_empty(),
            Self::Redis => answer.split(|byte| *byte == b'\n').count() > 2,
            Self::Mosquitto => answer.len() >= 4,
        }
    }

    /// Every installed one.
    pub(super) fn installed(self) -> Vec<PathBuf> {
        let named = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&named).chain(SYSTEM.map(PathBuf::from));
        let mut versions: Vec<PathBuf> = match self {
            Self::Postgres => entries("/usr/lib/postgresql").into_iter().map(|folder| folder.join("bin")).collect(),
            Self::Redis | Self::Mosquitto => Vec::new(),
        };
        versions.extend(entries("/usr").into_iter().filter(|path| is_pgdg(path)).map(|folder| folder.join("bin")));
        let programs = folders.chain(versions).map(|folder| folder.join(self.name()));
        // A link and the program itself are one, but the name by which it is called says what it does: Redis is a link to
        // another of its programs.
        let mut found = BTreeSet::new();
        let mut order = Vec::new();
        for program in programs.filter(|program| is_program(program)) {
            let Ok(real) = program.canonicalize() else { continue };
            if found.insert(real) {
                order.push(program);
            }
        }
        order
    }

    /// A program that comes with it: beside it, or where programs are.
    pub(super) fn companion(self, program: &Path, name: &str) -> Option<PathBuf> {
        // Beside the program itself, not beside a link to it.
        let beside = program.canonicalize().ok().map(|real| real.with_file_name(name));
        beside.filter(|beside| is_program(beside)).or_else(|| find(name))
    }
}

/// The name of a configuration, in the folder of its server.
pub(super) const CONFIGURATION: &str = "server.conf";

/// Where the packages of PostgreSQL's own project put a version.
fn is_pgdg(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"pgsql-"))
}

/// A program of the system.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let named = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&named).chain(SYSTEM.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn entries(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The first number of a text such as `postgres (PostgreSQL) 15.18`: a version's first part.
pub(super) fn major(text: &str) -> Option<u32> {
    let from = text.find(|letter: char| letter.is_ascii_digit())?;
    let digits = text.get(from..)?;
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

/// Which of the servers there are, by their versions, runs on data of a version: for new data the newest.
pub(super) fn suitable<T>(program: ResourceProgram, there: &[(u32, T)], data: Option<u32>) -> Option<&(u32, T)> {
    let fits = |(version, _): &&(u32, T)| data.is_none_or(|data| program.reads(data, *version));
    // Of two of one version, the one that is found first.
    there.iter().rev().filter(fits).max_by_key(|(version, _)| *version)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    use ResourceProgram::{Mosquitto, Postgres, Redis};

    #[test]
    fn versions_are_read_as_servers_say_them() {
        for (text, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", Some(7)),
            ("mosquitto version 2.0.11\n\nmosquitto is an MQTT v5.0/v3.1.1/v3.1 broker.", Some(2)),
            ("14\n", Some(14)),
            ("no number", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(major(text), version, "{text}");
        }
    }

    #[test]
    fn data_is_run_by_a_version_that_reads_it() {
        let all = [(13, PathBuf::from("a")), (15, PathBuf::from("b")), (15, PathBuf::from("c"))];
        let chosen = |program, data| suitable(program, &all, data).map(|(_, path)| path.display().to_string());
        assert_eq!(chosen(Postgres, None).as_deref(), Some("b"), "the newest, and of those the first");
        assert_eq!(chosen(Postgres, Some(13)).as_deref(), Some("a"));
        assert_eq!(chosen(Postgres, Some(14)), None);
        assert_eq!(chosen(Redis, Some(14)).as_deref(), Some("b"));
        assert_eq!(chosen(Mosquitto, Some(16)), None);
    }

    #[test]
    fn a_password_is_in_no_argument_and_a_server_listens_on_loopback_alone() {
        for program in [Postgres, Redis, Mosquitto] {
            let arguments = program.arguments(5000).join(" ");
            let configuration = program.configuration(5000, "s3cret").unwrap_or_default();
            assert!(!arguments.contains("s3cret"), "{arguments}");
            assert!((arguments + &configuration).contains("127.0.0.1"), "{program:?}");
        }
        // That file is one that others could read on an engine's account.
        assert!(!Mosquitto.configuration(5000, "s3cret").unwrap().contains("s3cret"));
    }

    #[test]
    fn a_client_is_told_a_url() {
        let at = SocketAddr::from(([127, 0, 0, 1], 5000));
        let url = |program: ResourceProgram| program.url("pw", at).by(at);
        assert_eq!(url(Postgres), "postgres://app:pw@127.0.0.1:5000/postgres");
        assert_eq!(url(Redis), "redis://default:pw@127.0.0.1:5000/0");
        assert_eq!(url(Mosquitto), "mqtt://app:pw@127.0.0.1:5000");
    }

    #[test]
    fn a_server_is_asked_as_its_clients_ask_and_is_ready_once_it_says_so() {
        assert_eq!(Postgres.question("pw"), b"\0\0\0\x24\0\x03\0\0user\0app\0database\0postgres\0\0");
        assert_eq!(Redis.question("pw"), b"AUTH default pw\r\nPING\r\n");
        assert_eq!(Mosquitto.question("pw"), b"\x10\x18\0\x04MQTT\x04\xc2\0\x0a\0\x03dyn\0\x03app\0\x02pw");
        let answers: [(ResourceProgram, &[u8], bool, bool); 8] = [
            (Postgres, b"", false, false),
            (Postgres, b"R\0\0", true, true),
            (Postgres, b"E\0\0", false, true),
            (Redis, b"+OK\r\n", false, false),
            (Redis, b"+OK\r\n+PONG\r\n", true, true),
            (Redis, b"-LOADING\r\n-LOADING\r\n", false, true),
            (Mosquitto, b"\x20\x02\0\0", true, true),
            (Mosquitto, b"\x20\x02\0\x05", false, true),
        ];
        for (program, answer, ready, whole) in answers {
            assert_eq!((program.is_ready(answer), program.is_whole(answer)), (ready, whole), "{program:?} {answer:?}");
        }
    }
}
