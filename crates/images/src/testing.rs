//! What several tests here need.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

/// Writes a program for a test. A process of its own does: a child that another test starts meanwhile inherits what is
/// open for writing here, and until it has become its own program nobody can run the file ("Text file busy").
pub(crate) fn executable(file: &Path, content: &[u8]) {
    let plain = file.with_added_extension("plain");
    std::fs::write(&plain, content).unwrap();
    let written = std::process::Command::new("install").arg("-m755").args([&plain, file]).status();
    assert!(written.unwrap().success());
}
