//! What faces ask of what was recorded: which recordings there are, what one says of the code as it is now, and one
//! request hop by hop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recordings::replay::{Job, Question, Replay, ReplayLimits, Role, Runner, Slot, Subject, kind};
use recordings::{Body, Keyframe, Outcome, PlacedValue, Reader, RecordedHop, Request, Rules, Worker, WorkerError};
use serde_json::{Value, json};
use session_api::command::{Answer, ReplayStep, SavedRecording};
use session_api::requests::RequestTest;

use crate::recording::recorder::Recorder;
use crate::recording::work::AtHome;

/// The services there are now, and where their libraries are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Present {
    pub(crate) subjects: BTreeMap<String, Subject>,
    /// By service and version.
    pub(crate) libraries: BTreeMap<(String, String), PathBuf>,
    /// Where they run; none at the session's end.
    pub(crate) at: Option<AtHome>,
}

impl Present {
    fn worker(self) -> Result<Worker, String> {
        let at = self.at.ok_or("the session ends, or has not begun")?;
        Ok(Worker::at(Arc::new(at), self.libraries))
    }
}

/// Lists the recordings in a folder, by name. Blocks.
pub(crate) fn list(folder: &Path) -> Answer {
    let mut recordings = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Answer::Recordings { recordings },
        Err(error) => return refused(format!("cannot read {}: {error}", folder.display())),
    };
    for entry in entries.flatten().filter(|entry| entry.path().join(recordings::FILE).exists()) {
        let mut kept =
            SavedRecording { name: entry.file_name().to_string_lossy().into_owned(), ..SavedRecording::default() };
        match Reader::open(&entry.path()).and_then(|reader| reader.summary()) {
            Ok(summary) => {
                kept.requests = summary.requests;
                kept.lost = summary.lost;
                kept.bytes = summary.bytes;
                kept.app = summary.app;
            }
            Err(error) => kept.why = Some(error.to_string()),
        }
        recordings.push(kept);
    }
    recordings.sort_by(|a, b| a.name.cmp(&b.name));
    Answer::Recordings { recordings }
}

/// What a recording says of the code as it is now: what was recorded stands for the code before.
pub(crate) async fn replay(recorder: &Recorder, present: Present, name: &str) -> Answer {
    let folder = recorder.folder().join(name);
    let read = tokio::task::spawn_blocking(move || read(&folder)).await;
    let (requests, keyframes, redacted) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(why)) => return refused(why),
        Err(error) => return refused(error.to_string()),
    };
    let mut question = question(recorder, present.subjects.clone(), requests);
    question.keyframes = keyframes;
    question.redacted |= redacted;
    judge(present, question).await
}

/// What one request in memory would come to now, service by service.
pub(crate) async fn diff(recorder: &Recorder, present: Present, number: u64) -> Answer {
    let Some(request) = recorder.request(number) else { return unknown(recorder, number) };
    let mut question = question(recorder, present.subjects.clone(), vec![(number, request)]);
    question.keyframes = recorder.material().keyframes;
    judge(present, question).await
}

/// A request in memory, hop by hop; or one hop of it, called again with other inputs where they are given.
pub(crate) async fn step(
    recorder: &Recorder,
    present: Present,
    number: u64,
    hop: Option<u64>,
    inputs: Option<Vec<Value>>,
) -> Answer {
    let Some(request) = recorder.request(number) else { return unknown(recorder, number) };
    let steps: Vec<ReplayStep> = request.hops.iter().zip(1..).map(|(hop, at)| step_of(at, hop)).collect();
    let Some(at) = hop else { return Answer::Stepped { steps, again: None } };
    let chosen = usize::try_from(at).ok().and_then(|at| request.hops.get(at.checked_sub(1)?));
    let Some(hop) = chosen else {
        return refused(format!("request {number} has {} hops, numbered from 1", request.hops.len()));
    };
    let steps = vec![step_of(at, hop)];
    let Some(inputs) = inputs else { return Answer::Stepped { steps, again: None } };
    // The state it had, as far as that is known: the latest before the call.
    let keyframes = recorder.material().keyframes;
    let before = keyframes.iter().filter(|frame| frame.service == hop.service && frame.sequence <= hop.sequence);
    let state = before.max_by_key(|frame| frame.sequence).map_or(&[][..], |frame| &frame.states);
    match again(present, hop, state, inputs).await {
        Ok(end) => Answer::Stepped { steps, again: Some(end) },
        Err(why) => refused(why),
    }
}

/// One request in memory as a Rust test file, or in words why it is none.
pub(crate) fn test(recorder: &Recorder, present: &Present, number: u64) -> Result<RequestTest, String> {
    let request = recorder.request(number).ok_or_else(|| missing(recorder, number))?;
    let took_part: BTreeSet<&String> = request.hops.iter().map(|hop| &hop.service).collect();
    let subjects = present.subjects.iter().filter(|(service, _)| took_part.contains(service));
    let subjects = subjects.map(|(service, subject)| (service.clone(), subject.clone())).collect();
    let mut question = question(recorder, subjects, vec![(number, request.clone())]);
    question.keyframes = recorder.material().keyframes;
    let file = format!("request_{number}.rs");
    let test = recordings::as_tests(&question, &format!("request_{number}"), &file);
    if test.cases == 0 {
        let why = test.left_out.iter().map(|(service, why)| format!("{service}: {why}")).collect::<Vec<_>>().join("; ");
        return Err(format!("request {number} has no call that a test can check: {why}"));
    }
    let calls = u64::try_from(test.cases).unwrap_or(u64::MAX);
    Ok(RequestTest { file, text: test.text, calls, left_out: test.left_out.into_iter().collect() })
}

/// Calls a recorded hop's function once more, as it is now and away from the one that serves.
async fn again(
    present: Present,
    hop: &RecordedHop,
    state: &[PlacedValue],
    inputs: Vec<Value>,
) -> Result<Value, String> {
    let subject = present.subjects.get(&hop.service);
    let subject = subject.ok_or_else(|| format!("{} is no service of the app any more", hop.service))?;
    if subject.replay == Replay::Never {
        return Err(format!("{} says of itself that it is not to be called again (replay = false)", hop.service));
    }
    if inputs.len() != hop.inputs.len() {
        return Err(format!("{} takes {} inputs, {} are given", hop.service, hop.inputs.len(), inputs.len()));
    }
    let inputs: Vec<Body> = inputs.iter().map(|value| Body::new(value.to_string().as_bytes())).collect();
    let is_free = subject.replay == Replay::Always;
    let slot = Slot { role: Role::Now, service: hop.service.clone(), version: subject.now.clone(), is_free };
    let mut worker = present.worker()?;
    let words = |error: WorkerError| error.to_string();
    let stopped = worker.prepare(&slot, state).await.map_err(words)?.stopped;
    let job = Job { slot: &slot, inputs: &inputs, stand_ins: &hop.calls, timeout: ReplayLimits::default().timeout };
    let end = match stopped {
        Some(deed) => Outcome::Failed { kind: kind::STOPPED.to_owned(), message: deed },
        None => worker.run(job).await.map_err(words)?.end,
    };
    match end {
        Outcome::Failed { kind, message } if kind == kind::STOPPED => {
            Err(format!("{} is not run again: {message}", hop.service))
        }
        end => Ok(value_of(&end)),
    }
}

type Recorded = (Vec<(u64, Arc<Request>)>, Vec<Arc<Keyframe>>, bool);

/// The newest requests of a recording, its placed state, and whether anything in it was blanked.
fn read(folder: &Path) -> Result<Recorded, String> {
    let words = |error: recordings::ReadError| error.to_string();
    let reader = Reader::open(folder).map_err(words)?;
    let mut requests = Vec::new();
    for number in (0..reader.len()).rev().take(MOST_READ) {
        let mut request = reader.request(number).map_err(words)?;
        reader.fill(&mut request).map_err(|error| error.to_string())?;
        requests.push((number as u64, Arc::new(request)));
    }
    let keyframes = reader.keyframes().map_err(words)?.into_iter().map(Arc::new).collect();
    Ok((requests, keyframes, !reader.header().redactions.is_empty()))
}

/// Requests of a recording that are looked at: many more than are run of each function.
const MOST_READ: usize = 2_000;

fn question(recorder: &Recorder, subjects: BTreeMap<String, Subject>, requests: Vec<(u64, Arc<Request>)>) -> Question {
    let subjects = subjects.into_iter().map(|(service, subject)| (service, Subject { was: None, ..subject }));
    Question {
        subjects: subjects.collect(),
        requests,
        keyframes: Vec::new(),
        rules: Rules { ignore: recorder.ignore.clone(), ..Rules::default() },
        limits: ReplayLimits::default(),
        redacted: recorder.redacts(),
        known: recorder.known.clone(),
    }
}

/// Every service that took part, each on what it received then.
async fn judge(present: Present, question: Question) -> Answer {
    let took_part: BTreeSet<&String> =
        question.requests.iter().flat_map(|(_, request)| &request.hops).map(|hop| &hop.service).collect();
    let services: Vec<_> = question.subjects.keys().filter(|service| took_part.contains(service)).cloned().collect();
    let mut worker = match present.worker() {
        Ok(worker) => worker,
        Err(why) => return refused(why),
    };
    let mut verdicts = Vec::new();
    for service in services {
        match question.judge(&service, &mut worker).await {
            Ok(verdict) => verdicts.push(crate::recording::verdict::verdict(verdict)),
            Err(error) => return refused(error.to_string()),
        }
    }
    Answer::Judged { verdicts }
}

pub(super) fn unknown(recorder: &Recorder, number: u64) -> Answer {
    refused(missing(recorder, number))
}

fn missing(recorder: &Recorder, number: u64) -> String {
    let picture = recorder.picture();
    match picture.newest {
        None => "no request has come yet".to_owned(),
        Some(newest) => {
            let oldest = newest + 1 - picture.requests;
            format!("request {number} is not in memory: requests {oldest} to {newest} are")
        }
    }
}

fn step_of(number: u64, hop: &RecordedHop) -> ReplayStep {
    ReplayStep {
        number,
        service: hop.service.clone(),
        version: hop.version.clone(),
        inputs: hop.inputs.iter().map(value_of_body).collect(),
        end: value_of(&hop.end),
        function_ns: hop.function_ns,
    }
}

/// A value as it is; other ends as an object that says which.
pub(super) fn value_of(end: &Outcome) -> Value {
    match end {
        Outcome::Value(body) => value_of_body(body),
        Outcome::Filtered => json!({ "end": "filtered" }),
        Outcome::Failed { kind, message } => json!({ "end": kind, "message": message }),
    }
}

pub(super) fn value_of_body(body: &Body) -> Value {
    let parsed = match body {
        Body::Json(json) => serde_json::from_str(json.get()).ok(),
        _ => None,
    };
    parsed.unwrap_or_else(|| json!({ "bytes": body.len() }))
}

fn refused(message: String) -> Answer {
    crate::api::caller::refused(message)
}
