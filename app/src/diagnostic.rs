//! What is wrong, where, and how to mend it.

use std::path::PathBuf;

use serde::Serialize;

/// One finding. Its JSON form is the one of `check --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// What is wrong: lowercase, no full stop.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The service whose build it stops, where it is one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is built.
    Error,
    /// Worth a look.
    Warning,
}

/// A stretch of a file. Lines and columns count from 1; columns are characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Place {
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
