//! What is wrong, where, and how to mend it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One finding. Its JSON form is the one of `check --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// What is wrong: lowercase, no full stop.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub place: SourcePlace,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The service whose build it stops, where it is one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Other places that have to do with it, as the other end of a step of the flow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

/// Another place that has to do with a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Related {
    /// What is there: lowercase, no full stop.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub place: SourcePlace,
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is built.
    Error,
    /// Worth a look.
    Warning,
}

/// A stretch of a file. Lines and columns count from 1; columns are characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SourcePlace {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// First line.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// Last line.
    pub end_line: usize,
    /// Column after the last.
    pub end_column: usize,
}

impl Diagnostic {
    /// An error.
    pub fn error(message: impl Into<String>, place: SourcePlace) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            place,
            help: None,
            service: None,
            related: Vec::new(),
        }
    }

    /// A file that cannot be read, and why.
    pub fn unreadable(file: &std::path::Path, why: &str) -> Self {
        Self::error(format!("cannot read {}: {why}", file.display()), SourcePlace::start_of(file))
    }

    /// How to mend it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl SourcePlace {
    /// The first character of a file.
    pub fn start_of(file: &std::path::Path) -> Self {
        Self { file: file.to_owned(), line: 1, column: 1, end_line: 1, end_column: 1 }
    }

    /// A stretch of bytes of a file's text.
    pub(crate) fn of_range(file: &std::path::Path, text: &str, range: std::ops::Range<usize>) -> Self {
        let (line, column) = position(text, range.start);
        let (end_line, end_column) = position(text, range.end);
        Self { file: file.to_owned(), line, column, end_line, end_column }
    }
}

/// Line and column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    (line, column)
}
