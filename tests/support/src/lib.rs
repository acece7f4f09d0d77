//! Runs the `dyn` binary as a person or a program would, and starts what such runs need.

#![expect(clippy::unwrap_used, reason = "tests")]

pub mod browser;
pub mod debugger;
pub mod disk;
pub mod engine;
mod examples;
pub mod hosts;
pub mod language_server;
pub mod screen;
pub mod session;

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub use examples::{examples, sandbox};

/// The binary under test. Cargo names it to the integration tests of its package.
pub fn program() -> PathBuf {
    env::var_os("CARGO_BIN_EXE_dyn").expect("`cargo test` of the package with the binary").into()
}

/// The folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The home of every run: one build cache, and a folder for each app.
pub fn home() -> PathBuf {
    program().ancestors().nth(2).unwrap().join("tmp/home")
}

/// `dyn`, without its arguments.
pub fn dyn_command() -> Command {
    let mut command = Command::new(program());
    command.env("DYNINKA_HOME", home()).env("NO_COLOR", "1").current_dir(repository());
    command
}

/// Runs `dyn` to its end.
pub fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    dyn_command().args(arguments).output().unwrap()
}

/// Fails where a program is not on this machine, with the package of Debian that has it: a test that is passed over shows
/// nothing.
pub fn installed(program: &str, package: &str) {
    installed_by(program, &format!("apt-get install {package}"));
}

/// The same for a program that no package of Debian has: `how` it is installed.
pub fn installed_by(program: &str, how: &str) {
    let named = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        env::split_paths(&named).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let is_there = folders.iter().any(|folder| folder.join(program).is_file());
    assert!(is_there, "these tests need {program}: {how}");
}

/// An app in a folder of its own, gone with the returned guard. No two tests share an app's file.
pub fn app(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.rs");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

/// Makes a test of each backend out of a function that takes the backend's name.
#[macro_export]
macro_rules! on_both_backends {
    ($($test:ident),* $(,)?) => {
        mod process {
            $(#[test] fn $test() { super::$test("process"); })*
        }
        mod docker {
            $(#[test] fn $test() { super::$test("docker"); })*
        }
    };
}
