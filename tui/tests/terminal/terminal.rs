//! A pseudo-terminal with the view on it.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// This test's own program as the view.
const VIEW: [&str; 5] = ["child::view", "--exact", "--ignored", "--nocapture", "--test-threads=1"];

/// A pseudo-terminal with the view on it.
pub(crate) struct Terminal {
    /// The modes before anything ran.
    pub(crate) before: String,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    bytes: Receiver<Vec<u8>>,
    written: Vec<u8>,
    parser: vt100::Parser,
}

impl Terminal {
    /// Starts the view with a session that behaves so.
    pub(crate) fn start(session: &str, (width, height): (u16, u16)) -> Self {
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this test"));
        command.args(VIEW);
        Self::run(command, session, (width, height))
    }

    /// Starts a shell with jobs, in which the second value starts the view.
    pub(crate) fn start_shell(session: &str, size: (u16, u16)) -> (Self, String) {
        let mut command = CommandBuilder::new("bash");
        command.args(["--norc", "--noprofile", "-i"]);
        let line = format!("{} {}\n", std::env::current_exe().expect("this test").display(), VIEW.join(" "));
        (Self::run(command, session, size), line)
    }

    fn run(mut command: CommandBuilder, session: &str, (width, height): (u16, u16)) -> Self {
        let size = PtySize { cols: width, rows: height, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let before = modes(&*pair.master);
        command.env("DYNINKA_TEST_SESSION", session);
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).expect("this test starts");
        let mut output = pair.master.try_clone_reader().expect("a reader");
        let (sender, bytes) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pair.master.take_writer().expect("a writer");
        let parser = vt100::Parser::new(some(height), some(width), 0);
        Self { before, master: pair.master, keys, child, bytes, written: Vec::new(), parser }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        let size = PtySize { cols: width, rows: height, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("the terminal takes a size");
        self.parser.screen_mut().set_size(some(height), some(width));
    }

    /// Waits until the screen shows something.
    pub(crate) fn wait(&mut self, what: &str, seen: impl Fn(&str) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !seen(&self.parser.screen().contents()) {
            let left = end.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(_) => panic!("{what} never came:\n{}", self.parser.screen().contents()),
            }
        }
    }

    /// Waits until something was written so often.
    pub(crate) fn wait_written(&mut self, text: &str, times: usize) {
        let end = Instant::now() + PATIENCE;
        while self.count(text) < times {
            match self.bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(_) => panic!("{text:?} was not written {times} times:\n{}", self.parser.screen().contents()),
            }
        }
    }

    /// Waits until what was begun is written.
    pub(crate) fn settle(&mut self) {
        while let Ok(bytes) = self.bytes.recv_timeout(Duration::from_millis(200)) {
            self.take(&bytes);
        }
    }

    /// How many bytes are written within a time.
    pub(crate) fn bytes_within(&mut self, time: Duration) -> usize {
        let end = Instant::now() + time;
        let mut count = 0;
        loop {
            match self.bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => count += bytes.len(),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return count,
            }
        }
    }

    /// Waits for the end of the program; its exit code.
    pub(crate) fn wait_for_end(&mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        // The last word of the terminal comes before its program is gone.
        while let Ok(bytes) = self.bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.take(&bytes);
        }
        self.child.wait().expect("the program's end").exit_code()
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([format!("-{name}"), self.id()]).status().expect("kill").success());
    }

    /// Waits until the program is stopped.
    pub(crate) fn wait_for_stop(&self) {
        let end = Instant::now() + PATIENCE;
        let status = format!("/proc/{}/status", self.id());
        while !std::fs::read_to_string(&status).expect("the program runs").contains("State:\tT") {
            assert!(Instant::now() < end, "the program never stopped");
            thread::yield_now();
        }
    }

    /// Whether the alternate screen is shown.
    pub(crate) fn is_alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// Whether the cursor is hidden.
    pub(crate) fn hides_cursor(&self) -> bool {
        self.parser.screen().hide_cursor()
    }

    /// How often something was written.
    pub(crate) fn count(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.written).matches(text).count()
    }

    /// The modes of the terminal, as `stty` tells them.
    pub(crate) fn modes(&self) -> String {
        modes(&*self.master)
    }

    fn id(&self) -> String {
        self.child.process_id().expect("the program runs").to_string()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
        self.parser.process(bytes);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A program that has ended cannot be ended again.
        drop(self.child.kill());
    }
}

/// The parser has one row and one column at least.
fn some(size: u16) -> NonZero<u16> {
    NonZero::new(size).unwrap_or(NonZero::<u16>::MIN)
}

fn modes(master: &dyn MasterPty) -> String {
    let name = master.tty_name().expect("a pseudo-terminal has a name");
    let told = Command::new("stty").arg("-F").arg(name).arg("-g").output().expect("stty");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).expect("text")
}
