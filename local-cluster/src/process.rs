//! The process backend: a plain process for each host.

mod pid;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
    Backend, BackendError, BackendEvent, BackendPlan, Begun, Doer, Endpoint, PublicAddress, Spec, Specs, Stream, Work,
};
use crate::ending::{memory_kills, of_process, signal_name};
use crate::environment::Environment;
use crate::port::{Ports, local};
use crate::queue::{Receiver, Sender, queue};
use crate::speech::Speech;
use pid::pid_file;
pub(crate) use pid::{begun, leftover, sweep, write_pid};

/// A service may answer what it has begun for this long before it is killed.
const GRACE: Duration = Duration::from_millis(1500);
/// A host that its services left ends by itself once it has answered whom it passed on, who may wait for all of a deadline.
const LEAVES: Duration = Duration::from_secs(40);
/// Services as processes.
pub(crate) struct Processes {
    plan: BackendPlan,
    specs: Specs,
    ports: Ports,
    events: Sender<BackendEvent>,
    inbox: tokio::sync::Mutex<Receiver<BackendEvent>>,
    closing: Arc<AtomicBool>,
    /// Where each service can be called.
    seats: Mutex<BTreeMap<String, SocketAddr>>,
    /// Held while a process is started, so that a group has one.
    starting: tokio::sync::Mutex<()>,
    running: Mutex<Vec<Arc<Running>>>,
}

struct Running {
    group: String,
    /// The services in it, in the order they came.
    members: Arc<Mutex<Vec<String>>>,
    pid: Pid,
    ended: watch::Receiver<bool>,
    /// Its end is wanted: nobody is told of it.
    leaving: Arc<AtomicBool>,
    /// The service whose function ended it, or that was found wanting, for which it was killed.
    condemned: Arc<Mutex<Option<String>>>,
    /// It stands still: to start it is to have it go on.
    stopped: Arc<AtomicBool>,
}

impl Processes {
    pub(crate) fn new(plan: BackendPlan) -> Self {
        let (events, inbox) = queue();
        let inbox = tokio::sync::Mutex::new(inbox);
        Self {
            specs: Specs::new(&plan.services),
            ports: Ports::except(plan.services.iter().filter_map(|spec| Some(spec.front?.port))),
            plan,
            events,
            inbox,
            closing: Arc::default(),
            seats: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            running: Mutex::default(),
        }
    }

    fn spawn(&self, spec: &Spec) -> Result<Child, BackendError> {
        let mut command = Command::new(self.plan.host.path());
        command.arg("host").arg(&spec.folder).arg("--die-with-parent");
        command.args(self.plan.debug.then_some("--debug"));
        // Another service may come while it runs.
        command.arg("--mark-lines");
        // What the shell has is the session's: a container would not find it either.
        command.env_clear().envs(spec.environment.all());
        // Ctrl-C is the session's to hear: a group of its own keeps it from the service.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| BackendError::Spawn { service: spec.service.clone(), source })?;
        self.limit(&spec.service, pid_of(&child), self.specs.group(&spec.group).len());
        Ok(child)
    }

    /// Limits a process that runs so many services to what they may have.
    fn limit(&self, service: &str, pid: Option<Pid>, services: usize) {
        if let (Some(bytes), Some(pid)) = (self.plan.limits.memory, pid) {
            let bytes = bytes.saturating_mul(services.max(1) as u64);
            // Who comes later brings what it may use: a hard limit could not be raised for it.
            let maximum = rustix::process::getrlimit(rustix::process::Resource::Data).maximum;
            let limit = rustix::process::Rlimit { current: Some(bytes), maximum };
            if let Err(error) = rustix::process::prlimit(Some(pid), rustix::process::Resource::Data, limit) {
                self.tell(BackendEvent::Notice(format!("{service} runs without its memory limit: {error}")));
            }
        }
    }

    /// Has a process that was stopped go on; whether there was one.
    fn go_on(&self, process: &Running) -> bool {
        process.stopped.swap(false, Ordering::AcqRel) && kill_process(process.pid, Signal::CONT).is_ok()
    }

    /// The process that runs a service.
    fn process_of(&self, service: &str) -> Option<Arc<Running>> {
        let running = self.running.lock();
        let mut has = running.iter().filter(|process| process.has(service));
        // Of a service that moves, the one it moves to.
        let group = self.specs.get(service).ok().map(|spec| spec.group);
        let first = has.next()?;
        let own = [first].into_iter().chain(has).find(|process| Some(&process.group) == group.as_ref());
        Some(own.unwrap_or(first).clone())
    }

    /// The process that runs the services of a group, if it may run more.
    fn process_for(&self, group: &str) -> Option<Arc<Running>> {
        let is_it = |process: &&Arc<Running>| {
            process.group == group && !process.has_ended() && !process.leaving.load(Ordering::Acquire)
        };
        self.running.lock().iter().find(is_it).cloned()
    }

    /// Takes a service into a process of its group; none: there is no such process.
    fn take_in(&self, spec: &Spec) -> Option<Begun> {
        let process = self.process_for(&spec.group)?;
        let mut members = process.members.lock();
        let first = members.iter().find(|member| **member != spec.service);
        let first = first.and_then(|member| self.seats.lock().get(member).copied());
        if members.contains(&spec.service) {
            self.go_on(&process);
            return Some(Begun::WentOn);
        }
        members.push(spec.service.clone());
        self.limit(&spec.service, Some(process.pid), members.len().max(self.specs.group(&spec.group).len()));
        Some(Begun::Beside(first?))
    }

    fn find_seat(&self, service: &str) -> Result<Endpoint, BackendError> {
        let port = self.ports.pick().map_err(BackendError::io("find a free port"))?;
        self.seats.lock().insert(service.to_owned(), local(port));
        Ok(Endpoint { listen: local(port), peer: local(port).to_string(), here: local(port) })
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

    fn leads_front(&self) -> bool {
        false
    }

    fn lead_front(&self, service: &str, _: PublicAddress) -> Result<(), BackendError> {
        Err(BackendError::Lacking(format!("the host of {service} has the public listener by itself")))
    }

    fn close_front(&self) {}

    async fn open(&self) -> Result<BTreeMap<String, Endpoint>, BackendError> {
        if self.plan.limits.cpus.is_some() {
            self.tell(BackendEvent::Notice(
                "processes cannot be limited to a number of CPUs; --on docker can".to_owned(),
            ));
        }
        let seat = |spec: Spec| self.find_seat(&spec.service).map(|seat| (spec.service, seat));
        self.specs.all().into_iter().map(seat).collect()
    }

    async fn endpoint(&self, spec: Spec) -> Result<Endpoint, BackendError> {
        let service = spec.service.clone();
        self.specs.put(spec);
        self.find_seat(&service)
    }

    fn takes_in(&self) -> bool {
        true
    }

    fn regroup(&self, service: &str, group: &str) {
        self.specs.regroup(service, group);
    }

    fn is_grouped(&self, service: &str) -> bool {
        self.specs.is_grouped(service)
    }

    fn is_among(&self, service: &str) -> bool {
        self.process_of(service).is_some_and(|process| !process.has_ended() && process.members.lock().len() > 1)
    }

    fn left(&self, service: &str) {
        for process in self.running.lock().iter() {
            process.members.lock().retain(|member| member != service);
        }
    }

    fn moves(&self) -> bool {
        true
    }

    fn moved(&self, service: &str, from: &str) {
        for process in self.running.lock().iter().filter(|process| process.group == from) {
            let mut members = process.members.lock();
            members.retain(|member| member != service);
            if members.is_empty() {
                process.leaving.store(true, Ordering::Release);
            }
        }
    }

    fn stays(&self, service: &str, group: &str, here: SocketAddr) {
        self.specs.regroup(service, group);
        self.seats.lock().insert(service.to_owned(), here);
    }

    async fn end(&self, group: &str) -> Result<(), BackendError> {
        let is_left = |process: &&Arc<Running>| process.group == group && process.members.lock().is_empty();
        let left: Vec<_> = self.running.lock().iter().filter(is_left).cloned().collect();
        self.running.lock().retain(|process| !left.iter().any(|left| Arc::ptr_eq(left, process)));
        for process in left {
            send(&process, Signal::TERM);
            end(&process, tokio::time::Instant::now() + LEAVES).await;
        }
        Ok(())
    }

    async fn start(&self, service: &str) -> Result<Begun, BackendError> {
        let _one_at_a_time = self.starting.lock().await;
        let spec = self.specs.get(service)?;
        self.running.lock().retain(|process| !process.has_ended());
        if let Some(begun) = self.take_in(&spec) {
            return Ok(begun);
        }
        // Heard from before there is a child, so that one that is stopped in its first moment is seen to be.
        let mut children = signal::unix::signal(SignalKind::child()).map_err(BackendError::io("hear of children"))?;
        let mut child = self.spawn(&spec)?;
        let Some(pid) = pid_of(&child) else { return Ok(Begun::Anew) };
        let pid_file = pid_file(&spec);
        write_pid(&pid_file, pid)?;
        // The service whose function ended it, or that was found wanting, for which it was killed.
        let condemned = Arc::new(Mutex::new(None));
        let speech = |stream| Speech::new(service.to_owned(), stream);
        let (events, undone) = (&self.events, &condemned);
        let readers = [
            child
                .stdout
                .take()
                .map(|out| tokio::spawn(follow(out, speech(Stream::Stdout), undone.clone(), events.clone()))),
            child
                .stderr
                .take()
                .map(|err| tokio::spawn(follow(err, speech(Stream::Stderr), undone.clone(), events.clone()))),
        ];
        let (ending, ended) = watch::channel(false);
        let [leaving, stopped] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let members = Arc::new(Mutex::new(vec![service.to_owned()]));
        let killed_before = memory_kills();
        self.running.lock().push(Arc::new(Running {
            group: spec.group,
            members: members.clone(),
            pid,
            ended,
            leaving: leaving.clone(),
            condemned: condemned.clone(),
            stopped: stopped.clone(),
        }));
        let (events, closing) = (self.events.clone(), self.closing.clone());
        tokio::spawn(async move {
            let is_wanted = || !closing.load(Ordering::Acquire) && !leaving.load(Ordering::Acquire);
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    Some(()) = children.recv() => {
                        if is_wanted() && let Some(signal) = stopped_by(pid) {
                            stopped.store(true, Ordering::Release);
                            let why = format!("it was stopped by {}", signal_name(signal));
                            down(&members.lock(), None, &why, Doer::Others).for_each(|event| events.send(event));
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
                let condemned = condemned.lock().take();
                down(&members.lock(), condemned.as_deref(), &why, by).for_each(|event| events.send(event));
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
        self.limit(service, pid_of(&child), 1);
        let gone = || failed(std::io::Error::other("it has no standard input and output"));
        let (input, output) = (child.stdin.take().ok_or_else(gone)?, child.stdout.take().ok_or_else(gone)?);
        let ended =
            async move { child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string()) };
        Ok(Work { input: Box::new(input), output: Box::new(output), ended: Box::pin(ended) })
    }

    fn process(&self, service: &str) -> Option<u32> {
        let process = self.process_of(service).filter(|process| !process.has_ended())?;
        u32::try_from(process.pid.as_raw_nonzero().get()).ok()
    }

    fn address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    async fn reach(&self, to: SocketAddr) -> Result<SocketAddr, BackendError> {
        Ok(to)
    }

    async fn next(&self) -> Option<BackendEvent> {
        self.inbox.lock().await.recv().await
    }

    async fn close(&self) -> Result<(), BackendError> {
        self.closing.store(true, Ordering::Release);
        let running = std::mem::take(&mut *self.running.lock());
        for process in &running {
            send(process, Signal::TERM);
        }
        let deadline = tokio::time::Instant::now() + GRACE;
        for process in running {
            end(&process, deadline).await;
        }
        Ok(())
    }

    async fn kill(&self, service: &str) -> Result<(), BackendError> {
        let process = self.process_of(service).ok_or_else(|| BackendError::Unknown(service.to_owned()))?;
        *process.condemned.lock() = Some(service.to_owned());
        send(&process, Signal::KILL);
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
        let Some(process) = self.process_of(service) else { return Ok(()) };
        if self.is_among(service) {
            self.left(service);
            return Ok(());
        }
        process.leaving.store(true, Ordering::Release);
        self.running.lock().retain(|other| !Arc::ptr_eq(other, &process));
        send(&process, Signal::TERM);
        end(&process, tokio::time::Instant::now() + GRACE).await;
        Ok(())
    }
}

impl Running {
    fn has(&self, service: &str) -> bool {
        self.members.lock().iter().any(|member| member == service)
    }

    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }
}

/// What is told of the services in a process that ended or stands still. Where it was killed for one of them, that is the
/// doing of no other.
fn down(members: &[String], condemned: Option<&str>, why: &str, by: Doer) -> impl Iterator<Item = BackendEvent> {
    members.iter().map(move |service| {
        let by = match condemned {
            Some(condemned) if condemned == service => Doer::Service,
            Some(_) => Doer::Others,
            None => by,
        };
        BackendEvent::Down { service: service.clone(), why: shared(members, service, condemned, why), by }
    })
}

/// Why a service is down, with those who share its host, and with whom of them it was, where that is known.
pub(crate) fn shared(members: &[String], service: &str, condemned: Option<&str>, why: &str) -> String {
    let others: Vec<&str> = members.iter().filter(|member| *member != service).map(String::as_str).collect();
    match condemned {
        _ if others.is_empty() => why.to_owned(),
        Some(other) if other != service => format!("{why}, in {other}, which runs in the same host"),
        _ => format!("{why}, and with it {}, in the same host", others.join(", ")),
    }
}

/// Waits for a process that was asked to end, and kills it at the deadline.
async fn end(process: &Running, deadline: tokio::time::Instant) {
    let mut ended = process.ended.clone();
    if tokio::time::timeout_at(deadline, ended.wait_for(|ended| *ended)).await.is_err() {
        send(process, Signal::KILL);
        drop(ended.wait_for(|ended| *ended).await);
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
        for process in self.running.lock().iter() {
            send(process, Signal::KILL);
        }
    }
}

async fn follow(
    mut stream: impl AsyncRead + Unpin,
    mut speech: Speech,
    undone: Arc<Mutex<Option<String>>>,
    events: Sender<BackendEvent>,
) {
    // What is written is read even where nobody takes it, or its writer would stand still.
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if let Some(service) = speech.take(&buffer[..count], |event| events.send(event)) {
            *undone.lock() = Some(service);
        }
    }
    speech.end(|event| events.send(event));
}

/// The signal a child was stopped by since this was asked before.
fn stopped_by(pid: Pid) -> Option<i32> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    // A child that ended meanwhile is none to ask about: its end is heard of as such.
    waitid(WaitId::Pid(pid), options).ok().flatten()?.stopping_signal()
}
