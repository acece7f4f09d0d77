//! Functions run again in a process of their own: `dyn replay-worker`.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hops::replay::{Answer, Ask, Loaded};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::kind;
use super::runner::{Job, Prepared, Ran, Role, Runner, Slot};
use crate::body::End;
use crate::request::Placed;

/// The subcommand that runs functions again.
const COMMAND: &str = "replay-worker";
/// What a run may take beyond its time before its process is taken for stuck: it says so itself, as a rule.
const GRACE: Duration = Duration::from_secs(5);
/// What loading a library and putting state in it may take.
const LOADING: Duration = Duration::from_secs(30);

/// A process that runs functions, and is started anew when one of them has ended it. It ends with this value.
#[derive(Debug)]
pub struct Worker {
    program: PathBuf,
    /// By service and version.
    libraries: BTreeMap<(String, String), PathBuf>,
    process: Option<Process>,
    /// What each slot begins with.
    prepared: HashMap<Slot, Vec<Placed>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// How many inputs the function in each slot takes.
    loaded: HashMap<Slot, usize>,
}

/// Why nothing can be run.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its process does not start.
    #[error("start {} to run functions again: {error}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is no library of this version.
    #[error("run {0} again: its library is not kept")]
    Library(String),
    /// It ended or hung where no function ran, or says what it should not.
    #[error("run {version} again: {why}")]
    Refused {
        /// The version.
        version: String,
        /// What it says.
        why: String,
    },
}

/// What the process has to say to one question.
enum Said {
    Answer(Answer),
    /// It ended, or did not answer in time and was ended.
    Gone(String),
}

impl Worker {
    /// Runs these libraries, by service and version, in a process of this program: `dyn`.
    pub fn new(program: PathBuf, libraries: BTreeMap<(String, String), PathBuf>) -> Self {
        Self { program, libraries, process: None, prepared: HashMap::new() }
    }

    async fn ask(&mut self, ask: &Ask, within: Duration) -> Result<Said, WorkerError> {
        let start = |error| WorkerError::Start { program: self.program.clone(), error };
        let mut line = serde_json::to_vec(ask).map_err(|error| start(error.into()))?;
        line.push(b'\n');
        let process = match &mut self.process {
            Some(process) => process,
            none => none.insert(Process::start(&self.program).map_err(start)?),
        };
        let said = match tokio::time::timeout(within, process.say(&line)).await {
            Ok(Ok(Some(answer))) => return Ok(Said::Answer(answer)),
            Ok(Ok(None)) => match tokio::time::timeout(GRACE, process.child.wait()).await {
                Ok(Ok(status)) => status.to_string(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it answers no more".to_owned(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", within.as_secs()),
        };
        // Dropped, it is killed.
        self.process = None;
        Ok(Said::Gone(said))
    }

    /// Has the slot's library in the process there is now.
    async fn load(&mut self, slot: &Slot) -> Result<Prepared, WorkerError> {
        let version = || slot.version.clone();
        let file = self
            .libraries
            .get(&(slot.service.clone(), slot.version.clone()))
            .ok_or_else(|| WorkerError::Library(version()))?;
        let refused = |why: String| WorkerError::Refused { version: version(), why };
        let name = name(slot);
        let load = Ask::Load { slot: name.clone(), file: file.clone() };
        let loaded: Loaded = match self.ask(&load, LOADING).await? {
            Said::Answer(Answer::Loaded(loaded)) => loaded,
            Said::Answer(Answer::Refused { why }) => return Err(refused(why)),
            Said::Answer(other) => return Err(refused(format!("it answers {other:?}"))),
            Said::Gone(how) => return Err(refused(format!("loading it ended the process: {how}"))),
        };
        let mut prepared = Prepared::default();
        for placed in self.prepared.get(slot).cloned().unwrap_or_default() {
            if !loaded.states.iter().any(|(name, _)| *name == placed.name) {
                prepared.reset.push((placed.name, "it is no placed static any more".to_owned()));
                continue;
            }
            let restore = Ask::Restore { slot: name.clone(), name: placed.name.clone(), value: placed.value };
            match self.ask(&restore, LOADING).await? {
                Said::Answer(Answer::Restored) => {}
                Said::Answer(Answer::Refused { why }) => prepared.reset.push((placed.name, why)),
                Said::Answer(other) => return Err(refused(format!("it answers {other:?}"))),
                Said::Gone(how) => return Err(refused(format!("giving it its state ended the process: {how}"))),
            }
        }
        if let Some(process) = &mut self.process {
            process.loaded.insert(slot.clone(), loaded.inputs.len());
        }
        Ok(prepared)
    }
}

impl Runner for Worker {
    type Error = WorkerError;

    async fn prepare(&mut self, slot: &Slot, states: &[Placed]) -> Result<Prepared, WorkerError> {
        self.prepared.insert(slot.clone(), states.to_vec());
        self.load(slot).await
    }

    async fn run(&mut self, job: Job<'_>) -> Result<Ran, WorkerError> {
        let takes = |worker: &Self| worker.process.as_ref().and_then(|process| process.loaded.get(job.slot).copied());
        if takes(self).is_none() {
            self.load(job.slot).await?;
        }
        if let Some(takes) = takes(self).filter(|takes| *takes != job.inputs.len()) {
            let message = format!("it takes {takes} inputs, not {}", job.inputs.len());
            let end = End::Failed { kind: kind::REJECTED.to_owned(), message };
            return Ok(Ran { end, function_ns: 0 });
        }
        let run = Ask::Run {
            slot: name(job.slot),
            inputs: job.inputs.iter().map(Into::into).collect(),
            stand_ins: job.stand_ins.iter().map(Into::into).collect(),
            timeout_ms: u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let failed = |kind: &str, message| End::Failed { kind: kind.to_owned(), message };
        let refused = |why| WorkerError::Refused { version: job.slot.version.clone(), why };
        match self.ask(&run, job.timeout.saturating_add(GRACE)).await? {
            Said::Answer(Answer::Ran(ran)) => {
                let end = End::from(ran.end);
                if matches!(&end, End::Failed { kind, .. } if kind == kind::DEADLINE) {
                    // It ends itself: what still runs in it cannot be stopped.
                    self.process = None;
                }
                Ok(Ran { end, function_ns: ran.function_ns })
            }
            Said::Answer(Answer::Refused { why }) => Err(refused(why)),
            Said::Answer(other) => Err(refused(format!("it answers {other:?}"))),
            Said::Gone(how) => {
                Ok(Ran { end: failed(kind::DIED, format!("it ended its process: {how}")), function_ns: 0 })
            }
        }
    }
}

impl Process {
    fn start(program: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        // What functions print comes on standard error: it has been read once.
        command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let gone = || io::Error::other("it has no standard input and output");
        let (input, output) = (child.stdin.take().ok_or_else(gone)?, child.stdout.take().ok_or_else(gone)?);
        Ok(Self { child, input, output: BufReader::new(output), loaded: HashMap::new() })
    }

    /// None where it has ended.
    async fn say(&mut self, line: &[u8]) -> io::Result<Option<Answer>> {
        match self.input.write_all(line).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
            written => written?,
        }
        let mut answer = Vec::new();
        self.output.read_until(b'\n', &mut answer).await?;
        if answer.last() != Some(&b'\n') {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&answer)?))
    }
}

fn name(slot: &Slot) -> String {
    let role = match slot.role {
        Role::Was => "was",
        Role::Now => "now",
    };
    format!("{role} {}", slot.version)
}
