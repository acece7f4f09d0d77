//! A gdb that is told what to do line by line.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use crate::dyn_command;
use crate::session::PATIENCE;

/// A gdb on the host of a service, started by `dyn debug --attach`.
pub struct Gdb {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    text: String,
    /// What was waited for ends here.
    read: usize,
}

impl Gdb {
    pub fn attach(file: &Path, service: &str) -> Self {
        let version = Command::new("gdb").arg("--version").output();
        assert!(version.is_ok(), "gdb is missing: apt-get install gdb");
        let mut command = dyn_command();
        command.arg("debug").arg(file).args([service, "--with", "gdb", "--attach", "--", "-q", "-nx"]);
        for setting in ["debuginfod enabled off", "pagination off", "confirm off", "width 0"] {
            command.args(["-iex", &format!("set {setting}")]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (sender, output) = channel();
        let mut stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(String::from_utf8_lossy(&buffer[..count]).into_owned()).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take().unwrap();
        Self { child, input, output, text: String::new(), read: 0 }
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
        self.input.flush().unwrap();
    }

    /// Waits for words, and answers the output up to the end of their line, from where it was waited before.
    pub fn wait(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rest = &self.text[self.read..];
            if let Some(at) = rest.find(words)
                && let Some(end) = rest[at..].find('\n')
            {
                let found = rest[..at + end].to_owned();
                self.read += at + end + 1;
                return found;
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(more) => self.text += &more,
                Err(_) => panic!("gdb did not say {words:?}; it said\n{}", self.text),
            }
        }
    }

    /// Leaves the process to itself.
    pub fn quit(mut self) {
        self.say("detach");
        self.say("quit");
        self.child.wait().unwrap();
    }
}

impl Drop for Gdb {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
