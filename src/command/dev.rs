//! `dyn dev`: build an app, run all of it here, serve it, until Ctrl-C.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

use session::{Front, Home, Session, SessionOptions};
use session_api::Report;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::{Dev, Goal, Limits, On};
use crate::face::Face;
use crate::fault::{Fault, Kind};
use crate::speech;
use crate::teller::Teller;

/// Where the chain's public listener is when nobody says: a port that is easy to remember.
const USUAL_PORT: u16 = 8080;

/// What a command that was told twice may still take to end by itself.
const INSISTED: Duration = Duration::from_secs(1);

/// Tasks of a session that is over end at their next step.
const LAST_TASKS: Duration = Duration::from_millis(500);

pub(crate) fn run(dev: &Dev) -> Result<(), Fault> {
    if dev.attach {
        return runtime()?.block_on(super::view::attach(dev));
    }
    let front = match dev.port {
        Some(0) => Front::Free,
        Some(port) => Front::Fixed(port),
        None => Front::Prefer(USUAL_PORT),
    };
    let mut options = options(&dev.file, dev.on, front, &dev.limits)?;
    options.recording = recording(dev);
    let Goal { context, namespace } = dev.goal.clone();
    options.goal = session_api::command::Goal { context, namespace };
    options.names = dev.allow_host.iter().cloned().collect();
    let runtime = runtime()?;
    let ended = if super::view::is_possible(dev) {
        runtime.block_on(super::view::serve(options, dev))
    } else {
        runtime.block_on(serve(options, Face::new(dev.json, dev.plain)))
    };
    // What was forced to end may leave a thread that waits for something; tasks end within this, and rustc with them.
    runtime.shutdown_timeout(LAST_TASKS);
    ended
}

/// What every command that starts a session needs.
pub(crate) fn options(file: &std::path::Path, on: On, front: Front, limits: &Limits) -> Result<SessionOptions, Fault> {
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
        deadline_ms: (limits.deadline * 1e3) as u64,
        ..protocol::Limits::default()
    };
    Ok(SessionOptions {
        file: file.to_owned(),
        home: Home::open()?,
        host,
        on,
        front,
        cpus: limits.cpus,
        memory: limits.memory,
        requests,
        names: BTreeSet::new(),
        watch: true,
        // Whoever sits before a terminal mends it; a program is told by the exit code.
        waits: std::io::stderr().is_terminal(),
        recording: session::RecordingOptions::default(),
        goal: session_api::command::Goal::default(),
        only: None,
    })
}

/// What is recorded. The option without a name leaves the name to the session.
fn recording(dev: &Dev) -> session::RecordingOptions {
    session::RecordingOptions {
        record: dev.record.clone().map(|name| Some(name).filter(|name| !name.is_empty())),
        redact: dev.redact.clone(),
        ignore: dev.ignore.clone(),
    }
}

/// The runtime a session runs in.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    // Each service takes some: two pipes, two connections.
    host::allow_connections();
    tokio::runtime::Runtime::new().map_err(|error| Fault::new(Kind::Machine, format!("cannot start threads: {error}")))
}

async fn serve(options: SessionOptions, face: Face) -> Result<(), Fault> {
    let mut signals = Signals::new()?;
    let mut session = Session::start(options)?;
    let mut teller = teller(face)?;
    let mut ended = Ok(());
    let (mut interrupted, mut gone, mut ready) = (false, false, false);
    loop {
        tokio::select! {
            report = session.next() => {
                let Some(report) = report else { break };
                match &report {
                    Report::Ready { .. } => (ready, ended) = (true, Ok(())),
                    Report::Broken { .. } if !ready => ended = Err(Fault::said(Kind::App)),
                    Report::Failed { message, hint } => {
                        let fault = Fault::new(Kind::Machine, message);
                        ended = Err(hint.iter().fold(fault, Fault::hint));
                    }
                    _ => {}
                }
                teller.tell(report);
            }
            // Nobody reads any more, as when a terminal is closed: nobody uses what runs either.
            () = teller.gone(), if !gone => {
                gone = true;
                session.interrupt();
            }
            _ = signals.next() => {
                // The second one means it: whatever is left is cleared by the next start or `dyn stop`.
                if std::mem::replace(&mut interrupted, true) {
                    speech::give_up();
                    return Err(Fault::new(Kind::Interrupted, "forced to end before everything was removed")
                        .hint("`dyn stop FILE` removes what is left"));
                }
                session.interrupt();
            }
        }
    }
    teller.finish().await;
    // Ctrl-C is how a serving session is meant to end; before that it is an interruption.
    match ended {
        Ok(()) if (interrupted || gone) && !ready => Err(Fault::said(Kind::Interrupted)),
        ended => ended,
    }
}

/// Shows what a session reports.
pub(crate) fn teller(face: Face) -> Result<Teller, Fault> {
    Teller::new(face).map_err(|error| Fault::new(Kind::Machine, format!("cannot start a thread: {error}")))
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

    /// The next one.
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
