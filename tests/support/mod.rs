//! Runs the `dyn` binary as a person or a program would.

#![expect(clippy::unwrap_used, reason = "tests")]

mod app;

use std::path::Path;
use std::process::{Command, Output};

pub(crate) use app::app;

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
