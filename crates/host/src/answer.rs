//! A request to its answer.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use dyninka::border::Kind;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use protocol::{Config, Method as Asking, Moved, Status, header};
use serde_json::{Map, Value};

use crate::body_call;
use crate::http_rules;
use crate::inputs::{self, Answered, Gathered, Inputs};
use crate::library::words;
use crate::outside;
use crate::problem::Problem;
use crate::program::Program;
use crate::records::{self, Held, Kept};
use crate::reply::Reply;
use crate::request_context::{RequestContext, nanos};
use crate::routes::Steps;
use crate::sense;
use crate::shared::{Settings, Shared};
use crate::sharing;
use crate::transfer::{self, Entered};
use crate::visit::Visit;

/// A function's end, in the terms of HTTP.
pub(crate) enum Ended {
    Value(Bytes),
    Filtered(String),
}

/// A request, as it came.
pub(crate) enum Asked<B> {
    /// Over a connection, or for a job.
    Http(Parts, B),
    /// From a service of the same host: `GET /`, or `POST /` where there is a body.
    Within {
        /// The routes of its inputs.
        route: Option<String>,
        /// Its inputs by name, as a JSON object.
        body: Option<Bytes>,
    },
}

impl<B> Asked<B> {
    fn method(&self) -> Asking {
        match self {
            Self::Http(parts, _) => Asking::of(parts.method.as_str()),
            Self::Within { body: None, .. } => Asking::Get,
            Self::Within { body: Some(_), .. } => Asking::Post,
        }
    }

    fn has_route(&self) -> bool {
        match self {
            Self::Http(parts, _) => parts.headers.contains_key(header::ROUTE),
            Self::Within { route, .. } => route.is_some(),
        }
    }
}

/// Answers `GET /`, `HEAD /` and `POST /`.
pub(crate) async fn answer<B>(shared: Arc<Shared>, request: Request<B>) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let settings = shared.settings.load_full();
    let config = &settings.config;
    let (parts, body) = request.into_parts();
    let stranger = outside::is_stranger(config, &parts.headers);
    let wants = |enters| shared.recorder.wants(enters, config.limits.detail);
    let context = match RequestContext::begin(&parts.headers, config, wants) {
        Ok(context) => Arc::new(context),
        Err(problem) => return turn_away(&shared, problem).into_response(),
    };
    if !http_rules::is_served(&parts.method) {
        let detail = "a service answers GET, HEAD and POST";
        let refusal = refusal(config, &context, "unsupported", StatusCode::METHOD_NOT_ALLOWED, detail);
        let mut response = turn_away(&shared, refusal).into_response();
        response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static(http_rules::SERVED));
        return response;
    }
    let _here = match tokio::time::timeout_at(context.deadline, shared.entrance.enter()).await {
        Ok(Entered::Here(here)) => here,
        Ok(Entered::Elsewhere(to)) => {
            let passed_on = transfer::pass_on(&shared, &settings, &context, (parts, body), &to).await;
            return passed_on.unwrap_or_else(|problem| turn_away(&shared, problem)).into_response();
        }
        Err(_) => {
            let detail = format!("{} moved to another host, and the deadline passed meanwhile", config.service);
            let refusal = refusal(config, &context, "deadline", StatusCode::GATEWAY_TIMEOUT, &detail);
            return turn_away(&shared, refusal).into_response();
        }
    };
    admit(&shared, &settings, &context, Asked::Http(parts, body), stranger).await.into_response()
}

/// Answers a call from a service of the same host, which has begun as `context` says, or cannot begin.
pub(crate) async fn answer_within(
    shared: Arc<Shared>,
    settings: Arc<Settings>,
    context: Result<RequestContext, Problem>,
    asked: Asked<Incoming>,
) -> Reply {
    // It says no secret, as over a connection.
    let stranger = settings.config.outside.is_some();
    match context {
        Ok(context) => admit(&shared, &settings, &Arc::new(context), asked, stranger).await,
        Err(problem) => turn_away(&shared, problem),
    }
}

/// Answers a request, if it is let in.
async fn admit<B>(
    shared: &Arc<Shared>,
    settings: &Arc<Settings>,
    context: &Arc<RequestContext>,
    asked: Asked<B>,
    stranger: bool,
) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let config = &settings.config;
    if let Some(detail) = outside::refuses(config, stranger, asked.has_route()) {
        return turn_away(shared, refusal(config, context, "forbidden", StatusCode::FORBIDDEN, detail));
    }
    if let (Some(near), Some(request)) = (&config.near, &context.near)
        && let Some(detail) = shared.upstreams.near.refuses(near, request, &config.service)
    {
        return turn_away(shared, refusal(config, context, "no-place", StatusCode::SERVICE_UNAVAILABLE, &detail));
    }
    let Ok(_permit) = shared.permits.try_acquire() else {
        let detail = "as many requests as are let in are being answered";
        return turn_away(shared, refusal(config, context, "overloaded", StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let headers = match &asked {
        Asked::Http(parts, _) => Some(&parts.headers),
        Asked::Within { .. } => None,
    };
    let visit = Visit::enter(shared, settings, context, asked.method(), headers);
    let mut measured = Measured::default();
    let ended = match shared.admission.admit(context.begun, || context.node.is_some()) {
        None => run(shared, settings, context, asked, &mut measured).await,
        Some(place) => sharing::elsewhere(shared, settings, context, place, asked, &mut measured).await,
    };
    let mut outcome = Status::Value;
    let mut reply = match ended {
        Ok(Ended::Value(body)) => {
            shared.metrics.answered("value");
            Reply::value(body)
        }
        Ok(Ended::Filtered(by)) => {
            shared.metrics.answered("filtered");
            outcome = Status::Filtered;
            Reply::filtered(by)
        }
        Err(problem) => {
            outcome = Status::Problem(problem.kind.into());
            refuse(shared, if stranger { outside::discreet(problem) } else { problem })
        }
    };
    visit.end(measured, outcome, &mut reply);
    reply
}

fn refusal(config: &Config, context: &RequestContext, kind: &'static str, status: StatusCode, detail: &str) -> Problem {
    Problem::new(kind, status, &config.service, &context.path, detail)
}

fn refuse(shared: &Shared, problem: Problem) -> Reply {
    shared.metrics.answered(problem.kind);
    problem.into()
}

/// Refuses a request that was not let in.
fn turn_away(shared: &Shared, problem: Problem) -> Reply {
    shared.recorder.count(true);
    refuse(shared, problem)
}

/// What is known of a request besides its answer.
#[derive(Default)]
pub(crate) struct Measured {
    /// The version that took part, where the function ran or was about to.
    pub(crate) version: Option<Arc<str>>,
    /// Nanoseconds in the function, calls to other services from its body included.
    pub(crate) function: u64,
    /// When the function began, in nanoseconds after the request did; none where it did not come to that.
    pub(crate) function_begun: Option<u64>,
    /// What is recorded of the function's run.
    pub(crate) ran: Option<Ran>,
}

/// A run of the function, with what it was given.
pub(crate) struct Ran {
    pub(crate) inputs: Vec<Held>,
    pub(crate) ended: records::Ended,
    pub(crate) sequence: u64,
}

/// Records the state that the next call begins with, now and then.
async fn record_state(shared: &Shared, program: &Program, service: &str) {
    let sequence = shared.records.peek_call();
    if let Some(frame) = shared.records.keyframes.take(program, service, sequence).await {
        shared.records.record(Kept::Keyframe(Box::new(frame)));
    }
}

pub(crate) async fn run<B>(
    shared: &Arc<Shared>,
    settings: &Settings,
    context: &Arc<RequestContext>,
    asked: Asked<B>,
    measured: &mut Measured,
) -> Result<Ended, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let config = &settings.config;
    let own = match &asked {
        Asked::Http(parts, _) => parts.headers.get(header::ROUTE).map(|text| text.to_str().ok()),
        Asked::Within { route, .. } => route.as_deref().map(Some),
    };
    let route = match own {
        Some(text) => Some(own_route(text, settings, context)?),
        None => settings.routes.default.clone(),
    };
    let given = match asked {
        Asked::Http(parts, body) => inputs::read(&parts.method, &parts.headers, body, config, context).await?,
        Asked::Within { body, .. } => inputs::read_within(body.as_ref(), config, context)?,
    };
    let names = config.peers.get(&config.service).map(|peer| peer.inputs.as_slice()).unwrap_or_default();
    let waited = std::time::Instant::now();
    let gathered = inputs::gather(shared, settings, context, names, given, route.as_deref()).await?;
    if !names.is_empty() {
        shared.metrics.waited(waited.elapsed());
    }
    let inputs = match gathered {
        Gathered::Inputs(inputs) => inputs,
        Gathered::Filtered(by) => return Ok(Ended::Filtered(by)),
    };
    // Taken only now: a version that was switched to while inputs were fetched is the one that runs.
    let gate = shared.gate.read().await;
    let Some(program) = shared.program.load_full() else {
        let detail = format!("{} has no code yet: its first build is not done", config.service);
        return Err(Problem::new(
            "not-ready",
            StatusCode::SERVICE_UNAVAILABLE,
            &config.service,
            &context.path,
            &detail,
        ));
    };
    let flight = program.enter();
    drop(gate);
    measured.version = Some(flight.program().version.clone());
    let moved = config.moved.as_deref().filter(|moved| moved.library == flight.program().file);
    if context.recorded {
        record_state(shared, flight.program(), &config.service).await;
    }
    let sequence = shared.records.next_call();
    let Inputs { values: inputs, answers } = inputs;
    let recorded = context.recorded.then(|| inputs.iter().map(Held::of).collect());
    let number = body_call::register(shared, context);
    let begun = nanos(context.begun.elapsed());
    measured.function_begun = Some(begun);
    let account = context.account.as_ref();
    let metered = account.map(|(account, waits)| shared.meter.begin(account, &flight.program().version, waits));
    let is_synchronous = !flight.program().description.detached;
    let outcome = tokio::time::timeout_at(context.deadline, flight.run(number.0, inputs, shared)).await;
    drop(number);
    if let (Some(metered), Ok(Some(outcome))) = (&metered, &outcome) {
        metered.took(outcome.nanos);
    }
    drop(metered);
    let record = |ended| measured.ran = recorded.map(|inputs| Ran { inputs, ended, sequence });
    match outcome {
        Ok(Some(outcome)) => {
            let body = Bytes::copy_from_slice(&outcome.body);
            record(records::Ended::Outcome(outcome.kind, Held::of(&body)));
            measured.function = outcome.nanos;
            shared.metrics.function_took(outcome.nanos);
            if outcome.kind == Kind::Rejected {
                answers.iter().try_for_each(|answer| sense::check(context, answer.service, &answer.value))?;
            }
            end(shared, config, context, (outcome.kind, body), &answers, moved)
        }
        Ok(None) => {
            let (kind, detail) = ("failed", "the function's library gave no answer");
            record(records::Ended::Cut(kind, detail));
            Err(Problem::new(kind, StatusCode::INTERNAL_SERVER_ERROR, &config.service, &context.path, detail))
        }
        Err(_) => {
            record(records::Ended::Cut("deadline", "it did not end before the deadline"));
            measured.function = nanos(context.begun.elapsed()).saturating_sub(begun);
            let detail = format!("{} did not end before the deadline", config.service);
            // A thread that computes cannot be ended.
            let members = is_synchronous.then(|| ("still_runs".to_owned(), Value::from(true)));
            let members = members.into_iter().collect();
            Err(Problem::with(
                "deadline",
                StatusCode::GATEWAY_TIMEOUT,
                &config.service,
                &context.path,
                &detail,
                members,
            ))
        }
    }
}

/// A route that came with a request, if it is text.
fn own_route(text: Option<&str>, settings: &Settings, context: &RequestContext) -> Result<Steps, Problem> {
    let config = &settings.config;
    let wrong = |detail: &str| Problem::new("route", StatusCode::BAD_REQUEST, &config.service, &context.path, detail);
    let text = text.ok_or_else(|| wrong("the route is no ASCII text"))?;
    settings.routes.find(text, config).map_err(|error| wrong(&error.to_string()))
}

fn end(
    shared: &Shared,
    config: &Config,
    context: &RequestContext,
    (kind, body): (Kind, Bytes),
    answers: &[Answered<'_>],
    moved: Option<&Moved>,
) -> Result<Ended, Problem> {
    let problem = |kind, status, detail: &str, members| {
        Problem::with(kind, status, &config.service, &context.path, detail, members)
    };
    let object = || serde_json::from_slice::<Map<String, Value>>(&body).unwrap_or_default();
    match kind {
        Kind::Value if body.len() > config.limits.body => {
            let detail = format!("the result of {} is larger than {} bytes", config.service, config.limits.body);
            Err(problem("too-large", StatusCode::INTERNAL_SERVER_ERROR, &detail, Map::new()))
        }
        Kind::Value => Ok(Ended::Value(body)),
        Kind::Filtered => Ok(Ended::Filtered(config.service.clone())),
        Kind::Failed => {
            let mut members = object();
            // What it says of another attempt goes to whoever has it run as a job.
            members.retain(|name, _| ["retry", "retry_ms"].contains(&name.as_str()));
            Err(problem("failed", StatusCode::INTERNAL_SERVER_ERROR, &words(&body), members))
        }
        Kind::Rejected => {
            let mut members = object();
            let message = members.remove("message");
            let path = members.remove("path");
            let (path, message) = (
                path.as_ref().and_then(Value::as_str).unwrap_or(""),
                message.as_ref().and_then(Value::as_str).unwrap_or(""),
            );
            let mut detail = format!("{path}: {message}");
            let input = members.get("input").and_then(Value::as_str);
            if let Some(Answered { service, value, .. }) = answers.iter().find(|answer| Some(answer.input) == input) {
                detail = format!("{detail}; {}", sense::remark(service, value));
                members.insert("from".to_owned(), Value::from(*service));
            }
            // `path` is the services' way already.
            members.insert("at".to_owned(), Value::from(path));
            Err(problem("rejected", StatusCode::UNPROCESSABLE_ENTITY, &detail, members))
        }
        Kind::Panicked => {
            shared.metrics.panics.inc();
            let mut members = object();
            let message = members.remove("message");
            move_place(&mut members, moved);
            let place = match (members.get("file").and_then(Value::as_str), members.get("line"), members.get("column"))
            {
                (Some(file), Some(line), Some(column)) => format!(" at {file}:{line}:{column}"),
                _ => String::new(),
            };
            let detail = format!("panicked{place}: {}", message.as_ref().and_then(Value::as_str).unwrap_or(""));
            Err(problem("panicked", StatusCode::INTERNAL_SERVER_ERROR, &detail, members))
        }
        Kind::Upstream => Err(Problem::passed_on(status_of(&object()), body)),
    }
}

/// The place in a panic as the file has it by now.
fn move_place(members: &mut Map<String, Value>, moved: Option<&Moved>) {
    let number = |name: &str| members.get(name)?.as_u64().and_then(|number| u32::try_from(number).ok());
    let file = members.get("file").and_then(Value::as_str);
    if let (Some(moved), Some(file), Some(line), Some(column)) = (moved, file, number("line"), number("column"))
        && let Some((line, column)) = moved.place(file, (line, column))
    {
        members.insert("line".to_owned(), Value::from(line));
        members.insert("column".to_owned(), Value::from(column));
    }
}

/// The status a problem document names.
pub(crate) fn status_of(document: &Map<String, Value>) -> StatusCode {
    let status = document.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok()).filter(|status| status.as_u16() >= 400);
    status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Whether it is to end: nobody new should come.
pub(crate) fn is_draining(shared: &Shared) -> bool {
    shared.draining.load(Ordering::Acquire)
}

/// How long a takeover waits for calls of the old version where state has to be carried.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
