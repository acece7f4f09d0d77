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
    pub(crate) libraries: Vec<PathBuf>,
}

/// In front of rustc for every crate, where the user's flags have panics end the process, or ask for link-time
/// optimisation.
const UNWIND: &str = r#"#!/bin/sh
# A panic in a service is answered, so whatever is linked into one unwinds, though rustflags say panic=abort.
# Cargo has libraries without what -Clto needs.
exec "$@" -Cpanic=unwind -Clto=off -Clinker-plugin-lto=no
"#;

/// Writes the wrapper and answers where it is.
pub(crate) fn wrapper(cache: &Path) -> Result<PathBuf, BuildError> {
    script(&cache.join("capture.sh"), &SCRIPT.replace("@LEAF@", LEAF))
}

/// The same for the wrapper that goes in front of rustc for dependencies too.
pub(crate) fn unwinding(cache: &Path) -> Result<PathBuf, BuildError> {
    script(&cache.join("unwind.sh"), UNWIND)
}

fn script(file: &Path, text: &str) -> Result<PathBuf, BuildError> {
    let file = file.to_owned();
    if files::write_changed(&file, text.as_bytes())? || !is_executable(&file) {
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
    let environment = environment_file(file);
    let variables = fs::read(&environment).map_err(io("read", &environment))?;
    let split = |text: &[u8]| -> Vec<String> {
        let parts = text.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
    };
    let mut call = keep(&split(&text));
    call.environment = set_by_configuration(&split(&variables), &|name| std::env::var(name).ok());
    // The rest is the shell's, secrets perhaps: it stays on no disk.
    let kept: Vec<String> = call.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    files::write_changed(&environment, kept.join("\0").as_bytes())?;
    Ok(call)
}

/// Options of one letter that have a value, in the same word or in the next.
const SHORT_WITH_VALUE: [&str; 9] = ["-A", "-C", "-D", "-F", "-L", "-W", "-Z", "-l", "-o"];

/// Long options that have a value, behind `=` or in the next word.
const LONG_WITH_VALUE: [&str; 26] = [
    "--allow",
    "--cap-lints",
    "--cfg",
    "--check-cfg",
    "--codegen",
    "--color",
    "--crate-name",
    "--crate-type",
    "--deny",
    "--diagnostic-width",
    "--edition",
    "--emit",
    "--env-set",
    "--error-format",
    "--explain",
    "--extern",
    "--forbid",
    "--force-warn",
    "--json",
    "--out-dir",
    "--print",
    "--remap-path-prefix",
    "--remap-path-scope",
    "--sysroot",
    "--target",
    "--warn",
];

/// Options without a value that are decided here for every service, or that belong to the empty crate.
const DROPPED: [&str; 7] = ["-g", "-O", "-v", "--verbose", "--test", "-h", "--help"];

/// An option as rustc reads it.
#[derive(Debug, PartialEq, Eq)]
enum Argument<'a> {
    WithValue(&'a str, &'a str),
    Alone(&'a str),
    /// The source file.
    Input,
}

/// Reads arguments as rustc does: a value may be in its option's word or in the next one.
fn read_arguments(words: &[String]) -> Vec<Argument<'_>> {
    let mut arguments = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value)),
            _ => (word.as_str(), None),
        };
        let short = word.get(..2).filter(|short| SHORT_WITH_VALUE.contains(short));
        arguments.push(if let Some(short) = short {
            let value = &word[2..];
            let value = if value.is_empty() { rest.next().map_or("", String::as_str) } else { value };
            Argument::WithValue(short, value)
        } else if LONG_WITH_VALUE.contains(&name) {
            let value = value.or_else(|| rest.next().map(String::as_str));
            Argument::WithValue(if name == "--codegen" { "-C" } else { name }, value.unwrap_or_default())
        } else if word.starts_with('-') {
            Argument::Alone(word)
        } else {
            Argument::Input
        });
    }
    arguments
}

/// What counts for every crate of the same dependencies. Whatever is not known here is the user's and is kept.
fn keep(call: &[String]) -> Call {
    let mut kept = Call::default();
    // The first is rustc itself.
    for argument in read_arguments(call.get(1..).unwrap_or_default()) {
        match argument {
            Argument::WithValue(option, value) => keep_pair(&mut kept, option, value),
            Argument::Alone(option) if !DROPPED.contains(&option) => kept.arguments.push(option.to_owned()),
            Argument::Alone(_) | Argument::Input => {}
        }
    }
    kept
}

fn keep_pair(kept: &mut Call, option: &str, value: &str) {
    match option {
        "-C" if is_decided_here(value) => return,
        "-C" => kept.has_linker |= value.starts_with("link"),
        "--extern" => kept.libraries.extend(value.split_once('=').map(|(_, file)| PathBuf::from(file))),
        "--cfg" | "-L" | "-l" | "-Z" | "--target" | "--remap-path-prefix" | "--sysroot" | "--env-set" => {}
        // The rest names the empty crate, its output, how rustc speaks to cargo, or lints.
        _ => return,
    }
    kept.arguments.extend([option.to_owned(), value.to_owned()]);
}

/// Code generation that is the same for every service.
fn is_decided_here(value: &str) -> bool {
    let name = value.split('=').next().unwrap_or(value).replace('_', "-");
    [
        "codegen-units",
        "debug-assertions",
        "debuginfo",
        "embed-bitcode",
        "extra-filename",
        "incremental",
        "linker-plugin-lto",
        "lto",
        "metadata",
        "opt-level",
        "overflow-checks",
        "panic",
        "prefer-dynamic",
        "split-debuginfo",
        "strip",
    ]
    .contains(&name.as_str())
}

/// The variables of a call that neither we nor cargo by itself set: `[env]` of cargo's configuration.
fn set_by_configuration(variables: &[String], ours: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let pairs = variables.iter().filter_map(|pair| pair.split_once('='));
    let by_itself = |name: &str| {
        ["CARGO", "RUSTC", "RUSTUP_", "LD_LIBRARY_PATH", "DYLD_", TARGET].iter().any(|start| name.starts_with(start))
            || ["_", "PWD", "OLDPWD", "SHLVL", "OUT_DIR", "RUSTFLAGS", "RUST_RECURSION_COUNT"].contains(&name)
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
        let kept = "-C linker=clang -C link-arg=-fuse-ld=mold -C target-cpu=native --cfg tokio_unstable -Z x";
        assert_eq!(call.arguments.join(" "), kept);
        assert!(call.has_linker);
    }

    #[test]
    fn options_are_read_as_rustc_reads_them() {
        for (line, kept) in [
            ("--remap-path-prefix /a=/b --error-format=json", "--remap-path-prefix /a=/b"),
            ("--remap-path-prefix=/a=/b", "--remap-path-prefix /a=/b"),
            ("--codegen target-cpu=native --codegen=opt_level=3", "-C target-cpu=native"),
            ("-C panic=abort -Clto --codegen linker-plugin-lto -g -O", ""),
            ("--cap-lints warn --deny unused --allow=x -A y -Wz --force-warn z", ""),
            ("--error-format human --color always --diagnostic-width 80 --json x", ""),
            ("-lz -L native=/x --cfg a --cfg=b -Z c", "-l z -L native=/x --cfg a --cfg b -Z c"),
            ("--env-set A=b --sysroot /s -o /x --emit link --edition 2021", "--env-set A=b --sysroot /s"),
        ] {
            assert_eq!(keep(&words(&format!("rustc {line}"))).arguments.join(" "), kept, "{line}");
        }
    }

    #[test]
    fn variables_of_the_configuration_are_told_from_cargos_own() {
        let variables = words("HOME=/home/me REGION=eu RUST_LOG=info CARGO_PKG_NAME=leaf RUSTC=x PWD=/x TOKEN=new");
        let ours = |name: &str| {
            Some(if name == "HOME" { "/home/me" } else { "old" }.to_owned())
                .filter(|_| !["REGION", "RUST_LOG"].contains(&name))
        };
        let set = set_by_configuration(&variables, &ours);
        let expected = [("REGION", "eu"), ("RUST_LOG", "info"), ("TOKEN", "new")];
        assert_eq!(set, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
