//! How cargo calls rustc: written down once, so that rustc can be called without cargo ever after.
//!
//! Cargo is the one that knows which library of which crate, which folders, flags of the user's configuration and
//! variables a crate is compiled with; its messages tell a part of it only. So it is asked to compile an empty
//! crate with the same dependencies and kind, through a wrapper (`RUSTC_WORKSPACE_WRAPPER` goes in front of rustc
//! for that one crate and leaves the dependencies as they are) that keeps the arguments and the environment.
//! The wrapper is a shell script rather than `dyn` itself: it does not change with every `dyn`, which would have
//! cargo compile anew, and programs that link this crate need not play the wrapper's part.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{BuildError, io};
use crate::files;
use crate::manifest::LEAF;

/// Tells the wrapper where to write.
pub(crate) const TARGET: &str = "DYNINKA_CAPTURE";

const SCRIPT: &str = r#"#!/bin/sh
# Writes down how cargo calls rustc for the crate that stands for a service, then lets it.
case " $* " in
*" --crate-name @LEAF@_"*)
    env -0 > "$DYNINKA_CAPTURE.environment.$$" && mv "$DYNINKA_CAPTURE.environment.$$" "$DYNINKA_CAPTURE.environment"
    printf '%s\0' "$@" > "$DYNINKA_CAPTURE.$$" && mv "$DYNINKA_CAPTURE.$$" "$DYNINKA_CAPTURE"
    ;;
esac
exec "$@"
"#;

/// A call of rustc, less what belongs to the empty crate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) arguments: Vec<String>,
    /// Variables that cargo's configuration sets.
    pub(crate) environment: BTreeMap<String, String>,
    /// The user's configuration says how to link.
    pub(crate) has_linker: bool,
    /// The libraries named in it.
    pub(crate) libraries: Vec<PathBuf>,
}

/// Writes the wrapper and answers where it is.
pub(crate) fn wrapper(cache: &Path) -> Result<PathBuf, BuildError> {
    let file = cache.join("capture.sh");
    if files::write_changed(&file, SCRIPT.replace("@LEAF@", LEAF).as_bytes())? || !is_executable(&file) {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).map_err(io("make executable", &file))?;
    }
    Ok(file)
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o100 != 0)
}

/// Where the environment of a call written to `file` is.
pub(crate) fn environment_file(file: &Path) -> PathBuf {
    file.with_added_extension("environment")
}

/// Reads what the wrapper wrote.
pub(crate) fn read(file: &Path) -> Result<Call, BuildError> {
    let text = fs::read(file).map_err(io("read", file))?;
    let variables = environment_file(file);
    let variables = fs::read(&variables).map_err(io("read", &variables))?;
    let split = |text: &[u8]| -> Vec<String> {
        let parts = text.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    };
    let mut call = keep(&split(&text));
    call.environment = set_by_configuration(&split(&variables), &|name| std::env::var(name).ok());
    Ok(call)
}

/// Options that stand apart from their value.
const WITH_VALUE: [&str; 15] = [
    "-A",
    "-C",
    "-D",
    "-F",
    "-L",
    "-W",
    "-Z",
    "-l",
    "--cap-lints",
    "--cfg",
    "--check-cfg",
    "--crate-name",
    "--extern",
    "--out-dir",
    "--target",
];

/// What counts for every crate of the same dependencies. Whatever is not known here is the user's and is kept.
fn keep(call: &[String]) -> Call {
    let mut kept = Call::default();
    // The first is rustc itself.
    let mut rest = call.iter().skip(1).peekable();
    while let Some(argument) = rest.next() {
        if WITH_VALUE.contains(&argument.as_str()) || argument == "--crate-type" {
            let Some(value) = rest.next() else { break };
            keep_pair(&mut kept, argument, value);
        } else if let Some(value) = argument.strip_prefix("-C") {
            keep_pair(&mut kept, "-C", value);
        } else if !argument.starts_with('-') || is_of_one_crate(argument) {
            continue;
        } else {
            kept.arguments.push(argument.clone());
        }
    }
    kept
}

fn keep_pair(kept: &mut Call, option: &str, value: &str) {
    match option {
        "-C" if is_decided_here(value) => return,
        "-C" => kept.has_linker |= value.starts_with("link"),
        "--extern" => kept.libraries.extend(value.split_once('=').map(|(_, file)| PathBuf::from(file))),
        "--cfg" | "-L" | "-l" | "-Z" | "--target" => {}
        _ => return,
    }
    kept.arguments.extend([option.to_owned(), value.to_owned()]);
}

/// Options in one word that name the empty crate, its output or how rustc speaks to cargo.
fn is_of_one_crate(argument: &str) -> bool {
    let name = argument.split('=').next().unwrap_or(argument);
    ["--edition", "--emit", "--error-format", "--json", "--diagnostic-width", "--color", "--crate-type"].contains(&name)
        || ["-A", "-D", "-F", "-W"].iter().any(|lint| argument.starts_with(lint))
}

/// Code generation that is the same for every service.
fn is_decided_here(value: &str) -> bool {
    let name = value.split('=').next().unwrap_or(value);
    [
        "codegen-units",
        "debug-assertions",
        "debuginfo",
        "embed-bitcode",
        "extra-filename",
        "incremental",
        "lto",
        "metadata",
        "opt-level",
        "overflow-checks",
        "panic",
        "prefer-dynamic",
        "split-debuginfo",
        "strip",
    ]
    .contains(&name)
}

/// The variables of a call that neither we nor cargo by itself set: `[env]` of cargo's configuration.
fn set_by_configuration(variables: &[String], ours: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let pairs = variables.iter().filter_map(|pair| pair.split_once('='));
    let by_itself = |name: &str| {
        ["CARGO", "RUST", "LD_LIBRARY_PATH", "DYLD_", "OUT_DIR", TARGET].iter().any(|start| name.starts_with(start))
            || ["_", "PWD", "OLDPWD", "SHLVL"].contains(&name)
    };
    pairs
        .filter(|(name, value)| !by_itself(name) && ours(name).as_deref() != Some(value))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_belongs_to_the_empty_crate_is_dropped() {
        let call = keep(&words(
            "rustc --crate-name dyninka_leaf_0 --edition=2024 src/lib.rs --error-format=json --json=artifacts,future-incompat \
             --crate-type cdylib --emit=dep-info,link -C opt-level=2 -C embed-bitcode=no --check-cfg cfg(docsrs) \
             -C metadata=1 --out-dir /t/deps --target x86_64-unknown-linux-gnu -C strip=debuginfo -L dependency=/t/deps \
             --extern serde=/t/deps/libserde-1.rlib -L native=/t/build/out -D warnings -Dunused",
        ));
        let kept = "--target x86_64-unknown-linux-gnu -L dependency=/t/deps --extern serde=/t/deps/libserde-1.rlib -L native=/t/build/out";
        assert_eq!(call.arguments.join(" "), kept);
        assert_eq!(call.libraries, [PathBuf::from("/t/deps/libserde-1.rlib")]);
        assert!(!call.has_linker);
    }

    #[test]
    fn what_the_users_configuration_says_is_kept() {
        let call = keep(&words(
            "rustc -C linker=clang -Clink-arg=-fuse-ld=mold -C target-cpu=native --cfg tokio_unstable -Zx",
        ));
        let kept = "-C linker=clang -C link-arg=-fuse-ld=mold -C target-cpu=native --cfg tokio_unstable -Zx";
        assert_eq!(call.arguments.join(" "), kept);
        assert!(call.has_linker);
    }

    #[test]
    fn variables_of_the_configuration_are_told_from_cargos_own() {
        let variables = words("HOME=/home/me REGION=eu CARGO_PKG_NAME=leaf RUSTC=x PWD=/x TOKEN=new");
        let ours =
            |name: &str| Some(if name == "HOME" { "/home/me" } else { "old" }.to_owned()).filter(|_| name != "REGION");
        let set = set_by_configuration(&variables, &ours);
        assert_eq!(
            set,
            BTreeMap::from([("REGION".to_owned(), "eu".to_owned()), ("TOKEN".to_owned(), "new".to_owned())])
        );
    }
}
