//! The process backend: a plain process for each service.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::signal::{self, unix::SignalKind};
use tokio::sync::watch;

use crate::backend::{
    Backend, BackendError, BackendEvent, BackendPlan, Begun, Doer, Endpoint, Spec, Specs, Stream, Work,
};
use crate::ending::{memory_kills, of_process, signal_name};
use crate::environment::Environment;
use crate::lines::Lines;
use crate::port::{Ports, local};
use crate::queue::{Receiver, Sender, queue};

/// A service may answer what it has begun for this long before it is killed.
const GRACE: Duration = Duration::from_millis(1500);
/// Services as processes.
pub(crate) struct Processes {
    plan: BackendPlan,
    specs: Specs,
    ports: Ports,
    events: Sender<BackendEvent>,
    inbox: tokio::sync::Mutex<Receiver<BackendEvent>>,
    closing: Arc<AtomicBool>,
    running: Mutex<BTreeMap<String, Running>>,
}

struct Running {
    pid: Pid,
    ended: watch::Receiver<bool>,
    /// Its end is wanted: nobody is told of it.
    leaving: Arc<AtomicBool>,
    /// It was found wanting, and killed.
    condemned: Arc<AtomicBool>,
    /// It stands still: to start it is to have it go on.
    stopped: Arc<AtomicBool>,
}

impl Processes {
    pub(crate) fn new(plan: BackendPlan) -> Self {
        let (events, inbox) = queue();
        let inbox = tokio::sync::Mutex::new(inbox);
        Self {
            specs: Specs::new(&plan.services),
            ports: Ports::except(plan.services.iter().filter_map(|spec| spec.front)),
            plan,
            events,
            inbox,
            closing: Arc::default(),
            running: Mutex::default(),
        }
    }

    fn spawn(&self, spec: &Spec) -> Result<Child, BackendError> {
        let mut command = Command::new(self.plan.host.path());
        command.arg("host").arg(&spec.folder).arg("--die-with-parent");
        command.args(self.plan.debug.then_some("--debug"));
        // What the shell has is the session's: a container would not find it either.
        command.env_clear().envs(spec.environment.all());
        // Ctrl-C is the session's to hear: a group of its own keeps it from the service.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| BackendError::Spawn { service: spec.service.clone(), source })?;
        self.limit(&spec.service, &child);
        Ok(child)
    }

    fn limit(&self, service: &str, child: &Child) {
        if let (Some(bytes), Some(pid)) = (self.plan.limits.memory, pid_of(child)) {
            let limit = rustix::process::Rlimit { current: Some(bytes), maximum: Some(bytes) };
            if let Err(error) = rustix::process::prlimit(Some(pid), rustix::process::Resource::Data, limit) {
                self.tell(BackendEvent::Notice(format!("{service} runs without its memory limit: {error}")));
            }
        }
    }

    /// Has a process that was stopped go on; whether there was one.
    fn go_on(&self, service: &str) -> bool {
        let running = self.running.lock();
        let stopped = running.get(service).filter(|process| process.stopped.swap(false, Ordering::AcqRel));
        stopped.is_some_and(|process| !*process.ended.borrow() && kill_process(process.pid, Signal::CONT).is_ok())
    }

    fn tell(&self, event: BackendEvent) {
        self.events.send(event);
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()))
}

#[async_trait]
impl Backend for Processes {
    fn name(&self) -> &'static str {
        "process"
    }

    fn hosts_bind_front(&self) -> bool {
        true
    }

    async fn open(&self) -> Result<BTreeMap<String, Endpoint>, BackendError> {
        if self.plan.limits.cpus.is_some() {
            self.tell(BackendEvent::Notice(
                "processes cannot be limited to a number of CPUs; --on docker can".to_owned(),
            ));
        }
        self.specs.all().into_iter().map(|spec| Ok((spec.service, find_seat(&self.ports)?))).collect()
    }

    async fn endpoint(&self, spec: Spec) -> Result<Endpoint, BackendError> {
        self.specs.put(spec);
        find_seat(&self.ports)
    }

    async fn start(&self, service: &str) -> Result<Begun, BackendError> {
        let spec = self.specs.get(service)?;
        if self.go_on(service) {
            return Ok(Begun::WentOn);
        }
        // Heard from before there is a child, so that one that is stopped in its first moment is seen to be.
        let mut children = signal::unix::signal(SignalKind::child()).map_err(BackendError::io("hear of children"))?;
        let mut child = self.spawn(&spec)?;
        let Some(pid) = pid_of(&child) else { return Ok(Begun::Anew) };
        let pid_file = pid_file(&spec.folder);
        write_pid(&pid_file, pid)?;
        let readers = [
            child
                .stdout
                .take()
                .map(|out| tokio::spawn(follow(out, service.to_owned(), Stream::Stdout, self.events.clone()))),
            child
                .stderr
                .take()
                .map(|err| tokio::spawn(follow(err, service.to_owned(), Stream::Stderr, self.events.clone()))),
        ];
        let (ending, ended) = watch::channel(false);
        let [leaving, condemned, stopped] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
        let killed_before = memory_kills();
        let running =
            Running { pid, ended, leaving: leaving.clone(), condemned: condemned.clone(), stopped: stopped.clone() };
        self.running.lock().insert(service.to_owned(), running);
        let (events, closing, service) = (self.events.clone(), self.closing.clone(), service.to_owned());
        tokio::spawn(async move {
            let is_wanted = || !closing.load(Ordering::Acquire) && !leaving.load(Ordering::Acquire);
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    Some(()) = children.recv() => {
                        if is_wanted() && let Some(signal) = stopped_by(pid) {
                            stopped.store(true, Ordering::Release);
                            let why = format!("it was stopped by {}", signal_name(signal));
                            events.send(BackendEvent::Down { service: service.clone(), why, by: Doer::Others });
                        }
                    }
                }
            };
            // Its last words come before the word of its end.
            for reader in readers.into_iter().flatten() {
                drop(tokio::time::timeout(GRACE, reader).await);
            }
            drop(fs::remove_file(pid_file));
            ending.send_replace(true);
            if is_wanted() {
                let (why, by) = match status {
                    Ok(status) => of_process(status, killed_before),
                    Err(error) => (error.to_string(), Doer::Others),
                };
                let by = if condemned.load(Ordering::Acquire) { Doer::Service } else { by };
                events.send(BackendEvent::Down { service, why, by });
            }
        });
        Ok(Begun::Anew)
    }

    /// It is the very folder.
    async fn bring(&self, _: &str) -> Result<(), BackendError> {
        Ok(())
    }

    async fn work(&self, service: &str, arguments: &[&str]) -> Result<Work, BackendError> {
        let spec = self.specs.get(service)?;
        let mut command = Command::new(self.plan.host.path());
        command.args(arguments).env_clear().envs(spec.environment.all()).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let failed = |source| BackendError::Spawn { service: service.to_owned(), source };
        let mut child = command.spawn().map_err(failed)?;
        self.limit(service, &child);
        let gone = || failed(std::io::Error::other("it has no standard input and output"));
        let (input, output) = (child.stdin.take().ok_or_else(gone)?, child.stdout.take().ok_or_else(gone)?);
        let ended =
            async move { child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string()) };
        Ok(Work { input: Box::new(input), output: Box::new(output), ended: Box::pin(ended) })
    }

    fn process(&self, service: &str) -> Option<u32> {
        let running = self.running.lock();
        let process = running.get(service).filter(|process| !*process.ended.borrow())?;
        u32::try_from(process.pid.as_raw_nonzero().get()).ok()
    }

    fn address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    async fn next(&self) -> Option<BackendEvent> {
        self.inbox.lock().await.recv().await
    }

    async fn close(&self) -> Result<(), BackendError> {
        self.closing.store(true, Ordering::Release);
        let running = std::mem::take(&mut *self.running.lock());
        for process in running.values() {
            send(process, Signal::TERM);
        }
        let deadline = tokio::time::Instant::now() + GRACE;
        for process in running.into_values() {
            end(process, deadline).await;
        }
        Ok(())
    }

    async fn kill(&self, service: &str) -> Result<(), BackendError> {
        let running = self.running.lock();
        let process = running.get(service).ok_or_else(|| BackendError::Unknown(service.to_owned()))?;
        process.condemned.store(true, Ordering::Release);
        send(process, Signal::KILL);
        Ok(())
    }

    async fn renew(&self, service: &str, environment: Environment) -> Result<(), BackendError> {
        let spec = self.specs.get(service)?;
        let stopped = self.remove(service).await;
        self.specs.put(Spec { environment, ..spec });
        stopped
    }

    async fn remove(&self, service: &str) -> Result<(), BackendError> {
        self.specs.take(service)?;
        let process = self.running.lock().remove(service);
        if let Some(process) = process {
            process.leaving.store(true, Ordering::Release);
            send(&process, Signal::TERM);
            end(process, tokio::time::Instant::now() + GRACE).await;
        }
        Ok(())
    }
}

fn find_seat(ports: &Ports) -> Result<Endpoint, BackendError> {
    let port = ports.pick().map_err(BackendError::io("find a free port"))?;
    Ok(Endpoint { listen: local(port), peer: local(port).to_string(), here: local(port) })
}

/// Waits for a process that was asked to end, and kills it at the deadline.
async fn end(mut process: Running, deadline: tokio::time::Instant) {
    if tokio::time::timeout_at(deadline, process.ended.wait_for(|ended| *ended)).await.is_err() {
        send(&process, Signal::KILL);
        drop(process.ended.wait_for(|ended| *ended).await);
    }
}

fn send(process: &Running, signal: Signal) {
    if !*process.ended.borrow() {
        // Gone in this very moment is what was wanted.
        let _gone = kill_process(process.pid, signal);
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        for process in self.running.lock().values() {
            send(process, Signal::KILL);
        }
    }
}

async fn follow(mut stream: impl AsyncRead + Unpin, service: String, kind: Stream, events: Sender<BackendEvent>) {
    // What is written is read even where nobody takes it, or its writer would stand still.
    let tell = |line| events.send(BackendEvent::Log { service: service.clone(), stream: kind, line });
    let (mut lines, mut buffer) = (Lines::default(), vec![0; 16 << 10]);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        lines.take(&buffer[..count], tell);
    }
    lines.end(tell);
}

/// The signal a child was stopped by since this was asked before.
fn stopped_by(pid: Pid) -> Option<i32> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    // A child that ended meanwhile is none to ask about: its end is heard of as such.
    waitid(WaitId::Pid(pid), options).ok().flatten()?.stopping_signal()
}

fn pid_file(folder: &Path) -> PathBuf {
    folder.join("pid")
}

/// A pid alone may by now be somebody else's: its start time says whose it is.
pub(crate) fn write_pid(file: &Path, pid: Pid) -> Result<(), BackendError> {
    let Some(begun) = begun(pid) else { return Ok(()) };
    fs::write(file, format!("{} {begun}", pid.as_raw_nonzero()))
        .map_err(BackendError::io(format!("write {}", file.display())))
}

/// When a process began, in clock ticks since boot (proc(5), field 22).
pub(crate) fn begun(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name before may hold anything, brackets and spaces too.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The process that a file names, if it still runs; the file is removed.
pub(crate) fn leftover(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    drop(fs::remove_file(file));
    let (pid, started) = text.split_once(' ')?;
    let pid = Pid::from_raw(pid.parse().ok()?)?;
    // One that has ended has no time when it began.
    (begun(pid)? == started.parse::<u64>().ok()?).then_some(pid)
}

/// Kills what a killed session left running for the services in these folders; answers how many there were.
pub(crate) fn sweep(folders: &[PathBuf]) -> usize {
    let leftovers = folders.iter().filter_map(|folder| leftover(&pid_file(folder)));
    leftovers.filter(|pid| kill_process(*pid, Signal::KILL).is_ok()).count()
}
