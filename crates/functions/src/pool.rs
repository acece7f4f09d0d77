//! Warm processes: started ahead, kept for the tenant they serve, as many as the load needs.

mod settings;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::engine::FunctionEngine;
use crate::frame::{
    AnswerForm, ConsoleLine, FunctionEnd, FunctionError, FunctionRun, FunctionStop, JailEnd, RunLimits, Signature,
};
use crate::process::{Asker, Launcher, Process, ServiceCalls};
use crate::slots::{Act, AskId, PoolLoad, Scaler, SlotId, Slots};
pub use settings::PoolSettings;

/// Bytes of a source, of arguments, and of a result at most.
pub(crate) const MOST_SOURCE: usize = 256 << 10;
const MOST_ARGUMENTS: usize = 1 << 20;
const MOST_RESULT: u64 = 1 << 20;
/// A day: no run is worth more.
const MOST_TIME_MS: u64 = 24 * 60 * 60 * 1_000;
/// The least memory of an engine; 0 would mean no limit.
const LEAST_MEMORY: u64 = 1 << 20;
/// Within the stack that a process has anywhere.
const STACK: std::ops::RangeInclusive<u64> = 16 << 10..=1 << 20;
/// Runs of before that the average is made of.
const MEMORY: u32 = 8;
/// Over which the rate of runs is taken.
const RATE: f64 = 5.0;

/// A function that is to run.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The function's owner: no two tenants share a process.
    pub tenant: String,
    /// The run's own name, for the answerer of its calls.
    pub run: String,
    /// The function's name, for places in errors.
    pub name: String,
    /// The engine of its language.
    pub engine: FunctionEngine,
    /// One function.
    pub source: String,
    /// A JSON array.
    pub arguments: Box<RawValue>,
    /// The form of its result.
    pub form: AnswerForm,
    /// Whether it may call services.
    pub calls: bool,
    /// Limits of the run, within those of the pool: a day, its memory, a result of 1 MiB.
    pub limits: RunLimits,
}

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct FunctionRan {
    /// The run's end.
    pub end: FunctionEnd,
    /// Lines that it wrote, up to its limit, also where it was stopped.
    pub lines: Vec<ConsoleLine>,
    /// Bytes of lines beyond that.
    pub cut: u64,
    /// Nanoseconds that it is charged: awaits count, waits for calls do not.
    pub function_ns: u64,
}

/// A run that did not begin.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// This machine has no jail.
    #[error("functions cannot run on this machine: {0}")]
    NoJail(String),
    /// No process can be had.
    #[error("no process for functions starts: {0}")]
    Start(#[source] io::Error),
    /// More than a function may be given.
    #[error("the {what} of the function: {bytes} bytes, where at most {most} are allowed")]
    TooLarge { what: &'static str, bytes: usize, most: usize },
    /// The process that read a source ended.
    #[error("the function cannot be read: {0}")]
    Unread(JailEnd),
    /// The pool is gone.
    #[error("functions run no more: the pool was closed")]
    Closed,
}

impl PoolError {
    /// Advice for the user.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoJail(_) => Some("functions need Linux with seccomp, on x86_64 or aarch64"),
            Self::Start(_) => Some("see whether this machine has memory and processes left"),
            Self::TooLarge { .. } | Self::Unread(_) | Self::Closed => None,
        }
    }
}

/// Figures of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolFigures {
    /// Processes that there are.
    pub processes: usize,
    /// Runs that wait for one.
    pub queued: usize,
    /// Processes started so far.
    pub started: u64,
    /// Runs that ended, however.
    pub runs: u64,
    /// Runs whose process ended under them.
    pub lost: u64,
}

/// Runs functions, each in a jailed process of its tenant.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    launcher: Launcher,
    calls: ServiceCalls,
    most_memory: u64,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    slots: Slots,
    scaler: Scaler,
    /// Processes that nobody has just now.
    resting: BTreeMap<SlotId, Process>,
    /// Requests that wait for one.
    waiting: BTreeMap<AskId, oneshot::Sender<Result<Lease, PoolError>>>,
    last_ask: AskId,
    mean: Option<Duration>,
    rate: f64,
    rate_at: Instant,
    figures: PoolFigures,
}

impl Pool {
    /// A pool of processes that `settings` says how to start; none is started before the first run. `calls` answers the
    /// calls of functions that may make them. Needs to be made within a runtime.
    pub fn new(settings: PoolSettings, calls: ServiceCalls) -> Result<Self, PoolError> {
        let launcher = Launcher::new(settings.program.clone(), settings.arguments()).map_err(PoolError::Start)?;
        let now = Instant::now();
        let state = State {
            slots: Slots::new(settings.most),
            scaler: Scaler::new(settings.policy, settings.most),
            resting: BTreeMap::new(),
            waiting: BTreeMap::new(),
            last_ask: 0,
            mean: None,
            rate: 0.0,
            rate_at: now,
            figures: PoolFigures::default(),
        };
        let state = Mutex::new(state);
        let inner = Arc::new(Inner { launcher, calls, most_memory: settings.memory, began: now, state });
        tokio::spawn(watch(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Runs a function. Dropping the future ends the run and its process.
    pub async fn run(&self, invocation: Invocation) -> Result<FunctionRan, PoolError> {
        self.run_until(invocation, std::future::pending()).await
    }

    /// Runs a function, up to when `stop` is ready at most: then it ends as at its deadline, and is charged up to its end.
    pub async fn run_until(
        &self,
        invocation: Invocation,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<FunctionRan, PoolError> {
        within("source", invocation.source.len(), MOST_SOURCE)?;
        within("arguments", invocation.arguments.get().len(), MOST_ARGUMENTS)?;
        let Invocation { tenant, run, name, engine, source, arguments, form, calls, mut limits } = invocation;
        limits.time_ms = limits.time_ms.min(MOST_TIME_MS);
        limits.memory = limits.memory.min(self.inner.most_memory).max(LEAST_MEMORY);
        limits.stack = limits.stack.clamp(*STACK.start(), *STACK.end());
        limits.result = limits.result.min(MOST_RESULT);
        let function = FunctionRun { engine, name, source, arguments, form, calls, limits };
        tokio::pin!(stop);
        let mut lease = tokio::select! {
            lease = self.lease(&tenant) => lease?,
            () = &mut stop => {
                let end = FunctionEnd::Stopped(FunctionStop::Deadline);
                return Ok(FunctionRan { end, lines: Vec::new(), cut: 0, function_ns: 0 });
            }
        };
        let began = Instant::now();
        let process = lease.process.as_mut().ok_or(PoolError::Closed)?;
        let asker = Asker { tenant: &tenant, run: &run, calls: &self.inner.calls };
        let ran = process.run(function, asker, stop).await;
        self.inner.note(began.elapsed(), matches!(ran.end, FunctionEnd::Lost(_)));
        lease.give_back(ran.is_reusable);
        Ok(FunctionRan { end: ran.end, lines: ran.lines, cut: ran.cut, function_ns: ran.function_ns })
    }

    /// Reads a function without calling it: its parameters, or its first error.
    pub async fn check(
        &self,
        tenant: &str,
        engine: FunctionEngine,
        source: &str,
    ) -> Result<Result<Signature, FunctionError>, PoolError> {
        within("source", source.len(), MOST_SOURCE)?;
        let mut lease = self.lease(tenant).await?;
        let process = lease.process.as_mut().ok_or(PoolError::Closed)?;
        match process.check(engine, source.to_owned()).await {
            Ok(Ok(signature)) => {
                lease.give_back(true);
                Ok(Ok(signature))
            }
            // One that ran into its second may still be at it.
            Ok(Err(error)) => {
                lease.give_back(error.name == "SyntaxError");
                Ok(Err(error))
            }
            Err(end) => Err(PoolError::Unread(end)),
        }
    }

    /// A process that lives: one that somebody else ended while it rested is passed over.
    async fn lease(&self, tenant: &str) -> Result<Lease, PoolError> {
        loop {
            let mut lease = self.inner.lease(tenant).await?;
            if lease.process.as_mut().is_some_and(Process::is_alive) {
                return Ok(lease);
            }
        }
    }

    /// Figures of the pool.
    pub fn figures(&self) -> PoolFigures {
        let state = self.inner.state.lock();
        let (queued, processes, _) = state.slots.figures(Duration::ZERO, self.inner.now());
        PoolFigures { queued, processes, ..state.figures }
    }
}

fn within(what: &'static str, bytes: usize, most: usize) -> Result<(), PoolError> {
    if bytes > most { Err(PoolError::TooLarge { what, bytes, most }) } else { Ok(()) }
}

/// Looks at the load each second, for as long as the pool is there.
async fn watch(pool: Weak<Inner>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = pool.now();
        let acts = {
            let mut state = pool.state.lock();
            let load = state.load(now, 0);
            let want = state.scaler.want(&load, now);
            state.slots.tick(want, now)
        };
        pool.carry_out(acts);
    }
}

impl State {
    /// The load, with so many runs that are about to be asked for.
    fn load(&self, now: Duration, more: usize) -> PoolLoad {
        let long = self.mean.unwrap_or_default().max(Duration::from_millis(100));
        let (queued, processes, long) = self.slots.figures(long, now);
        PoolLoad { queued: queued + more, rate: self.faded(), mean: self.mean, processes, long }
    }

    /// Runs in a second: those of long ago count less.
    fn faded(&self) -> f64 {
        self.rate * (-self.rate_at.elapsed().as_secs_f64() / RATE).exp()
    }
}

impl Inner {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A process for a tenant, as soon as there is one.
    async fn lease(self: &Arc<Self>, tenant: &str) -> Result<Lease, PoolError> {
        let now = self.now();
        let (mut asking, acts) = {
            let mut state = self.state.lock();
            (state.rate, state.rate_at) = (state.faded() + 1.0 / RATE, Instant::now());
            state.last_ask += 1;
            let id = state.last_ask;
            let load = state.load(now, 1);
            let want = state.scaler.want(&load, now);
            state.slots.want(want);
            let (sender, answer) = oneshot::channel();
            state.waiting.insert(id, sender);
            let acts = state.slots.ask(id, tenant, now);
            (Asking { pool: self.clone(), id, answer }, acts)
        };
        self.carry_out(acts);
        (&mut asking.answer).await.unwrap_or(Err(PoolError::Closed))
    }

    /// Counts a run.
    fn note(&self, took: Duration, is_lost: bool) {
        let mut state = self.state.lock();
        state.mean = Some(state.mean.map_or(took, |mean| mean - mean / MEMORY + took / MEMORY));
        state.figures.runs += 1;
        state.figures.lost += u64::from(is_lost);
    }

    fn carry_out(self: &Arc<Self>, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Start(slot) => {
                    let pool = self.clone();
                    tokio::spawn(async move {
                        let started = Process::start(&pool.launcher).await;
                        pool.begin(slot, started);
                    });
                }
                Act::Give(slot, ask) => {
                    let (process, sender) = {
                        let mut state = self.state.lock();
                        (state.resting.remove(&slot), state.waiting.remove(&ask))
                    };
                    let lease = Lease { pool: self.clone(), slot, process };
                    match sender {
                        // Where nobody takes it the lease ends the process.
                        Some(sender) => drop(sender.send(Ok(lease))),
                        None => lease.give_back(true),
                    }
                }
                Act::End(slot) => drop(self.state.lock().resting.remove(&slot)),
            }
        }
    }

    fn begin(self: &Arc<Self>, slot: SlotId, started: Result<Process, PoolError>) {
        let now = self.now();
        let mut state = self.state.lock();
        let (failed, acts) = match started {
            Ok(process) => {
                state.figures.started += 1;
                state.resting.insert(slot, process);
                (None, state.slots.started(slot, now))
            }
            Err(error) => {
                let (ask, acts) = state.slots.failed(slot, now);
                (ask.and_then(|ask| state.waiting.remove(&ask)).map(|sender| (sender, error)), acts)
            }
        };
        drop(state);
        if let Some((sender, error)) = failed {
            // Who asked may have left.
            drop(sender.send(Err(error)));
        }
        self.carry_out(acts);
    }
}

/// Somebody who waits for a process.
struct Asking {
    pool: Arc<Inner>,
    id: AskId,
    answer: oneshot::Receiver<Result<Lease, PoolError>>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        state.slots.withdraw(self.id);
        state.waiting.remove(&self.id);
    }
}

/// A process that somebody has. Dropped, it is ended: whatever it was doing.
struct Lease {
    pool: Arc<Inner>,
    slot: SlotId,
    process: Option<Process>,
}

impl Lease {
    fn give_back(mut self, is_reusable: bool) {
        let now = self.pool.now();
        let Some(process) = self.process.take_if(|_| is_reusable) else { return };
        let acts = {
            let mut state = self.pool.state.lock();
            state.resting.insert(self.slot, process);
            state.slots.done(self.slot, now)
        };
        self.pool.carry_out(acts);
        self.slot = SlotId::MAX;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.process.take());
        if self.slot == SlotId::MAX {
            return;
        }
        let now = self.pool.now();
        let acts = self.pool.state.lock().slots.gone(self.slot, now);
        // Outside a runtime nothing is started any more, and nobody is there to ask.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.pool.carry_out(acts);
        }
    }
}
