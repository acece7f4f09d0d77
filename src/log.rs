//! The program's own log: `tracing` events, as lines on stderr or in a file of the app's folder.
//!
//! `-v` and `DYN_LOG` choose what is logged. Without either, warnings alone go to the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::fault::{Fault, Kind};

const VARIABLE: &str = "DYN_LOG";

/// A log file that reaches this is renamed to `log.1`, and a new one begins.
const LONGEST: u64 = 1 << 20;

/// Crates of this project, by the names of their modules.
const OURS: [&str; 13] = [
    "app",
    "compiler",
    "dyn",
    "host",
    "images",
    "kubernetes",
    "local_cluster",
    "protocol",
    "recordings",
    "session",
    "shell",
    "tui",
    "watcher",
];

/// Starts the log. `file` is where lines go if its folder is there; with `on_stderr` they go to stderr instead, if any
/// were asked for.
pub(crate) fn start(verbose: u8, on_stderr: bool, file: Option<PathBuf>) -> Result<(), Fault> {
    let said = std::env::var(VARIABLE).ok().filter(|said| !said.is_empty());
    let is_asked = verbose > 0 || said.is_some();
    let targets = targets(verbose, said.as_deref())
        .map_err(|why| Fault::new(Kind::Usage, format!("cannot read {VARIABLE}: {why}")).hint(EXAMPLE))?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(false);
    let log = tracing_subscriber::registry().with(targets);
    // Another subscriber is none of this program's; tests start one log each process.
    let started = match file {
        _ if is_asked && on_stderr => log.with(lines.with_writer(io::stderr)).try_init(),
        Some(file) => log.with(lines.with_writer(Bounded::new(file))).try_init(),
        None => Ok(()),
    };
    started.map_err(|error| Fault::new(Kind::Machine, format!("cannot start the log: {error}")))
}

const EXAMPLE: &str = "it is a level, or levels by crate: DYN_LOG=debug, DYN_LOG=compiler=trace,warn";

/// What is logged: `DYN_LOG`, or by the number of `-v`.
fn targets(verbose: u8, said: Option<&str>) -> Result<Targets, String> {
    if let Some(said) = said {
        return said.parse().map_err(|error| format!("{said:?}: {error}"));
    }
    let (ours, others) = match verbose {
        0 => (LevelFilter::WARN, LevelFilter::ERROR),
        1 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    Ok(Targets::new().with_targets(OURS.map(|name| (name, ours))).with_default(others))
}

/// A file of bounded length, opened by its first line. A line that cannot be written is lost: the log must not end a
/// session.
#[derive(Clone, Debug)]
struct Bounded {
    path: Arc<Path>,
    open: Arc<Mutex<Option<(File, u64)>>>,
}

impl Bounded {
    fn new(path: PathBuf) -> Self {
        Self { path: path.into(), open: Arc::default() }
    }

    /// Opens the file for more lines, unless its folder is not there: nothing is made for a log alone.
    fn open(&self) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }
}

impl Write for Bounded {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut open = self.open.lock();
        let more = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let (file, length) = match open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let (mut file, length) = if length > 0 && length.saturating_add(more) > LONGEST {
            drop(file);
            fs::rename(&self.path, self.path.with_extension("1"))?;
            self.open()?
        } else {
            (file, length)
        };
        file.write_all(line)?;
        *open = Some((file, length.saturating_add(more)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Bounded {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn verbose_reaches_our_crates_first() {
        let of = |verbose| targets(verbose, None).unwrap();
        assert!(of(0).would_enable("compiler::linker", &Level::WARN));
        assert!(!of(0).would_enable("compiler::linker", &Level::INFO));
        assert!(!of(0).would_enable("hyper::proto", &Level::WARN));
        assert!(of(1).would_enable("kubernetes::push", &Level::DEBUG));
        assert!(!of(1).would_enable("kube_client", &Level::DEBUG));
        assert!(of(2).would_enable("kube_client", &Level::DEBUG));
    }

    #[test]
    fn variable_names_levels_by_crate() {
        let targets = targets(0, Some("compiler=trace,warn")).unwrap();
        assert!(targets.would_enable("compiler", &Level::TRACE));
        assert!(!targets.would_enable("session", &Level::INFO));
        assert!(super::targets(0, Some("compiler=loud")).is_err());
    }

    #[test]
    fn file_is_bounded_and_one_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Bounded::new(folder.path().join("log"));
        let line = [b'x'; 1000];
        for _ in 0..3000 {
            log.write_all(&line).unwrap();
        }
        for name in ["log", "log.1"] {
            let length = fs::metadata(folder.path().join(name)).unwrap().len();
            assert!((1000..=LONGEST).contains(&length), "{name}: {length}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn nothing_is_made_for_a_log_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Bounded::new(folder.path().join("none/log"));
        assert!(log.write_all(b"line").is_err());
        assert!(!folder.path().join("none").exists());
    }
}
