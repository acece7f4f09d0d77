//! Says where `dyn` is built for nothing, and which commit it is built from.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system != "linux" {
        // Before any dependency fails for want of Linux.
        println!(
            "cargo::error=dyn runs on Linux only, and this build is for {system}; docs/macos.md says what is missing"
        );
        return;
    }
    if let Some(commit) = git(&["rev-parse", "--short=10", "HEAD"]) {
        println!("cargo::rustc-env=DYN_COMMIT={commit}");
        // Another commit, or another branch.
        let head = git(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default();
        for name in ["HEAD", &head, "packed-refs"] {
            let file = git(&["rev-parse", "--git-path", name]).filter(|file| Path::new(file).is_file());
            file.iter().for_each(|file| println!("cargo::rerun-if-changed={file}"));
        }
    }
}

/// What git says of this folder, where it is a clone.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let words = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    Some(words).filter(|words| !words.is_empty())
}
