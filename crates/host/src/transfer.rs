//! A service that goes on in another host: requests wait at the entrance until the last one has ended, its values go
//! along, and from then on whoever asks here is answered from there. It happens whole or not at all: until the other host
//! has every value, this one stays the owner, and goes on as if nothing had been.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dyninka::border::Kind;
use http::request::Parts;
use http::{Method, StatusCode, header};
use hyper::body::Body;
use protocol::header as own;
use serde::Serialize;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::time::Instant as Deadline;

use crate::answer::GRACE;
use crate::inputs;
use crate::library::words;
use crate::problem::Problem;
use crate::program::Program;
use crate::reply::Reply;
use crate::request_context::RequestContext;
use crate::shared::{Settings, Shared};
use crate::takeover::Fate;
use crate::upstream::Trouble;
use crate::wire::{Question, WireError};

/// All values are written here and read there within this, less than a session waits for it.
const CARRYING: Duration = Duration::from_secs(25);
/// An answer to a value that is sent is words, if anything.
const LONGEST_ANSWER: usize = 64 << 10;

/// Where requests of a service come in: here, or by now at another host.
#[derive(Default)]
pub(crate) struct Entrance {
    /// Held for reading by each request, and for writing while the service is handed over.
    open: Arc<RwLock<()>>,
    moved: OnceLock<Arc<str>>,
}

/// A request that was let in, or where it is to go.
pub(crate) enum Entered {
    Here(OwnedRwLockReadGuard<()>),
    /// `host:port`.
    Elsewhere(Arc<str>),
}

impl Entrance {
    /// Lets a request in, once nothing is handed over.
    pub(crate) async fn enter(&self) -> Entered {
        let here = match self.open.clone().try_read_owned() {
            Ok(here) => here,
            Err(_) => self.open.clone().read_owned().await,
        };
        match self.moved() {
            Some(address) => Entered::Elsewhere(address.clone()),
            None => Entered::Here(here),
        }
    }

    /// Where the service went.
    pub(crate) fn moved(&self) -> Option<&Arc<str>> {
        self.moved.get()
    }
}

/// What became of a service that was handed over.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Transferred {
    /// What became of each placed value.
    pub(crate) states: BTreeMap<String, Fate>,
    /// Milliseconds until its last request had ended.
    pub(crate) hold_ms: f64,
    /// From there until the other host had every value.
    pub(crate) carry_ms: f64,
}

/// A service that stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    #[error("it has no code yet")]
    NoCode,
    #[error("a call of {version} did not end within {} s", GRACE.as_secs())]
    Busy { version: String },
    #[error("{0} is of a type that does not implement Serialize and Deserialize")]
    Silent(String),
    #[error("{name}: {why}")]
    Value { name: String, why: String },
    #[error("it is at {0} already")]
    Elsewhere(Arc<str>),
}

/// Hands a service over to the host that has it open at an address. With `reset`, a value that cannot be carried begins
/// anew there. Dropped before its end, it changes nothing.
pub(crate) async fn transfer(shared: &Shared, to: &str, reset: bool) -> Result<Transferred, TransferError> {
    // No version comes meanwhile.
    let _one_at_a_time = shared.takeover.lock().await;
    match shared.entrance.moved() {
        // Asked once more by somebody who heard no answer.
        Some(there) if **there == *to => return Ok(Transferred::default()),
        Some(there) => return Err(TransferError::Elsewhere(there.clone())),
        None => {}
    }
    let program = shared.program.load_full().ok_or(TransferError::NoCode)?;
    let begun = Instant::now();
    let deadline = Deadline::now() + GRACE;
    let busy = |_| TransferError::Busy { version: program.description.version.clone() };
    let closed = tokio::time::timeout_at(deadline, shared.entrance.open.write()).await.map_err(busy)?;
    // Calls that nobody waits for any more change values, too.
    tokio::time::timeout_at(deadline, program.idle()).await.map_err(busy)?;
    let held = Instant::now();
    let states = tokio::time::timeout(CARRYING, carry(shared, &program, to, reset)).await;
    let states = states.unwrap_or_else(|_| {
        let why = format!("they were not carried within {} s", CARRYING.as_secs());
        Err(TransferError::Value { name: "its values".to_owned(), why })
    })?;
    // From here on there is no way back, and nothing that could be waited for.
    let _first = shared.entrance.moved.set(to.into());
    drop(closed);
    Ok(Transferred { states, hold_ms: millis(held - begun), carry_ms: millis(held.elapsed()) })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Writes every value here and has it read there.
async fn carry(
    shared: &Shared,
    program: &Arc<Program>,
    to: &str,
    reset: bool,
) -> Result<BTreeMap<String, Fate>, TransferError> {
    let mut states = BTreeMap::new();
    for state in &program.description.states {
        let name = &state.name;
        let trouble = |why| TransferError::Value { name: name.clone(), why };
        let (library, of) = (program.library, name.clone());
        // Code of the user's.
        let written = tokio::task::spawn_blocking(move || library.state(&of)).await;
        let written = written.map_err(|error| trouble(error.to_string()))?;
        let sent = match written.kind {
            Kind::Value => send(shared, to, name, &written.body).await.map_err(trouble),
            Kind::Filtered => Err(TransferError::Silent(name.clone())),
            _ => Err(trouble(words(&written.body))),
        };
        let fate = match sent {
            Ok(()) => Fate::Carried { why: "its service moved to another host".to_owned() },
            Err(error) if reset => Fate::Reset { why: error.to_string() },
            Err(error) => return Err(error),
        };
        states.insert(name.clone(), fate);
    }
    Ok(states)
}

/// Has the other host read a value.
async fn send(shared: &Shared, to: &str, name: &str, json: &[u8]) -> Result<(), String> {
    let mut question = Question::at(true, &format!("/_dyninka/state/{name}"), to);
    question.header(own::AUTHORIZATION, &format!("Bearer {}", shared.settings.load().config.token));
    let question = question.end(Some(json));
    let connection = shared.upstreams.dial(to).await;
    let mut connection = connection.map_err(|error| format!("its new host cannot be reached: {error}"))?;
    let answer = connection.exchange(&question, LONGEST_ANSWER).await;
    let answer = answer.map_err(|error| format!("its new host gave no answer: {error}"))?;
    if answer.status.is_success() {
        return Ok(());
    }
    let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    Err(document["detail"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned))
}

/// What is between two hosts, and not for whoever answers.
const NOT_PASSED_ON: [header::HeaderName; 9] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// Passes a request on to where its service is by now, as it came, with the time that is left of its own.
pub(crate) async fn pass_on<B>(
    shared: &Shared,
    settings: &Settings,
    context: &RequestContext,
    (parts, body): (Parts, B),
    to: &str,
) -> Result<Reply, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let config = &settings.config;
    let problem = |kind, status, detail: &str| Problem::new(kind, status, &config.service, &context.path, detail);
    let body = inputs::whole(&parts.headers, body, config, context).await?;
    let posts = parts.method == Method::POST;
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(to);
    let mut question = Question::new(posts, host);
    for (name, value) in parts.headers.iter().filter(|(name, _)| !NOT_PASSED_ON.contains(name)) {
        if name.as_str() != own::DEADLINE
            && let Ok(value) = value.to_str()
        {
            question.header(name.as_str(), value);
        }
    }
    question.number(own::DEADLINE, context.left().as_millis());
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let question = question.end_as(posts.then_some(&body[..]), content_type);
    let exchange = shared.upstreams.send(config, context, (&config.service, to), &question);
    match tokio::time::timeout_at(context.deadline, exchange).await {
        Ok(Ok(answer)) => Ok(Reply::passed_on(answer)),
        Ok(Err(Trouble::Wire(WireError::TooLarge))) => {
            let detail = format!("the result of {} is larger than {} bytes", config.service, config.limits.body);
            Err(problem("too-large", StatusCode::INTERNAL_SERVER_ERROR, &detail))
        }
        Ok(Err(trouble)) => {
            let detail = format!("{} moved to {to} and cannot be reached there: {trouble}", config.service);
            Err(problem("unreachable", StatusCode::BAD_GATEWAY, &detail))
        }
        Err(_) => {
            let detail = format!("{} did not end before the deadline", config.service);
            Err(problem("deadline", StatusCode::GATEWAY_TIMEOUT, &detail))
        }
    }
}
