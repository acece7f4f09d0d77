//! Where the examples are that tests and benches need, built as this program was.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What tests of `host` load and start.
const OF_HOST: [&str; 7] = ["hop_first", "hop_kinds", "hop_last", "hop_uneven", "replay_odd", "replay_worker", "serve"];

/// Those of `host`: their folder.
pub fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&OF_HOST))
}

/// The program that jails itself and runs functions, of `functions`.
pub fn sandbox() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build(&["sandbox"]).join("sandbox"))
}

/// With the features that the whole workspace gives to what they need, as `cargo test --workspace` has built them: those of one
/// package alone are others, and everything would be compiled once more.
fn build(names: &[&str]) -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--workspace"]);
    command.args(names.iter().flat_map(|name| ["--example", name]));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    assert!(command.status().is_ok_and(|status| status.success()), "the examples {names:?} do not build");
    // …/deps/this-program
    std::env::current_exe().expect("this program").parent().expect("its folder").with_file_name("examples")
}
