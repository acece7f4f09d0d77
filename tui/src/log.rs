//! The last lines that services wrote, bounded.

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
                line.line = short(session_api::plain(&line.line).into_owned());
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
}
