//! A program on a pseudo-terminal, and what a person would see of it.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// Long enough for the slowest machine to have built everything; reached only by a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// `dyn dev` on plain processes, with colours left out so that words alone have to do.
pub fn dev(file: &Path) -> CommandBuilder {
    let mut command = CommandBuilder::new(crate::program());
    command.args(["dev", "--on", "process", "--port", "0"]);
    command.arg(file);
    command.cwd(crate::repository());
    command.env("DYNINKA_HOME", crate::home());
    command.env("NO_COLOR", "1");
    command.env("TERM", "xterm-256color");
    command.env_remove("CI");
    command
}

pub struct Screen {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    raw: Vec<u8>,
}

fn cells(n: u16) -> NonZero<u16> {
    NonZero::new(n).unwrap()
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

impl Screen {
    pub fn open(command: CommandBuilder, rows: u16, columns: u16) -> Self {
        let pair = native_pty_system().openpty(size(rows, columns)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Ends with an error when the last program on the terminal is gone.
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        Self { master: pair.master, child, keys, output, parser, raw: Vec::new() }
    }

    /// Waits until what is on the screen passes.
    pub fn wait_for(&mut self, what: &str, passes: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.parser.screen().contents();
            if passes(&text) {
                return;
            }
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(error) => {
                    drop(self.child.kill());
                    panic!("no {what} ({error}) on\n{text}");
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
        self.raw.extend_from_slice(bytes);
    }

    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.parser.screen_mut().set_size(cells(rows), cells(columns));
        self.master.resize(size(rows, columns)).unwrap();
    }

    /// The address on the screen.
    pub fn url(&self) -> String {
        let text = self.parser.screen().contents();
        let at = text.find("http://").unwrap_or_else(|| panic!("no address on\n{text}"));
        text[at..].split_whitespace().next().unwrap().to_owned()
    }

    /// Whether the program switched to a screen of its own (`smcup`: DEC private mode 1049).
    pub fn has_taken_the_terminal(&self) -> bool {
        self.raw.windows(8).any(|bytes| bytes == b"\x1b[?1049h")
    }

    /// Waits for the end. The terminal must be as it was: its own screen, a cursor, no mouse.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        // What it wrote last may still be on its way.
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
            self.take(&bytes);
        }
        let screen = self.parser.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        (status, screen.contents())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A failed test leaves no session behind; one that ended is not there to be killed.
        if let Some(pid) = self.child.process_id() {
            drop(std::process::Command::new("kill").arg("-INT").arg(pid.to_string()).output());
        }
    }
}
