//! Where the examples are that tests and benches need, built as this program was.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Those of `host`: their folder.
pub fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("host"))
}

/// The program that jails itself and runs functions, of `functions`.
pub fn sandbox() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("functions").join("sandbox"))
}

fn build(package: &str) -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--package", package, "--examples"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    assert!(command.status().is_ok_and(|status| status.success()), "the examples of {package} do not build");
    // …/deps/this-program
    std::env::current_exe().expect("this program").parent().expect("its folder").with_file_name("examples")
}
