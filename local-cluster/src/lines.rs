//! What a service writes, line by line.

/// A longer line is cut here: it is a dump, not a log. What never ends must not fill the session.
const LONGEST: usize = 16 << 10;

/// The line that is being written.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
    /// The bytes that were cut off.
    cut: u64,
}

impl Lines {
    /// Takes what was written, and tells every line that it ends.
    pub(crate) fn take(&mut self, mut bytes: &[u8], mut tell: impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.add(&bytes[..end]);
            tell(self.line());
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    /// Tells the last one, where nothing ended it.
    pub(crate) fn end(mut self, tell: impl FnOnce(String)) {
        if !self.begun.is_empty() {
            tell(self.line());
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(LONGEST - self.begun.len());
        self.begun.extend_from_slice(&bytes[..fits]);
        self.cut += (bytes.len() - fits) as u64;
    }

    fn line(&mut self) -> String {
        // Only now: a character may have come in two parts.
        let mut line = String::from_utf8_lossy(&self.begun).trim_end_matches('\r').to_owned();
        self.begun.clear();
        let cut = std::mem::take(&mut self.cut);
        if cut > 0 {
            line.push_str(&format!("… ({cut} bytes more)"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| lines.take(piece, |line| told.push(line)));
        lines.end(|line| told.push(line));
        told
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let text = "one\r\n\ntw\u{f6}\nthree".as_bytes();
        let expected = ["one", "", "tw\u{f6}", "three"];
        assert_eq!(told(&[text]), expected);
        for at in 0..=text.len() {
            assert_eq!(told(&[&text[..at], &text[at..]]), expected, "{at}");
        }
        assert_eq!(told(&[b"\xff\n"]), ["\u{fffd}"]);
        assert!(told(&[b""]).is_empty());
    }

    #[test]
    fn a_line_that_never_ends_takes_bounded_room() {
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            lines.take(&[b'x'; 4096], |_| panic!("it has no end"));
            assert!(lines.begun.len() <= LONGEST && lines.begun.capacity() <= 2 * LONGEST);
        }
        let mut told = Vec::new();
        lines.take(b"\nnext\n", |line| told.push(line));
        let end = format!("x… ({} bytes more)", 4_096_000 - LONGEST);
        assert!(told[0].ends_with(&end) && told[0].len() < LONGEST + 64, "{}", &told[0][LONGEST..]);
        assert_eq!(told[1], "next");
    }
}
