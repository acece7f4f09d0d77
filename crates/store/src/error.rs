//! Why a store does not answer.

use std::io;
use std::path::PathBuf;

/// Why a store does not answer.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The disk has no room for another change. What was kept is safe, and can be read.
    #[error("the disk of the store is full")]
    Full,
    /// The file cannot be opened.
    #[error("cannot open the store {}: {why}", path.display())]
    Open { path: PathBuf, why: String },
    /// Another process has it.
    #[error("another process uses the store {}", path.display())]
    Busy { path: PathBuf },
    /// A newer version of this program wrote it.
    #[error("the store {} has format {found}, and this program knows formats up to {known}", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// A statement failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The thread that writes has ended.
    #[error("the store is closed")]
    Closed,
}

impl DatabaseError {
    pub(crate) fn io(path: &std::path::Path, error: &io::Error) -> Self {
        Self::Open { path: path.to_owned(), why: error.to_string() }
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Failed(error.to_string()),
        }
    }
}
