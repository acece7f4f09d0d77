//! Where the examples are that tests and benches need, built as this program was.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Their folder.
pub fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package", "host", "--examples"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        assert!(command.status().is_ok_and(|status| status.success()), "the services for this test do not build");
        // …/deps/this-program
        std::env::current_exe().expect("this program").parent().expect("its folder").with_file_name("examples")
    })
}
