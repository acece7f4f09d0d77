//! One jailed process, from outside: it is asked, and nothing that it says is believed.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use crate::engine::FunctionEngine;
use crate::frame::{
    CallEnd, ConsoleLine, FrameReader, FromJail, FunctionEnd, FunctionError, FunctionRun, FunctionStop, JailEnd,
    RunLimits, Signature, ToJail, frame,
};
use crate::measure::{charged, nanoseconds, processor_time};
use crate::pool::PoolError;

/// The longest frame that a process may send: a result, or the inputs of a call, within the most they may have.
const LONGEST_ANSWER: usize = 2 << 20;
/// A run that is not over so long after its timeout is ended with its process.
const GRACE: Duration = Duration::from_millis(100);
/// Longer than any service's name.
const LONGEST_NAME: usize = 256;
/// Longer than a process needs to begin, or to clear away after a run, on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a source takes to be read: the process has a second.
const CHECK: Duration = Duration::from_secs(2);

/// A call that a function makes to a service.
#[derive(Clone, Debug)]
pub struct ServiceCall {
    /// The function's tenant.
    pub tenant: String,
    /// The run, as the invocation has it.
    pub run: String,
    /// The service's name.
    pub service: String,
    /// Its inputs, as JSON.
    pub inputs: Box<RawValue>,
}

/// Answers calls of functions.
pub type ServiceCalls = Arc<dyn Fn(ServiceCall) -> BoxFuture<'static, CallEnd> + Send + Sync>;

/// Starts processes, in a thread that lives as long as the pool: the kernel ends a process with the thread that made it.
#[derive(Debug)]
pub(crate) struct Launcher {
    asks: mpsc::Sender<oneshot::Sender<io::Result<Child>>>,
}

impl Launcher {
    /// Has processes started of a program, in the runtime that this is called in.
    pub(crate) fn new(program: PathBuf, arguments: Vec<OsString>) -> io::Result<Self> {
        let (asks, asked) = mpsc::channel::<oneshot::Sender<io::Result<Child>>>();
        let runtime = tokio::runtime::Handle::current();
        let start = move || {
            let _runtime = runtime.enter();
            for ask in asked {
                let mut command = Command::new(&program);
                // Times are in UTC; nothing else of the environment is a function's to know.
                command.args(&arguments).env_clear().env("TZ", "UTC0").current_dir("/");
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
                // A Ctrl-C at the terminal is the session's.
                command.process_group(0).kill_on_drop(true);
                // Where nobody wants it any more it ends with the answer.
                drop(ask.send(command.spawn()));
            }
        };
        std::thread::Builder::new().name("functions".to_owned()).spawn(start)?;
        Ok(Self { asks })
    }

    async fn launch(&self) -> io::Result<Child> {
        let (ask, answer) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes has ended");
        self.asks.send(ask).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// A process that is jailed and waits.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    reader: FrameReader,
    pid: u32,
}

/// The end of a run, and whether the process may run another.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) end: FunctionEnd,
    pub(crate) lines: Vec<ConsoleLine>,
    pub(crate) cut: u64,
    pub(crate) function_ns: u64,
    pub(crate) is_reusable: bool,
}

/// The owner of a run, and the answerer of its calls.
pub(crate) struct Asker<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) run: &'a str,
    pub(crate) calls: &'a ServiceCalls,
}

/// The last event of a run's conversation.
enum Last {
    Ran(FunctionEnd, u64, u64),
    Late,
    Gone,
    Nonsense(String),
}

impl Process {
    /// Starts one and waits until it is jailed.
    pub(crate) async fn start(launcher: &Launcher) -> Result<Self, PoolError> {
        let mut child = launcher.launch().await.map_err(PoolError::Start)?;
        let (Some(input), Some(output), Some(pid)) = (child.stdin.take(), child.stdout.take(), child.id()) else {
            return Err(PoolError::Start(io::Error::other("it has ended already")));
        };
        let mut process = Self { child, input, output, reader: FrameReader::new(LONGEST_ANSWER), pid };
        match timeout(PATIENCE, process.hear()).await {
            Ok(Ok(FromJail::Ready)) => Ok(process),
            Ok(Ok(FromJail::Refused { why })) => Err(PoolError::NoJail(why)),
            Ok(Ok(other)) => Err(PoolError::Start(io::Error::other(format!("it says {other:?}")))),
            Ok(Err(why)) => {
                let end = process.end().await;
                Err(PoolError::Start(io::Error::other(format!("{end} ({why})"))))
            }
            Err(_) => Err(PoolError::Start(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Runs a function, up to `stop` at most. Dropping the future ends nothing by itself: the process has to be dropped, too.
    pub(crate) async fn run(
        &mut self,
        run: FunctionRun,
        asker: Asker<'_>,
        stop: impl Future<Output = ()> + Send,
    ) -> Ran {
        let mut talk = Talk::new(run.limits, asker, run.calls);
        let before = processor_time(self.pid);
        talk.send(&ToJail::Run(Box::new(run)));
        let last = talk.hold(self, stop).await;
        let used = processor_time(self.pid).zip(before).map(|(now, before)| now.saturating_sub(before));
        let (whole, alone) = talk.passed();
        // Of one that is ended only this is known.
        let up_to_its_end = nanoseconds(alone.max(used.unwrap_or_default().min(whole)));
        let lines = std::mem::take(&mut talk.lines);
        let ended = |end, is_reusable, function_ns, cut| Ran { end, lines, cut, function_ns, is_reusable };
        match last {
            Last::Ran(end, ns, cut) => {
                let is_ready = matches!(timeout(PATIENCE, self.settle(talk.out)).await, Ok(Ok(FromJail::Ready)));
                ended(end, is_ready, charged(ns, used, whole), cut)
            }
            Last::Late => ended(FunctionEnd::Stopped(FunctionStop::Deadline), false, up_to_its_end, 0),
            Last::Gone => ended(FunctionEnd::Lost(self.end().await), false, up_to_its_end, 0),
            Last::Nonsense(why) => ended(FunctionEnd::Lost(JailEnd::Nonsense(why)), false, up_to_its_end, 0),
        }
    }

    /// Has a source read.
    pub(crate) async fn check(
        &mut self,
        engine: FunctionEngine,
        source: String,
    ) -> Result<Result<Signature, FunctionError>, JailEnd> {
        let ask = frame(&ToJail::Check { engine, source }).map_err(|error| JailEnd::Nonsense(error.to_string()))?;
        let talk = async {
            self.input.write_all(&ask).await.map_err(|error| error.to_string())?;
            let checked = match self.hear().await? {
                FromJail::Checked(checked) => checked,
                other => return Err(format!("it answered {other:?}")),
            };
            match self.hear().await? {
                FromJail::Ready => Ok(checked),
                other => Err(format!("it answered {other:?}")),
            }
        };
        match timeout(CHECK, talk).await {
            Ok(Ok(checked)) => Ok(checked.map_err(FunctionError::shortened)),
            Ok(Err(_)) => Err(self.end().await),
            Err(_) => Ok(Err(FunctionError::new(FunctionStop::Deadline.name(), FunctionStop::Deadline.to_string()))),
        }
    }

    /// Whether it lives, as far as is known.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The message after the clean-up of a run. Bytes that are still to be written are written first.
    async fn settle(&mut self, mut rest: VecDeque<u8>) -> Result<FromJail, String> {
        self.input.write_all(rest.make_contiguous()).await.map_err(|error| error.to_string())?;
        self.hear().await
    }

    /// The next message, or the reason that there is none.
    async fn hear(&mut self) -> Result<FromJail, String> {
        loop {
            if let Some(message) = self.reader.next_frame().map_err(|error| error.to_string())? {
                return Ok(message);
            }
            let mut room = [0; 4 << 10];
            match self.output.read(&mut room).await {
                Ok(0) => return Err("it closed its answers".to_owned()),
                Ok(count) => self.reader.push(&room[..count]),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// The process's end, or the reason to end it.
    async fn end(&mut self) -> JailEnd {
        match timeout(Duration::from_secs(1), self.child.wait()).await {
            Ok(Ok(status)) => ended(status),
            Ok(Err(error)) => JailEnd::Nonsense(error.to_string()),
            Err(_) => JailEnd::Nonsense("it closed its answers and went on".to_owned()),
        }
    }
}

fn ended(status: ExitStatus) -> JailEnd {
    match (status.signal(), status.code()) {
        (Some(libc::SIGSYS), _) => JailEnd::Killed,
        (Some(signal), _) => JailEnd::Crashed { signal },
        (None, code) => JailEnd::Exited { code: code.unwrap_or_default() },
    }
}

/// The conversation of one run.
struct Talk<'a> {
    asker: Asker<'a>,
    limits: RunLimits,
    may_call: bool,
    began: Instant,
    /// Bytes to be written, while the process is read: it may be busy writing itself.
    out: VecDeque<u8>,
    calls: FuturesUnordered<BoxFuture<'static, (u32, CallEnd)>>,
    /// Since when calls are under way, and how long they were before.
    calling: Option<Instant>,
    called: Duration,
    lines: Vec<ConsoleLine>,
    bytes_of_lines: u64,
}

impl<'a> Talk<'a> {
    fn new(limits: RunLimits, asker: Asker<'a>, may_call: bool) -> Self {
        Self {
            asker,
            limits,
            may_call,
            began: Instant::now(),
            out: VecDeque::new(),
            calls: FuturesUnordered::new(),
            calling: None,
            called: Duration::ZERO,
            lines: Vec::new(),
            bytes_of_lines: 0,
        }
    }

    fn send(&mut self, message: &ToJail) {
        // All of it came out of JSON, and is shorter than a frame may be.
        self.out.extend(frame(message).unwrap_or_default());
    }

    /// Time so far: in all, and without the time of calls.
    fn passed(&self) -> (Duration, Duration) {
        let whole = self.began.elapsed();
        let calling = self.calling.map(|since| since.elapsed()).unwrap_or_default();
        (whole, whole.saturating_sub(self.called).saturating_sub(calling))
    }

    async fn hold(&mut self, process: &mut Process, stop: impl Future<Output = ()> + Send) -> Last {
        let until = self.began + Duration::from_millis(self.limits.time_ms) + GRACE;
        let late = sleep_until(until.into());
        tokio::pin!(late, stop);
        let mut room = vec![0; 16 << 10];
        loop {
            match process.reader.next_frame() {
                Ok(Some(message)) => match self.hear(message) {
                    Some(last) => return last,
                    None => continue,
                },
                Ok(None) => {}
                Err(error) => return Last::Nonsense(error.to_string()),
            }
            let out = self.out.as_slices().0;
            tokio::select! {
                read = process.output.read(&mut room) => match read {
                    Ok(0) | Err(_) => return Last::Gone,
                    Ok(count) => process.reader.push(&room[..count]),
                },
                wrote = process.input.write(out), if !out.is_empty() => match wrote {
                    Ok(count) => drop(self.out.drain(..count)),
                    // It has ended: its last words are read to the end.
                    Err(_) => self.out.clear(),
                },
                Some((id, end)) = self.calls.next(), if !self.calls.is_empty() => self.answer(id, end),
                () = &mut late => return Last::Late,
                () = &mut stop => return Last::Late,
            }
        }
    }

    fn hear(&mut self, message: FromJail) -> Option<Last> {
        match message {
            FromJail::Line(line) => {
                // Its end counts, as inside, where the last one may go beyond by it.
                self.bytes_of_lines += line.text.len() as u64 + 1;
                if self.bytes_of_lines > self.limits.lines.saturating_add(1) {
                    return Some(Last::Nonsense("it writes more lines than it may".to_owned()));
                }
                self.lines.push(line);
                None
            }
            FromJail::Call { id, service, inputs } => self.call(id, service, inputs),
            FromJail::Ran { end: FunctionEnd::Value(value), .. } if value.get().len() as u64 > self.limits.result => {
                Some(Last::Nonsense("its result is larger than it may be".to_owned()))
            }
            FromJail::Ran { end: FunctionEnd::Failed(error), ns, cut } => {
                Some(Last::Ran(FunctionEnd::Failed(error.shortened()), ns, cut))
            }
            FromJail::Ran { end, ns, cut } => Some(Last::Ran(end, ns, cut)),
            other => Some(Last::Nonsense(format!("it says {other:?} within a run"))),
        }
    }

    fn call(&mut self, id: u32, service: String, inputs: Box<RawValue>) -> Option<Last> {
        if !self.may_call || self.calls.len() >= crate::javascript::MOST_CALLS {
            return Some(Last::Nonsense("it calls a service where it may not".to_owned()));
        }
        if service.len() > LONGEST_NAME {
            return Some(Last::Nonsense("it calls a service whose name is longer than any".to_owned()));
        }
        if inputs.get().len() as u64 > self.limits.result {
            return Some(Last::Nonsense("the inputs of its call are larger than they may be".to_owned()));
        }
        self.calling.get_or_insert_with(Instant::now);
        let (tenant, run) = (self.asker.tenant.to_owned(), self.asker.run.to_owned());
        let answer = (self.asker.calls)(ServiceCall { tenant, run, service, inputs });
        self.calls.push(Box::pin(async move { (id, answer.await) }));
        None
    }

    fn answer(&mut self, id: u32, end: CallEnd) {
        if self.calls.is_empty()
            && let Some(since) = self.calling.take()
        {
            self.called += since.elapsed();
        }
        let end = match end {
            CallEnd::Value(value) if value.get().len() as u64 > self.limits.result => {
                CallEnd::Failed(FunctionError::new("RangeError", "the answer is larger than a function may be given"))
            }
            end => end,
        };
        self.send(&ToJail::Answer { id, end });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_by_its_signal() {
        let of_signal = |signal| ended(ExitStatus::from_raw(signal));
        assert_eq!(of_signal(libc::SIGSYS), JailEnd::Killed);
        assert_eq!(of_signal(libc::SIGSEGV), JailEnd::Crashed { signal: libc::SIGSEGV });
        assert_eq!(of_signal(7 << 8), JailEnd::Exited { code: 7 });
    }
}
