//! Where a shell speaks: values on one stream, everything else on another.

use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;
use serde_json::Value;
use session_api::escaped;
use session_api::grammar::Mistake;

use crate::paint::{ERROR, HINT, Paint, QUIET};
use crate::words;

/// Two streams.
pub(crate) struct Voice {
    values: Box<dyn Write + Send + Sync>,
    talk: Box<dyn Write + Send + Sync>,
    pub(crate) paint: Paint,
    talk_paint: Paint,
    /// Values over several lines.
    pretty: bool,
    /// Columns of the terminal that values go to.
    terminal: bool,
}

impl Voice {
    /// The standard output and error.
    pub(crate) fn standard(color: Option<bool>) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let on = |choice: ColorChoice| color.unwrap_or(choice != ColorChoice::Never);
        let terminal = out.is_terminal();
        Self {
            paint: Paint { on: on(anstream::AutoStream::choice(&out)) },
            talk_paint: Paint { on: on(anstream::AutoStream::choice(&err)) },
            pretty: terminal,
            terminal,
            values: Box::new(out),
            talk: Box::new(err),
        }
    }

    /// Streams that are no terminal.
    pub(crate) fn plain(values: Box<dyn Write + Send + Sync>, talk: Box<dyn Write + Send + Sync>) -> Self {
        let paint = Paint { on: false };
        Self { values, talk, paint, talk_paint: paint, pretty: false, terminal: false }
    }

    pub(crate) fn value(&mut self, value: &Value) -> io::Result<()> {
        let text = self.paint.value(value, self.pretty);
        self.print(&text)
    }

    /// What was asked for, where that is not JSON. Ends with a line end.
    pub(crate) fn print(&mut self, text: &str) -> io::Result<()> {
        write_line(&mut self.values, text)
    }

    /// What stands beside it.
    pub(crate) fn talk(&mut self, text: &str) -> io::Result<()> {
        let text = self.talk_paint.paint(QUIET, &escaped(text));
        write_line(&mut self.talk, &text)
    }

    pub(crate) fn error(&mut self, message: &str) -> io::Result<()> {
        let text = format!("{}: {}", self.talk_paint.paint(ERROR, "error"), escaped(message));
        write_line(&mut self.talk, &text)
    }

    pub(crate) fn hint(&mut self, hint: &str) -> io::Result<()> {
        let text = format!("{}: {}", self.talk_paint.paint(HINT, "hint"), escaped(hint));
        write_line(&mut self.talk, &text)
    }

    /// A line that does not read, with its place marked.
    pub(crate) fn mistake(&mut self, line: &str, mistake: &Mistake) -> io::Result<()> {
        self.error(&mistake.message)?;
        let (shown, marks) = words::marked(line, &mistake.at);
        write_line(&mut self.talk, &format!("  {shown}\n  {}", self.talk_paint.paint(ERROR, &marks)))?;
        mistake.hint.iter().try_for_each(|hint| self.hint(hint))
    }

    /// How many columns a table may take; none where nobody looks.
    pub(crate) fn width(&self) -> Option<u16> {
        let size = self.terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok()).flatten();
        size.map(|size| size.ws_col).filter(|columns| *columns > 0)
    }
}

fn write_line(stream: &mut impl Write, text: &str) -> io::Result<()> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    // In one piece, so that the lines of others do not come between.
    stream.write_all(format!("{text}\n").as_bytes())?;
    stream.flush()
}
