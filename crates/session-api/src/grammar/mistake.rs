//! What is wrong with a line, where, and how to mend it.

use std::fmt::{self, Display};
use std::ops::Range;

/// A line that does not read, or that asks for what is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    /// The place in characters of the line; empty where something is missing.
    pub at: Range<usize>,
    /// The mistake, in words.
    pub message: String,
    /// A hint at a remedy.
    pub hint: Option<String>,
}

impl Mistake {
    /// `at` in bytes until [`Mistake::in_characters`].
    pub(super) fn new(at: Range<usize>, message: impl Display) -> Self {
        Self { at, message: message.to_string(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// `did you mean …?`, or else every name there is.
    pub(super) fn nearest<'n>(self, wrong: &str, names: impl IntoIterator<Item = &'n str>, what: &str) -> Self {
        self.hint(app::suggest(wrong, names, what))
    }

    pub(super) fn in_characters(mut self, line: &str) -> Self {
        self.at = characters(line, self.at);
        self
    }
}

/// Turns a place in bytes into one in characters.
pub(super) fn characters(line: &str, bytes: Range<usize>) -> Range<usize> {
    let count = |end: usize| line.char_indices().take_while(|(at, _)| *at < end).count();
    count(bytes.start)..count(bytes.end)
}

/// `1 input`, `2 inputs`.
pub(super) struct Inputs(pub(super) usize);

impl Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no input"),
            1 => f.write_str("1 input"),
            n => write!(f, "{n} inputs"),
        }
    }
}
