//! What keeps a library from being built.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use app::Diagnostic;

use crate::finding::Finding;
use crate::rooms::RoomError;

/// What keeps a library from being built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// rustc refused the code. Its words are in the findings; there is at least one.
    #[error("cannot compile {service}: {}", first(findings))]
    Rustc {
        service: String,
        /// What rustc said, at the user's lines.
        findings: Vec<Finding>,
    },
    /// What a service returns is not what the next one takes, or a signature in the flow cannot be understood. There is
    /// at least one finding.
    #[error("cannot check the flow: {}", first(findings))]
    Flow {
        /// Both ends of each step that does not fit; rustc's own words for what is wrong with a type.
        findings: Vec<Finding>,
    },
    /// A program that building needs cannot be started.
    #[error("cannot start {program}: {source}")]
    Missing {
        /// `rustc` or `cargo`.
        program: String,
        source: io::Error,
    },
    /// rustc is older than what services are written in.
    #[error("cannot build with {version}: services need Rust {needed} or newer")]
    TooOld {
        /// As rustc says it.
        version: String,
        needed: &'static str,
    },
    /// There is no folder to build in.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// No linker links.
    #[error("cannot link a library: {words}")]
    Linker {
        /// What each one that was tried said.
        words: String,
    },
    /// A program says something nobody understands.
    #[error("cannot understand {program}: {words}")]
    Unreadable { program: String, words: String },
    /// The package a file belongs to, or the file's frontmatter, cannot be read.
    #[error("cannot read the dependencies in {}: {words}", file.display())]
    Manifest {
        /// The manifest, or the file with frontmatter.
        file: PathBuf,
        /// Cargo's words, or the place and the fault in the frontmatter.
        words: String,
    },
    /// Cargo cannot build the dependencies.
    #[error("cannot build the dependencies: {words}")]
    Cargo { words: String },
    /// A crate is not on this machine and does not come over the network.
    #[error("cannot fetch {package}: {words}")]
    Unfetched {
        /// Its name, as cargo says it.
        package: String,
        /// Cargo's last words.
        words: String,
    },
    /// rustc or cargo was ended from outside.
    #[error("cannot finish {program}: it was ended by signal {signal}{}", if *signal == 9 { " (out of memory?)" } else { "" })]
    Killed {
        program: String,
        /// The signal's number.
        signal: i32,
    },
    /// rustc ended unsuccessfully and said nothing that can be placed.
    #[error("cannot compile {service}: {words}")]
    Failed {
        service: String,
        /// Its last words.
        words: String,
    },
    /// Code names files relative to the app's own in a way that was not seen; they are there.
    #[error("cannot find {} beside the slice of a service", files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missed {
        /// Relative to the app's file.
        files: BTreeSet<PathBuf>,
    },
    /// The time limit is over.
    #[error("cannot finish {program} within {seconds} s")]
    TimedOut {
        program: String,
        /// The limit in seconds.
        seconds: u64,
    },
    /// No space left where things are built.
    #[error("cannot write to {}: the disk is full", folder.display())]
    DiskFull { folder: PathBuf },
    /// The app has no such service.
    #[error("cannot find a service {service}")]
    Unknown {
        /// The name asked for.
        service: String,
    },
    /// A file cannot be used.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// The verb.
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl BuildError {
    /// What cargo says when it cannot build dependencies.
    pub(crate) fn of_cargo(words: String) -> Self {
        if !is_about_network(&words) {
            return Self::Cargo { words };
        }
        let starts = ["failed to get `", "failed to download `", "for dependency `"];
        let named = starts.iter().find_map(|start| words.split_once(start)?.1.split_once('`'));
        match named {
            Some((package, _)) => {
                let last = words.lines().map(str::trim).rfind(|line| !line.is_empty());
                Self::Unfetched { package: package.to_owned(), words: last.unwrap_or_default().to_owned() }
            }
            None => Self::Cargo { words },
        }
    }

    /// rustc's findings as the house's diagnostics; empty for any other error.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::Rustc { findings, .. } | Self::Flow { findings } => {
                findings.iter().map(|finding| finding.diagnostic.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What the user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { source, .. } if lacks(source).is_some() => lacks(source),
            Self::Missing { program, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("see to it that `{program}` may be run: by its mode, and where its file system is mounted"))
            }
            Self::Missing { program, .. } => {
                Some(format!("install Rust from https://rustup.rs, or put the folder of `{program}` into PATH"))
            }
            Self::TooOld { .. } => Some(
                "`rustup update stable` installs a newer one; a rust-toolchain.toml here or above may name an older one"
                    .to_owned(),
            ),
            Self::Room(error) => Some(error.hint().to_owned()),
            Self::Io { source, .. } => lacks(source),
            Self::Unreadable { words, .. } | Self::Cargo { words } if words.contains("rustup") => Some(
                "rustup finds its toolchains by RUSTUP_HOME or HOME: `rustup show` says which; `rustup default stable` \
                 installs one"
                    .to_owned(),
            ),
            Self::Linker { words } | Self::Cargo { words } | Self::Failed { words, .. } if is_about_files(words) => {
                Some(FILES.to_owned())
            }
            Self::Linker { .. } => Some("install a C compiler, which brings a linker: apt-get install gcc".to_owned()),
            Self::TimedOut { program, .. } if program == "rustc" => Some(
                "look for a const or a macro that never ends; what was served before goes on being served".to_owned(),
            ),
            Self::DiskFull { folder } => Some(format!("free some space; {} can be removed whole", folder.display())),
            Self::Killed { signal: 9, .. } => Some("give the machine more memory, or build less at a time".to_owned()),
            Self::Cargo { words } if words.contains("linker `") => {
                Some("build scripts need a C compiler: apt-get install gcc".to_owned())
            }
            Self::Cargo { words } if words.contains("replaces the registry") || words.contains("directory source") => {
                Some("a [source] of cargo's configuration replaces crates.io: vendor what is missing, or build elsewhere".to_owned())
            }
            Self::Cargo { words } if is_about_network(words) => Some(NETWORK.to_owned()),
            Self::Unfetched { .. } => Some(NETWORK.to_owned()),
            _ => None,
        }
    }
}

/// What to do where a crate does not come.
const NETWORK: &str = "crates are fetched once: connect this machine to the network, with HTTPS_PROXY where it has a proxy; \
                       or run `cargo fetch` for the app where there is a network and copy ~/.cargo/registry here; or name \
                       a vendored [source] in cargo's configuration";

/// What to do where there are too many open files.
const FILES: &str = "`ulimit -n` says how many files may be open at a time; `ulimit -n 65536` before `dyn` allows more, up \
                     to what `ulimit -Hn` says";

/// What the system gives no more of, and what to do about it.
fn lacks(error: &io::Error) -> Option<String> {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error)?;
    match errno {
        Errno::MFILE | Errno::NFILE => Some(FILES.to_owned()),
        Errno::AGAIN => Some("`ulimit -u` says how many processes this user may have".to_owned()),
        Errno::NOMEM => Some("give the machine more memory, or build less at a time".to_owned()),
        _ => None,
    }
}

fn is_about_files(words: &str) -> bool {
    words.contains("Too many open files") || words.contains("(os error 24)") || words.contains("(os error 23)")
}

fn is_about_network(words: &str) -> bool {
    ["network", "failed to download", "Could not resolve host", "Could not connect", "spurious"]
        .iter()
        .any(|sign| words.contains(sign))
}

fn first(findings: &[Finding]) -> &str {
    findings.first().map_or("rustc refused it", |finding| &finding.diagnostic.message)
}

/// Turns an error of the file system into ours, for `map_err`.
pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            BuildError::DiskFull { folder: path.parent().unwrap_or(&path).to_owned() }
        }
        _ => BuildError::Io { doing, path, source },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_does_not_come_is_named_with_the_last_reason() {
        let words = "failed to get `serde` as a dependency of package `leaf v0.0.0 (/cache)`\n\nCaused by:\n  download of \
                     config.json failed\n\nCaused by:\n  [7] Could not connect to server (Failed to connect)\n";
        let error = BuildError::of_cargo(words.to_owned());
        assert_eq!(error.to_string(), "cannot fetch serde: [7] Could not connect to server (Failed to connect)");
        assert!(error.hint().unwrap().contains("cargo fetch"));
        let words = "failed to download `itoa v1.0.18`\n\nCaused by:\n  [6] Could not resolve host: index.crates.io";
        let error = BuildError::of_cargo(words.to_owned());
        assert_eq!(error.to_string(), "cannot fetch itoa v1.0.18: [6] Could not resolve host: index.crates.io");
        let error = BuildError::of_cargo("failed to select a version for `serde`".to_owned());
        assert!(matches!(error, BuildError::Cargo { .. }));
    }

    #[test]
    fn a_program_that_cannot_be_started_is_not_always_one_that_is_missing() {
        let missing = |source| BuildError::Missing { program: "rustc".to_owned(), source }.hint().unwrap();
        assert!(missing(io::ErrorKind::NotFound.into()).contains("rustup.rs"));
        assert!(missing(io::Error::from_raw_os_error(24)).contains("ulimit -n"));
        assert!(missing(io::Error::from_raw_os_error(11)).contains("ulimit -u"));
        assert!(!missing(io::ErrorKind::PermissionDenied.into()).contains("install"));
        let words = "rust-lld: error: cannot open x.o: Too many open files".to_owned();
        assert!(BuildError::Linker { words }.hint().unwrap().contains("ulimit -n"));
        let words = "rustup could not choose a version of rustc to run".to_owned();
        assert!(BuildError::Unreadable { program: "rustc".to_owned(), words }.hint().unwrap().contains("RUSTUP_HOME"));
    }
}
