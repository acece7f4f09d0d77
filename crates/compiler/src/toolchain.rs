//! The rustc and cargo that hold in a folder.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::process::Command;

use crate::error::BuildError;
use crate::{hash, process};

/// A question to rustc or cargo is answered in milliseconds; rustup may fetch a toolchain first.
const PATIENCE: Duration = Duration::from_secs(120);

/// The oldest Rust that the runtime and this program are compiled with.
const NEEDED: &str = env!("CARGO_PKG_RUST_VERSION");

/// The rustc and cargo that hold in a folder (a toolchain file there counts).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// rustc itself, not rustup's stand-in, which costs milliseconds at each call.
    pub rustc: PathBuf,
    /// The target libraries are built for: this machine.
    pub host: String,
    /// Version as `rustc -V` says it.
    pub version: String,
    /// Where rustc's own libraries and linker are.
    pub sysroot: PathBuf,
    /// Hash of all that `rustc -vV` says: equal, and its libraries fit together.
    pub identity: String,
    stamps: Stamps,
}

/// When the files that decide about the toolchain were written, and how long they are.
type Stamps = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

impl Toolchain {
    /// Asks rustc, run in `folder`.
    pub async fn find(folder: &Path) -> Result<Self, BuildError> {
        let program = env::var_os("RUSTC").filter(|name| !name.is_empty()).unwrap_or_else(|| "rustc".into());
        let (version, sysroot) =
            tokio::try_join!(ask(&program, &["-vV"], folder), ask(&program, &["--print", "sysroot"], folder))?;
        let found = Self::read(Path::new(&program), &version, sysroot.trim(), folder)?;
        if is_older(&found.version, NEEDED) {
            return Err(BuildError::TooOld { version: found.version, needed: NEEDED });
        }
        Ok(found)
    }

    fn read(program: &Path, version: &str, sysroot: &str, folder: &Path) -> Result<Self, BuildError> {
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.filter(|_| !sysroot.is_empty()).ok_or_else(|| BuildError::Unreadable {
            program: program.display().to_string(),
            words: format!("it says {version:?} of itself"),
        })?;
        let sysroot = PathBuf::from(sysroot);
        let own = sysroot.join("bin/rustc");
        let rustc = if own.is_file() { own } else { program.to_owned() };
        Ok(Self {
            host: host.to_owned(),
            version: version.lines().next().unwrap_or_default().to_owned(),
            identity: hash::parts([version.as_bytes()]),
            stamps: stamps(deciding(&rustc, folder)),
            rustc,
            sysroot,
        })
    }

    /// Whether nothing was upgraded, installed or chosen since it was asked. Costs a look at a few files.
    pub fn holds(&self) -> bool {
        stamps(self.stamps.keys().cloned()) == self.stamps
    }
}

/// Whether rustc says that it is older than a version. One that says nothing that reads is not.
fn is_older(rustc: &str, needed: &str) -> bool {
    let numbers = |version: &str| -> Option<(u32, u32)> {
        let mut parts = version.split(['.', '-', ' ']).map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    let version = rustc.strip_prefix("rustc ").and_then(numbers);
    version.zip(numbers(needed)).is_some_and(|(version, needed)| version < needed)
}

/// The files that decide which rustc runs in a folder.
fn deciding(rustc: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![rustc.to_owned()];
    for above in folder.ancestors() {
        files.extend(["rust-toolchain", "rust-toolchain.toml"].map(|name| above.join(name)));
    }
    let rustup = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let rustup = rustup.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".rustup")));
    files.extend(rustup.map(|rustup| rustup.join("settings.toml")));
    files
}

fn stamps(files: impl IntoIterator<Item = PathBuf>) -> Stamps {
    let stamp = |file: &Path| {
        let data = fs::metadata(file).ok()?;
        Some((data.modified().ok()?, data.len()))
    };
    files.into_iter().map(|file| (file.clone(), stamp(&file))).collect()
}

async fn ask(program: &std::ffi::OsStr, arguments: &[&str], folder: &Path) -> Result<String, BuildError> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    let ended = process::run(command, PATIENCE, |_| {}).await?;
    if !ended.status.success() {
        let program = Path::new(program).display().to_string();
        return Err(BuildError::Unreadable { program, words: ended.stderr.trim().to_owned() });
    }
    Ok(ended.stdout)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_has_a_toolchain() {
        let folder = tempfile::tempdir().unwrap();
        let toolchain = Toolchain::find(folder.path()).await.unwrap();
        assert!(toolchain.version.starts_with("rustc 1."), "{}", toolchain.version);
        assert!(toolchain.rustc.is_file());
        assert!(toolchain.holds());
        // Another toolchain may be wanted now: what was found no longer counts.
        fs::write(folder.path().join("rust-toolchain.toml"), "").unwrap();
        assert!(!toolchain.holds());
    }

    #[test]
    fn a_version_is_older_by_its_numbers() {
        for older in ["rustc 1.80.1 (3f5fd8dd4 2024-08-06)", "rustc 1.9.0", "rustc 1.94.0-beta.3"] {
            assert!(is_older(older, "1.95"), "{older}");
        }
        for newer in ["rustc 1.95.0 (59807616e 2026-04-14)", "rustc 1.100.0-nightly", "rustc 2.0.0", "gcc 1.2", "hello"]
        {
            assert!(!is_older(newer, "1.95"), "{newer}");
        }
    }

    #[test]
    fn another_version_is_another_identity() {
        let read = |version: &str| {
            Toolchain::read(Path::new("rustc"), version, "/nowhere", Path::new("/nowhere")).unwrap().identity
        };
        let old = "rustc 1.94.0\nhost: x86_64-unknown-linux-gnu\n";
        assert_eq!(read(old), read(old));
        assert_ne!(read(old), read("rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\n"));
    }

    #[test]
    fn a_rustc_that_says_nothing_is_no_rustc() {
        let error = Toolchain::read(Path::new("rustc"), "hello", "/nowhere", Path::new("/")).unwrap_err();
        assert_eq!(error.to_string(), "cannot understand rustc: it says \"hello\" of itself");
    }
}
