//! Standard input and output, kept from the functions: a word they print would stand among the answers.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};

use protocol::replay::{Ask, ReplayAnswer};
use rustix::stdio::{dup2_stdin, dup2_stdout};

/// What is asked and answered.
pub(super) struct Voice {
    from: BufReader<File>,
    to: File,
    line: Vec<u8>,
}

impl Voice {
    /// Takes standard input and output over. From here on the first is empty, and the other leads to standard error.
    pub(super) fn take() -> io::Result<Self> {
        let from = File::from(rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?);
        let to = File::from(rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?);
        dup2_stdin(OpenOptions::new().read(true).open("/dev/null")?)?;
        dup2_stdout(io::stderr())?;
        Ok(Self { from: BufReader::new(from), to, line: Vec::new() })
    }

    /// Where answers go.
    pub(super) fn to(&self) -> &File {
        &self.to
    }

    /// The next that is asked; none when nobody asks any more.
    pub(super) fn hear(&mut self) -> io::Result<Option<serde_json::Result<Ask>>> {
        self.line.clear();
        let read = self.from.read_until(b'\n', &mut self.line)?;
        Ok((read > 0).then(|| serde_json::from_slice(&self.line)))
    }

    pub(super) fn say(&mut self, answer: &ReplayAnswer) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        super::sandbox::undisturbed(|| self.to.write_all(&line))
    }
}
