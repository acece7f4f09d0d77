//! Runs the `dyn` binary as a person or a program would.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary under test. Every run shares one build cache, and has its run folders there.
pub(crate) fn dyn_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dyn"));
    command.env("DYNINKA_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("home"));
    command.env("NO_COLOR", "1").current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs `dyn` to its end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    dyn_command().args(arguments).output().unwrap()
}

/// A file of its own folder, gone with the returned guard. No two tests share an app's file.
pub(crate) fn app(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.rs");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}
