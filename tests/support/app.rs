//! An app in a file of its own.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

/// A file of its own folder, gone with the returned guard. No two tests share an app's file.
pub(crate) fn app(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.rs");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}
