//! Functions run again in processes of their own: `dyn replay-worker`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use protocol::replay::{Ask, Loaded, ReplayAnswer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::task::JoinHandle;

use super::kind;
use super::launch::{Environments, Launch, Launched, Processes};
use super::runner::{Job, Prepared, ReplayedRun, Role, Runner, Slot};
use crate::request::PlacedValue;
use protocol::body::Outcome;

/// What a run may take beyond its time before its process is taken for stuck: it says so itself, as a rule.
const GRACE: Duration = Duration::from_secs(5);
/// What loading a library and putting state in it may take.
const LOADING: Duration = Duration::from_secs(30);
/// Bytes of an answer: far more than a value that is recorded.
const LONGEST_ANSWER: u64 = 256 << 20;

/// Runs functions, each service's two versions in a process of their own, so that what is left of one is not laid to
/// another. A process is started anew when a function has ended it. They end with this value.
#[derive(Debug)]
pub struct Worker {
    launch: Arc<dyn Launch>,
    /// By service and version.
    libraries: BTreeMap<(String, String), PathBuf>,
    processes: HashMap<Slot, Process>,
    /// One that is being started for the other version of a service, by service and freedom.
    ahead: Option<Ahead>,
    /// What each slot begins with.
    prepared: HashMap<Slot, Vec<PlacedValue>>,
}

struct Process {
    input: Box<dyn AsyncWrite + Send + Unpin>,
    output: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    ended: Pin<Box<dyn Future<Output = String> + Send>>,
    /// How many inputs the function takes, once its library is loaded.
    takes: Option<usize>,
}

type Ahead = ((String, bool), JoinHandle<Result<Launched, WorkerError>>);

/// Why nothing can be run.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its process does not start.
    #[error("cannot start {} to run functions again: {error}", .program.display())]
    Start { program: PathBuf, error: io::Error },
    /// The place where services run does not start it.
    #[error("cannot run functions again where services run: {0}")]
    Place(String),
    /// There is no library of this version.
    #[error("cannot run {0} again: its library is not kept")]
    Library(String),
    /// It ended or hung where no function ran, or says what it should not.
    #[error("cannot run {version} again: {why}")]
    Refused { version: String, why: String },
}

/// What the process has to say to one question.
enum Said {
    Answer(ReplayAnswer),
    /// It was stopped by its sandbox, and ended.
    Stopped(String),
    /// It ended, or did not answer in time and was ended.
    Gone(String),
}

impl Worker {
    /// Runs these libraries, by service and version, in processes of this program, `dyn`, with these environments.
    pub fn new(program: PathBuf, libraries: BTreeMap<(String, String), PathBuf>, environments: Environments) -> Self {
        Self::at(Arc::new(Processes { program, environments }), libraries)
    }

    /// Runs them in processes that are started so.
    pub fn at(launch: Arc<dyn Launch>, libraries: BTreeMap<(String, String), PathBuf>) -> Self {
        Self { launch, libraries, processes: HashMap::new(), ahead: None, prepared: HashMap::new() }
    }

    async fn ask(&mut self, slot: &Slot, ask: &Ask, within: Duration) -> Result<Said, WorkerError> {
        let unsaid =
            |error: serde_json::Error| WorkerError::Refused { version: slot.version.clone(), why: error.to_string() };
        let mut line = serde_json::to_vec(ask).map_err(unsaid)?;
        line.push(b'\n');
        let process = match self.processes.get_mut(slot) {
            Some(process) => process,
            None => {
                let launched = self.start(slot).await?;
                self.processes.entry(slot.clone()).insert_entry(launched.into()).into_mut()
            }
        };
        let said = match tokio::time::timeout(within, process.say(&line)).await {
            Ok(Ok(Some(ReplayAnswer::Stopped { deed }))) => Said::Stopped(deed),
            Ok(Ok(Some(answer))) => return Ok(Said::Answer(answer)),
            Ok(Ok(None)) => match tokio::time::timeout(GRACE, &mut process.ended).await {
                Ok(how) => Said::Gone(how),
                Err(_) => Said::Gone("it answers no more".to_owned()),
            },
            Ok(Err(error)) => Said::Gone(error.to_string()),
            Err(_) => Said::Gone(format!("no answer within {} s", within.as_secs())),
        };
        // Dropped, it is killed.
        self.processes.remove(slot);
        Ok(said)
    }

    /// Starts a process for a slot. That of the code now is started along with that of the code before.
    async fn start(&mut self, slot: &Slot) -> Result<Launched, WorkerError> {
        let key = (slot.service.clone(), slot.is_free);
        if let Some((_, started)) = self.ahead.take_if(|(ahead, _)| *ahead == key) {
            return started.await.unwrap_or_else(|error| Err(WorkerError::Place(error.to_string())));
        }
        if slot.role == Role::Was {
            let (launch, (service, is_free)) = (self.launch.clone(), key.clone());
            let started = tokio::spawn(async move { launch.launch(&service, is_free).await });
            self.ahead = Some((key, started));
        }
        self.launch.launch(&slot.service, slot.is_free).await
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
        // One that was renamed is called in its library as it was then.
        let service = slot.version.rsplit_once('@').map_or(slot.service.as_str(), |(name, _)| name).to_owned();
        let load = Ask::Load { slot: name.clone(), file: file.clone(), service };
        let loaded: Loaded = match self.ask(slot, &load, LOADING).await? {
            Said::Answer(ReplayAnswer::Loaded(loaded)) => loaded,
            Said::Answer(ReplayAnswer::Refused { why }) => return Err(refused(why)),
            Said::Answer(other) => return Err(refused(format!("it answers {other:?}"))),
            Said::Stopped(deed) => return Ok(Prepared { stopped: Some(deed), ..Prepared::default() }),
            Said::Gone(how) => return Err(refused(format!("loading it ended the process: {how}"))),
        };
        let mut prepared = Prepared::default();
        for placed in self.prepared.get(slot).cloned().unwrap_or_default() {
            if !loaded.states.iter().any(|(name, _)| *name == placed.name) {
                prepared.reset.push((placed.name, "it is no placed static any more".to_owned()));
                continue;
            }
            let restore = Ask::Restore { slot: name.clone(), name: placed.name.clone(), value: placed.value };
            match self.ask(slot, &restore, LOADING).await? {
                Said::Answer(ReplayAnswer::Restored) => {}
                Said::Answer(ReplayAnswer::Refused { why }) => prepared.reset.push((placed.name, why)),
                Said::Answer(other) => return Err(refused(format!("it answers {other:?}"))),
                Said::Stopped(deed) => return Ok(Prepared { stopped: Some(deed), ..Prepared::default() }),
                Said::Gone(how) => return Err(refused(format!("giving it its state ended the process: {how}"))),
            }
        }
        if let Some(process) = self.processes.get_mut(slot) {
            process.takes = Some(loaded.inputs.len());
        }
        Ok(prepared)
    }
}

impl Runner for Worker {
    type Error = WorkerError;

    async fn prepare(&mut self, slot: &Slot, states: &[PlacedValue]) -> Result<Prepared, WorkerError> {
        // What ran before it is done with.
        self.processes.retain(|other, _| other.service == slot.service);
        self.prepared.insert(slot.clone(), states.to_vec());
        self.load(slot).await
    }

    async fn run(&mut self, job: Job<'_>) -> Result<ReplayedRun, WorkerError> {
        let takes = |worker: &Self| worker.processes.get(job.slot).and_then(|process| process.takes);
        if takes(self).is_none()
            && let Some(deed) = self.load(job.slot).await?.stopped
        {
            return Ok(stopped(deed));
        }
        if let Some(takes) = takes(self).filter(|takes| *takes != job.inputs.len()) {
            let message = format!("it takes {takes} inputs, not {}", job.inputs.len());
            let end = Outcome::Failed { kind: kind::REJECTED.to_owned(), message };
            return Ok(ReplayedRun { end, function_ns: 0 });
        }
        let run = Ask::Run {
            slot: name(job.slot),
            inputs: job.inputs.to_vec(),
            stand_ins: job.stand_ins.to_vec(),
            timeout_ms: u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let failed = |kind: &str, message| Outcome::Failed { kind: kind.to_owned(), message };
        let refused = |why| WorkerError::Refused { version: job.slot.version.clone(), why };
        match self.ask(job.slot, &run, job.timeout.saturating_add(GRACE)).await? {
            Said::Answer(ReplayAnswer::Ran(ran)) => {
                if matches!(&ran.end, Outcome::Failed { kind, .. } if kind == kind::DEADLINE) {
                    // It ends itself: what still runs in it cannot be stopped.
                    self.processes.remove(job.slot);
                }
                Ok(ReplayedRun { end: ran.end, function_ns: ran.function_ns })
            }
            Said::Answer(ReplayAnswer::Refused { why }) => Err(refused(why)),
            Said::Answer(other) => Err(refused(format!("it answers {other:?}"))),
            Said::Stopped(deed) => Ok(stopped(deed)),
            Said::Gone(how) => {
                Ok(ReplayedRun { end: failed(kind::DIED, format!("it ended its process: {how}")), function_ns: 0 })
            }
        }
    }
}

fn stopped(deed: String) -> ReplayedRun {
    ReplayedRun { end: Outcome::Failed { kind: kind::STOPPED.to_owned(), message: deed }, function_ns: 0 }
}

impl From<Launched> for Process {
    fn from(Launched { input, output, ended }: Launched) -> Self {
        Self { input, output: BufReader::new(output), ended, takes: None }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("takes", &self.takes).finish_non_exhaustive()
    }
}

impl Process {
    async fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.input.write_all(line).await?;
        self.input.flush().await
    }

    /// None where it has ended.
    async fn say(&mut self, line: &[u8]) -> io::Result<Option<ReplayAnswer>> {
        match self.write(line).await {
            // What it said at its end is there to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
        let mut answer = Vec::new();
        // What runs there may say anything.
        (&mut self.output).take(LONGEST_ANSWER).read_until(b'\n', &mut answer).await?;
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
