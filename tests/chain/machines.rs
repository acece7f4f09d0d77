//! Machines that lack what a build needs: each is told what is missing and how to get it.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::saves::numbered;
use crate::toolchain::Toolchain;
use support::session::Dev;
use support::{app, dyn_command};

/// What a start says that cannot build: message and help of its only finding.
fn refusal(command: Command) -> (String, String) {
    let (_folder, file) = app(&numbered(1));
    let mut dev = Dev::spawn(command, &file, &["--on", "process", "--port", "0"]);
    let broken = dev.wait_for("broken");
    dev.wait_for("stopped");
    assert_eq!(dev.end().0.code(), Some(1));
    let finding = &broken["diagnostics"][0];
    let words = |part: &Value| part.as_str().unwrap_or_default().to_owned();
    (words(&finding["message"]), words(&finding["help"]))
}

#[test]
fn a_first_start_without_a_network_names_the_crate_that_is_missing() {
    let (home, cargo) = (tempfile::tempdir().expect("a home"), tempfile::tempdir().expect("cargo's home"));
    let mut command = dyn_command();
    command.env("DYNINKA_HOME", home.path()).env("CARGO_HOME", cargo.path()).env("CARGO_NET_RETRY", "0");
    for (name, _) in std::env::vars().filter(|(name, _)| name.to_lowercase().ends_with("_proxy")) {
        command.env_remove(name);
    }
    // Nobody listens there.
    command.env("HTTPS_PROXY", "http://127.0.0.1:1");
    let (message, help) = refusal(command);
    assert!(message.starts_with("cannot fetch serde"), "{message}");
    assert!(help.contains("network") && help.contains("cargo fetch"), "{help}");
}

#[test]
fn a_rustc_that_is_too_old_is_told_with_the_one_that_is_needed() {
    let toolchain = Toolchain::new();
    toolchain.age();
    let (message, help) = refusal(toolchain.dyn_command());
    assert!(message.contains("rustc 1.80.1") && message.contains("services need Rust 1."), "{message}");
    assert!(help.contains("rustup update"), "{help}");
}

#[test]
fn a_machine_without_a_c_compiler_is_told_what_to_install() {
    let (path, toolchain) = (tempfile::tempdir().expect("a folder"), Toolchain::new());
    let shell = if std::path::Path::new("/bin/sh").exists() { "/bin/sh" } else { "/usr/bin/sh" };
    symlink(shell, path.path().join("sh")).expect("a link");
    let mut command = dyn_command();
    command.env("PATH", path.path()).env("RUSTC", toolchain.rustc());
    let (message, help) = refusal(command);
    assert!(message.contains("cannot link a library") && message.contains("cc: it is not installed"), "{message}");
    assert!(help.contains("install a C compiler"), "{help}");
}
