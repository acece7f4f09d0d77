//! What commands start with: a runtime, the signals that end them, and the options of a session.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use session::{Home, PublicPort, SessionOptions};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::{Limits, On};
use crate::fault::{Fault, Kind};

/// What a command that was told twice may still take to end by itself.
const INSISTED: Duration = Duration::from_secs(1);

/// Seconds that a request has where nobody says.
const DEADLINE: f64 = 30.0;

/// How many services one call of rustc compiles at a start.
const GROUPS_OF: &str = "DYNINKA_GROUPS_OF";

/// The runtime a session runs in.
pub(crate) fn runtime() -> Result<Runtime, Fault> {
    // Each service takes some: two pipes, two connections.
    host::allow_connections();
    Runtime::new().map_err(|error| Fault::new(Kind::Machine, format!("cannot start threads: {error}")))
}

/// What every command that starts a session needs.
pub(crate) fn options(file: &Path, on: On, front: PublicPort, limits: &Limits) -> Result<SessionOptions, Fault> {
    let host = std::env::current_exe();
    let host =
        host.map_err(|error| Fault::new(Kind::Machine, format!("cannot find this program's own file: {error}")))?;
    let on = match on {
        On::Auto => session::On::Auto,
        On::Docker => session::On::Docker,
        On::Process => session::On::Process,
    };
    let requests = protocol::Limits {
        body: usize::try_from(limits.body).unwrap_or(usize::MAX),
        deadline_ms: (limits.deadline.unwrap_or(DEADLINE) * 1e3) as u64,
        ..protocol::Limits::default()
    };
    Ok(SessionOptions {
        file: file.to_owned(),
        home: Home::open()?,
        host,
        on,
        front,
        together: None,
        instances: std::collections::BTreeMap::new(),
        cpus: limits.cpus,
        memory: limits.memory,
        requests,
        names: BTreeSet::new(),
        debug: false,
        groups_of: groups_of(std::env::var_os(GROUPS_OF))?,
        watch: true,
        // Whoever sits before a terminal mends it; a program is told by the exit code.
        waits: std::io::stderr().is_terminal(),
        recording: session::RecordingOptions::default(),
        goal: session_api::command::Goal::default(),
        queued_jobs: session::QueuedJobs::default(),
        only: None,
    })
}

/// Reads the variable. Empty is as good as not set.
fn groups_of(said: Option<OsString>) -> Result<Option<usize>, Fault> {
    let Some(said) = said.filter(|said| !said.is_empty()) else { return Ok(None) };
    let read = said.to_str().and_then(|said| said.parse().ok()).filter(|number| *number > 0);
    let wrong = || {
        let words = format!("{GROUPS_OF} is {said:?}: expected a number of services, 1 or more");
        Fault::new(Kind::Usage, words)
    };
    read.map(Some).ok_or_else(wrong)
}

/// Whatever asks this process to end.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where it was ignored at the start, as `nohup` has it.
    hangup: Option<Signal>,
}

/// Who asks this process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Ctrl-C, which every program before the terminal hears.
    ByKey,
    /// Another process, or the end of the terminal.
    ByOthers,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Fault> {
        let listen = |kind| {
            signal(kind).map_err(|error| Fault::new(Kind::Machine, format!("cannot listen for signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: (!is_ignored(SignalKind::hangup())?).then(|| listen(SignalKind::hangup())).transpose()?,
        })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::ByKey,
            _ = self.terminate.recv() => Asked::ByOthers,
            () = heard(self.hangup.as_mut()) => Asked::ByOthers,
        }
    }
}

/// Ends this process some time after the second signal, whatever stands still by then: output that nobody takes would
/// keep a command that writes it from hearing of anything.
pub(crate) fn insist() -> Result<(), Fault> {
    let mut signals = Signals::new()?;
    tokio::spawn(async move {
        signals.next().await;
        signals.next().await;
        tokio::time::sleep(INSISTED).await;
        std::process::exit(Kind::Interrupted as i32);
    });
    Ok(())
}

/// Waits for a signal; for ever where it is not listened for.
async fn heard(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether this process was started with a signal ignored (proc_pid_status(5): `SigIgn`).
fn is_ignored(kind: SignalKind) -> Result<bool, Fault> {
    let unknown = |words: String| Fault::new(Kind::Machine, format!("cannot see which signals are ignored: {words}"));
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| unknown(error.to_string()))?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.ok_or_else(|| unknown("/proc/self/status does not say".to_owned()))?;
    Ok(mask & 1 << (kind.as_raw_value() - 1) != 0)
}
