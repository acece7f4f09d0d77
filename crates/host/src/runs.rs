//! Runs of jobs: each id runs once in the life of a host, and its outcome is kept until the job server has stored it.
//!
//! A run belongs to the host and not to the connection that asked for it. So a job server that ends repeats nothing: the
//! next one asks for the same id, and waits for the same outcome or gets it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use protocol::header;
use protocol::runs::{RunLine, RunList, RunState, is_run};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::inputs;
use crate::outside;
use crate::path::Path as Way;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request_context::text;
use crate::shared::Shared;
use crate::{admin, answer};

/// Bytes of outcomes that are kept.
const MOST_BYTES: usize = 64 << 20;
/// Runs that are kept.
const MOST_RUNS: usize = 16_384;
/// How long an outcome is kept that nobody has stored, and then how long the id of what was dropped.
const KEPT: Duration = Duration::from_secs(600);

/// What a host knows of runs.
#[derive(Default)]
pub(crate) struct Runs(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    runs: HashMap<String, Known>,
    /// Ids in the order of their ends, for those whose outcome is kept, and for those that were dropped.
    over: VecDeque<(Instant, String)>,
    dropped: VecDeque<(Instant, String)>,
    bytes: usize,
}

/// A run.
enum Known {
    Running { outcome: watch::Receiver<Option<Outcome>>, task: AbortHandle },
    Over(Outcome),
    Dropped,
}

/// How a run ended: the answer of the service, whole.
#[derive(Clone)]
struct Outcome {
    status: StatusCode,
    headers: Arc<HeaderMap>,
    body: Bytes,
}

/// What becomes of a request for a run.
enum Entry {
    Wait(watch::Receiver<Option<Outcome>>),
    Over(Outcome),
    Dropped,
}

/// The id of the run that a request is for: of one that knows the app's secret. For others the header means nothing.
pub(crate) fn asked<B>(shared: &Shared, request: &Request<B>) -> Option<String> {
    let run = text(request.headers(), header::RUN)?;
    let is_known = outside::knows(&shared.settings.load().config, request.headers());
    is_known.then(|| run.to_owned())
}

/// Answers a request for a run.
pub(crate) async fn answer(shared: Arc<Shared>, run: String, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let refuse = |kind, status, detail: &str| {
        let service = shared.settings.load().config.service.clone();
        Reply::from(Problem::new(kind, status, &service, &Way::of(&service), detail)).into_response()
    };
    shared.asks.known();
    if !is_run(&run) {
        return refuse("request", StatusCode::BAD_REQUEST, "the header dyninka-run is no JOB.ATTEMPT");
    }
    let epoch = epoch(&shared);
    if text(request.headers(), header::EPOCH).is_some_and(|asked| asked != epoch) {
        return refuse("life", StatusCode::PRECONDITION_FAILED, "the run is for another life of this host");
    }
    let known = shared.runs.find(&run);
    let entry = match known {
        Some(known) => known,
        None => {
            // Read before anything begins: a caller that breaks off has begun nothing.
            let (parts, body) = request.into_parts();
            let limits = shared.settings.load().config.limits;
            let within = Duration::from_millis(limits.deadline_ms);
            let body = match tokio::time::timeout(within, inputs::collect(body, limits.body)).await {
                Ok(Ok(Some(body))) => body,
                Ok(Ok(None)) => return refuse("too-large", StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
                Ok(Err(_)) | Err(_) => return refuse("request", StatusCode::BAD_REQUEST, "the body breaks off"),
            };
            let request = Request::from_parts(parts, Full::new(body));
            shared.runs.begin(&shared, &run, request)
        }
    };
    match entry {
        Entry::Over(outcome) => outcome.response(),
        Entry::Dropped => refuse("dropped", StatusCode::GONE, "the outcome of this run is kept no longer"),
        Entry::Wait(mut outcome) => {
            let ended = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
            match ended {
                Ok(Some(outcome)) => outcome.response(),
                _ => refuse("dropped", StatusCode::GONE, "the run was given up"),
            }
        }
    }
}

/// The life of a host.
pub(crate) fn epoch(shared: &Shared) -> String {
    format!("{:016x}", shared.recorder.epoch)
}

impl Outcome {
    fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

impl Runs {
    fn find(&self, run: &str) -> Option<Entry> {
        let mut kept = self.0.lock();
        kept.tidy(Instant::now());
        kept.runs.get(run).map(Known::entry)
    }

    /// Begins a run, or joins one that began meanwhile.
    fn begin(&self, shared: &Arc<Shared>, run: &str, request: Request<Full<Bytes>>) -> Entry {
        let mut kept = self.0.lock();
        if let Some(known) = kept.runs.get(run) {
            return known.entry();
        }
        let (sender, outcome) = watch::channel(None);
        let (of, id) = (shared.clone(), run.to_owned());
        // A task of its own: a connection that breaks ends nothing.
        let task = tokio::spawn(async move {
            let (parts, body) = answer::answer(of.clone(), request).await.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let ended = Outcome { status: parts.status, headers: Arc::new(parts.headers), body };
            of.runs.end(&id, &ended);
            sender.send_replace(Some(ended));
        });
        kept.runs.insert(run.to_owned(), Known::Running { outcome: outcome.clone(), task: task.abort_handle() });
        Entry::Wait(outcome)
    }

    fn end(&self, run: &str, outcome: &Outcome) {
        let mut kept = self.0.lock();
        // One that was given up meanwhile stays so.
        let Some(known @ Known::Running { .. }) = kept.runs.get_mut(run) else { return };
        *known = Known::Over(outcome.clone());
        kept.bytes += outcome.body.len();
        let now = Instant::now();
        kept.over.push_back((now, run.to_owned()));
        kept.tidy(now);
    }

    /// Forgets runs whose outcome is stored.
    fn forget(&self, runs: &[String]) {
        let mut kept = self.0.lock();
        for run in runs {
            if let Some(Known::Over(outcome)) = kept.runs.get(run) {
                kept.bytes -= outcome.body.len();
                kept.runs.remove(run);
            }
        }
        kept.tidy(Instant::now());
    }

    /// Gives a run up; whether there was one under way. Its id stays known, so that it is not run again.
    fn give_up(&self, run: &str) -> bool {
        let mut kept = self.0.lock();
        let Some(known @ Known::Running { .. }) = kept.runs.get_mut(run) else { return false };
        if let Known::Running { task, .. } = std::mem::replace(known, Known::Dropped) {
            task.abort();
        }
        kept.dropped.push_back((Instant::now(), run.to_owned()));
        true
    }

    fn list(&self) -> Vec<RunLine> {
        let kept = self.0.lock();
        let line = |(run, known): (&String, &Known)| RunLine {
            run: run.clone(),
            state: match known {
                Known::Running { .. } => RunState::Running,
                Known::Over(_) => RunState::Over,
                Known::Dropped => RunState::Dropped,
            },
        };
        kept.runs.iter().map(line).collect()
    }
}

impl Known {
    fn entry(&self) -> Entry {
        match self {
            Self::Running { outcome, .. } => Entry::Wait(outcome.clone()),
            Self::Over(outcome) => Entry::Over(outcome.clone()),
            Self::Dropped => Entry::Dropped,
        }
    }
}

impl Kept {
    /// Drops outcomes that are old or too many, and then forgets their ids.
    fn tidy(&mut self, now: Instant) {
        while let Some((ended, run)) = self.over.front() {
            let is_kept = matches!(self.runs.get(run), Some(Known::Over(_)));
            let is_full = self.bytes > MOST_BYTES || self.over.len() > MOST_RUNS;
            if is_kept && !is_full && now.duration_since(*ended) < KEPT {
                break;
            }
            let Some((_, run)) = self.over.pop_front() else { break };
            if let Some(known @ Known::Over(_)) = self.runs.get_mut(&run)
                && let Known::Over(outcome) = std::mem::replace(known, Known::Dropped)
            {
                self.bytes -= outcome.body.len();
                self.dropped.push_back((now, run));
            }
        }
        while let Some((at, _)) = self.dropped.front() {
            if now.duration_since(*at) < KEPT {
                break;
            }
            if let Some((_, run)) = self.dropped.pop_front() {
                self.runs.remove(&run);
            }
        }
    }
}

/// What a reader has stored.
#[derive(serde::Deserialize)]
pub(crate) struct Stored {
    /// `LIFE.READING`.
    stored: Option<String>,
}

/// `GET /_dyninka/runs?stored=LIFE.READING`.
pub(crate) async fn list(State(shared): State<Arc<Shared>>, Query(stored): Query<Stored>) -> axum::response::Response {
    let epoch = epoch(&shared);
    let stored = stored.stored.as_deref().and_then(|stored| stored.rsplit_once('.'));
    // A reading of another life says nothing of this one.
    let stored = stored.filter(|(life, _)| *life == epoch).and_then(|(_, reading)| reading.parse().ok());
    let (reading, meter) = shared.meter.read(stored);
    let left = u64::try_from(shared.left.load(Ordering::Acquire)).unwrap_or(0);
    let list = RunList { epoch, runs: shared.runs.list(), reading, meter, left };
    axum::Json(list).into_response()
}

/// `POST /_dyninka/runs/forget`.
pub(crate) async fn forget(State(shared): State<Arc<Shared>>, runs: axum::Json<Vec<String>>) -> StatusCode {
    shared.runs.forget(&runs);
    StatusCode::NO_CONTENT
}

/// `DELETE /_dyninka/runs/JOB.ATTEMPT`.
pub(crate) async fn give_up(State(shared): State<Arc<Shared>>, Path(run): Path<String>) -> axum::response::Response {
    if !shared.runs.give_up(&run) {
        return admin::refuse(&shared, "request", StatusCode::NOT_FOUND, "no such run is under way here");
    }
    // A thread that computes cannot be ended; a future can.
    let ended = shared.program.load().as_ref().is_none_or(|program| program.description.detached);
    axum::Json(json!({ "ended": ended })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(bytes: usize) -> Outcome {
        Outcome { status: StatusCode::OK, headers: Arc::default(), body: Bytes::from(vec![0; bytes]) }
    }

    fn over(runs: &Runs, run: &str, bytes: usize) {
        let (_sender, receiver) = watch::channel(None);
        let task = tokio::spawn(async {}).abort_handle();
        runs.0.lock().runs.insert(run.to_owned(), Known::Running { outcome: receiver, task });
        runs.end(run, &outcome(bytes));
    }

    fn state(runs: &Runs, run: &str) -> Option<RunState> {
        runs.list().into_iter().find(|line| line.run == run).map(|line| line.state)
    }

    #[tokio::test(start_paused = true)]
    async fn outcomes_are_kept_until_they_are_forgotten_or_old() {
        let runs = Runs::default();
        over(&runs, "a.1", 10);
        over(&runs, "b.1", 10);
        assert!(matches!(runs.find("a.1"), Some(Entry::Over(_))));
        runs.forget(&["a.1".to_owned(), "unknown.1".to_owned()]);
        assert_eq!((state(&runs, "a.1"), state(&runs, "b.1")), (None, Some(RunState::Over)));
        tokio::time::advance(KEPT).await;
        assert!(matches!(runs.find("b.1"), Some(Entry::Dropped)), "dropped, and known to have run");
        assert_eq!(runs.0.lock().bytes, 0);
        tokio::time::advance(KEPT).await;
        assert!(runs.find("b.1").is_none());
        let kept = runs.0.lock();
        assert_eq!((kept.over.len(), kept.dropped.len(), kept.runs.len()), (0, 0, 0), "nothing is left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn outcomes_take_bounded_room() {
        let runs = Runs::default();
        for run in 0..10 {
            over(&runs, &format!("j.{run}"), MOST_BYTES / 8);
        }
        assert_eq!(
            [0, 1, 2, 9].map(|run| state(&runs, &format!("j.{run}"))),
            [Some(RunState::Dropped), Some(RunState::Dropped), Some(RunState::Over), Some(RunState::Over)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_was_given_up_is_not_run_again() {
        let runs = Runs::default();
        let (_sender, receiver) = watch::channel(None);
        let task = tokio::spawn(std::future::pending::<()>());
        let known = Known::Running { outcome: receiver, task: task.abort_handle() };
        runs.0.lock().runs.insert("a.1".to_owned(), known);
        assert!(runs.give_up("a.1") && !runs.give_up("a.1"));
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
        runs.end("a.1", &outcome(1));
        assert_eq!(state(&runs, "a.1"), Some(RunState::Dropped), "its end comes too late");
    }
}
