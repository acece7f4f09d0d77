//! A rustc that can be held, killed, upgraded and taken away without anybody else noticing.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use support::dyn_command;
use support::session::PATIENCE;

/// `O_NONBLOCK` of open(2) on Linux: whoever opens a pipe for writing learns whether somebody reads it.
const NONBLOCK: i32 = 0o4000;

/// A toolchain of the test's own: the machine's, with a script in front of rustc.
pub(crate) struct Toolchain {
    folder: tempfile::TempDir,
    rustc: PathBuf,
}

/// A rustc that stands still until this is dropped.
pub(crate) struct Held {
    _pipe: File,
    /// Its process.
    pub(crate) pid: String,
}

impl Toolchain {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc").stdout;
        let sysroot = PathBuf::from(String::from_utf8(sysroot).expect("a path").trim());
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        symlink(sysroot.join("lib"), folder.path().join("lib")).expect("a link");
        symlink(sysroot.join("bin/cargo"), folder.path().join("bin/cargo")).expect("a link");
        let toolchain = Self { folder, rustc: sysroot.join("bin/rustc") };
        toolchain.write("");
        toolchain
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where rustc is.
    pub(crate) fn rustc(&self) -> PathBuf {
        self.path("bin/rustc")
    }

    /// The script, with more lines before rustc is called.
    fn write(&self, more: &str) {
        let (own, real) = (self.folder.path().display(), self.rustc.display());
        let script = format!(
            "#!/bin/sh
case \"$*\" in
'--print sysroot') echo {own}; exit ;;
esac
{more}
exec {real} \"$@\"
"
        );
        // Renamed over: a script that runs meanwhile is read to its end.
        // Written by a process of its own: a child that another test starts meanwhile would inherit the file open for
        // writing, and nobody could run it.
        fs::write(self.path("text"), script).expect("a script");
        let written = Command::new("install").arg("-m755").args([self.path("text"), self.path("new")]).status();
        assert!(written.expect("install").success());
        fs::rename(self.path("new"), self.rustc()).expect("a rename");
    }

    /// Every later rustc whose arguments match a pattern of the shell stands still until it is let go.
    pub(crate) fn hold(&self, pattern: &str) {
        let (pipe, pid) = (self.path("pipe"), self.path("pid"));
        if !pipe.exists() {
            assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        }
        let (pipe, pid) = (pipe.display(), pid.display());
        self.write(&format!("case \" $* \" in\n{pattern}) echo $$ > {pid}; read -r gone < {pipe} ;;\nesac"));
    }

    /// Waits until a rustc stands still. No other stands still from then on.
    pub(crate) fn held(&self) -> Held {
        let begun = Instant::now();
        let pipe = loop {
            match OpenOptions::new().write(true).custom_flags(NONBLOCK).open(self.path("pipe")) {
                Ok(pipe) => break pipe,
                Err(_) => assert!(begun.elapsed() < PATIENCE, "no rustc came"),
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        self.write("");
        let pid = fs::read_to_string(self.path("pid")).expect("a pid").trim().to_owned();
        Held { _pipe: pipe, pid }
    }

    /// From now on rustc is killed, as by a machine out of memory, where a library is to hold more than so many services.
    pub(crate) fn kill_over(&self, services: usize) {
        self.write(&format!(
            "case \" $* \" in\n*--crate-type=cdylib*)
    for word in \"$@\"; do
        case $word in
        *.rs) [ \"$(grep -c '^service: ' \"$word\")\" -gt {services} ] && kill -9 $$ ;;
        esac
    done ;;\nesac"
        ));
    }

    /// From now on rustc says that it is another version, and refuses once what `-vV` of before compiled.
    pub(crate) fn upgrade(&self) {
        self.write(&format!(
            "case \"$*\" in\n'-vV') {} -vV && echo 'build: upgraded'; exit ;;\nesac",
            self.rustc.display()
        ));
    }

    /// From now on rustc says that it is an old one.
    pub(crate) fn age(&self) {
        let real = self.rustc.display();
        self.write(&format!(
            "case \"$*\" in\n'-vV') {real} -vV | sed '1s/.*/rustc 1.80.1 (3f5fd8dd4 2024-08-06)/'; exit ;;\nesac"
        ));
    }

    /// The next rustc that makes a library is told by its own libraries that another rustc compiled them.
    pub(crate) fn mismatch_once(&self) {
        let once = self.path("once");
        fs::write(&once, "").expect("a mark");
        let words = r#"{"$message_type":"diagnostic","message":"found crate `serde` compiled by an incompatible version of rustc","code":{"code":"E0514","explanation":null},"level":"error","spans":[],"children":[],"rendered":"error[E0514]"}"#;
        self.write(&format!(
            "case \" $* \" in\n*--crate-type=cdylib*) if rm {} 2>/dev/null; then echo '{words}' >&2; exit 1; fi ;;\nesac",
            once.display()
        ));
    }

    /// Whether the mismatch was told.
    pub(crate) fn has_mismatched(&self) -> bool {
        !self.path("once").exists()
    }

    /// From now on rustc reads no arguments from its standard input.
    pub(crate) fn never_wait(&self) {
        self.write("case \" $* \" in\n*@/dev/stdin*) exit 3 ;;\nesac");
    }

    /// Takes rustc away.
    pub(crate) fn remove(&self) {
        fs::remove_file(self.rustc()).expect("a removal");
    }

    /// Brings it back.
    pub(crate) fn restore(&self) {
        self.write("");
    }

    /// A `dyn` that builds with it. All that it starts carries the folder's name in its environment. A closed terminal
    /// means something to it, also where these tests run under `nohup`.
    pub(crate) fn dyn_command(&self) -> Command {
        let own = dyn_command();
        let mut command = Command::new("env");
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.arg("--default-signal=HUP").arg(own.get_program()).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.env("RUSTC", self.rustc()).env("DYNINKA_TEST", self.mark());
        command
    }

    fn mark(&self) -> OsString {
        self.folder.path().as_os_str().to_owned()
    }

    /// What runs of all that was started with [`Self::dyn_command`].
    pub(crate) fn running(&self) -> Vec<String> {
        marked(&self.mark())
    }

    /// What is left of it once all had the time to go that a session's end may take.
    pub(crate) fn left(&self) -> Vec<String> {
        let begun = std::time::Instant::now();
        loop {
            let running = self.running();
            if running.is_empty() || begun.elapsed() > std::time::Duration::from_secs(2) {
                return running;
            }
        }
    }
}

/// The processes that carry a mark in their environment, with their command lines.
fn marked(mark: &OsString) -> Vec<String> {
    let mut variable = b"DYNINKA_TEST=".to_vec();
    variable.extend(mark.as_encoded_bytes());
    let read = |path: PathBuf| {
        let mut bytes = Vec::new();
        // A process may end while it is looked at.
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).ok().map(|_| bytes)
    };
    let carries = |folder: &Path| {
        read(folder.join("environ"))?.split(|byte| *byte == 0).any(|found| found == variable).then_some(())?;
        let words = read(folder.join("cmdline"))?;
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        // One that has ended and is not waited for yet has neither words nor memory.
        (!words.is_empty()).then(|| format!("{} {words}", folder.display()))
    };
    let processes = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    processes.filter_map(|folder| carries(&folder)).collect()
}
