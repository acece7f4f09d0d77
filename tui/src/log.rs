//! The last lines that services wrote, bounded.

use std::borrow::Cow;
use std::collections::VecDeque;

/// More of a line nobody reads here; its file has it whole.
const MOST_BYTES: usize = 4 << 10;
/// All lines together.
const MOST_OF_ALL: usize = 16 << 20;

/// A line a service wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownLine {
    /// Rust name.
    pub service: String,
    /// `stderr` rather than `stdout`.
    pub stderr: bool,
    /// Milliseconds since the session began.
    pub at_ms: u64,
    /// Without its line end.
    pub line: String,
}

/// What arrives in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// A line.
    Line(ShownLine),
    /// So many lines were lost on their way here.
    Lost(u64),
}

/// The last lines, each with a number that it keeps.
#[derive(Clone, Debug)]
pub struct LogRing {
    lines: VecDeque<ShownLine>,
    capacity: usize,
    bytes: usize,
    first: u64,
    lost: u64,
}

impl LogRing {
    /// A ring that keeps so many lines.
    pub fn new(capacity: usize) -> Self {
        Self { lines: VecDeque::new(), capacity: capacity.max(1), bytes: 0, first: 0, lost: 0 }
    }

    /// Takes in what arrived; the oldest line goes where there is no room.
    pub fn push(&mut self, logged: Logged) {
        match logged {
            Logged::Lost(n) => self.lost = self.lost.saturating_add(n),
            Logged::Line(mut line) => {
                line.line = short(printable(&line.line).into_owned());
                self.bytes += line.line.len();
                self.lines.push_back(line);
                while self.lines.len() > self.capacity || self.bytes > MOST_OF_ALL {
                    self.bytes -= self.lines.pop_front().map_or(0, |line| line.line.len());
                    self.first += 1;
                }
            }
        }
    }

    /// The lines with their numbers, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = (u64, &ShownLine)> {
        self.lines_from(0)
    }

    /// The lines from that number on.
    pub fn lines_from(&self, number: u64) -> impl DoubleEndedIterator<Item = (u64, &ShownLine)> {
        let start = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.lines.len());
        let first = self.first + start as u64;
        self.lines.range(start..).enumerate().map(move |(at, line)| (first + at as u64, line))
    }

    /// The number the next line will have.
    pub fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// Lines that never arrived.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

/// Without what a terminal would act on: escape sequences and control characters go, a tab becomes two spaces and a line
/// end one, and what nobody sees is written out.
pub(crate) fn printable(line: &str) -> Cow<'_, str> {
    if !line.chars().any(|c| c.is_control() || session_api::is_unseen(c)) {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\t' => text.push_str("  "),
            '\n' => text.push(' '),
            '\u{1b}' => match rest.next() {
                // A control sequence ends with its first byte from @ to ~.
                Some('[') => while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // An operating system command ends with BEL or ESC \.
                Some(']') => while rest.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
                _ => {}
            },
            c if c.is_control() => {}
            c if session_api::is_unseen(c)
                && !session_api::joins(c, text.chars().next_back(), rest.peek().copied()) =>
            {
                text.push_str(&session_api::written_out(c));
            }
            c => text.push(c),
        }
    }
    Cow::Owned(text)
}

/// A line of no more than so many bytes; where it was cut, it says so.
pub fn short(mut line: String) -> String {
    if line.len() > MOST_BYTES {
        let end = line.floor_char_boundary(MOST_BYTES);
        let more = line.len() - end;
        line.truncate(end);
        line.push_str(&format!(" ... and {more} bytes more"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Logged {
        Logged::Line(ShownLine { service: "map".into(), stderr: false, at_ms: 0, line: text.into() })
    }

    #[test]
    fn the_oldest_lines_go_and_the_others_keep_their_numbers() {
        let mut ring = LogRing::new(2);
        for text in ["a", "b", "c"] {
            ring.push(line(text));
        }
        ring.push(Logged::Lost(4));
        let kept: Vec<_> = ring.lines().map(|(number, line)| (number, line.line.as_str())).collect();
        assert_eq!(kept, [(1, "b"), (2, "c")]);
        assert_eq!((ring.end(), ring.lost()), (3, 4));
    }

    #[test]
    fn the_lines_take_bounded_room() {
        let mut ring = LogRing::new(usize::MAX);
        for _ in 0..2 * MOST_OF_ALL / MOST_BYTES {
            ring.push(line(&"x".repeat(MOST_BYTES)));
        }
        assert_eq!((ring.bytes, ring.lines().count()), (MOST_OF_ALL, MOST_OF_ALL / MOST_BYTES));
        assert_eq!(ring.end() as usize, 2 * MOST_OF_ALL / MOST_BYTES);
    }

    #[test]
    fn a_line_without_end_is_cut_and_says_so() {
        let cut = short("é".repeat(MOST_BYTES));
        assert!(cut.ends_with("é ... and 4096 bytes more") && cut.len() < MOST_BYTES + 40);
        assert_eq!(short("as it is".into()), "as it is");
    }

    #[test]
    fn nothing_a_service_writes_steers_the_terminal() {
        assert_eq!(printable("\u{1b}[31mred\u{1b}[0m\tx\u{7}\u{1b}]0;title\u{7}y\r"), "red  xy");
        assert_eq!(printable("\u{1b}"), "");
        assert_eq!(printable("paid \u{202e}001\u{200b}"), "paid \\u{202e}001\\u{200b}");
    }
}
