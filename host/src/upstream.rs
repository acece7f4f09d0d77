//! Calls to other services, point to point, over connections that are kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hops::{Call, Config, Method as Asked, Peer, SpanId};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::circuit::{Circuits, Unreached};
use crate::journey::{Journey, text, total_of};
use crate::problem::{self, Problem};
use crate::shared::Settings;
use crate::trace::random_span;

/// Idle connections kept for each service; as many as there are calls at a time on a busy machine.
const MOST_IDLE: usize = 64;

/// Idle for longer than this, a connection is not used again: the other side closes it after ten seconds, and a request
/// that meets the closing on its way would be lost.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

type Connection = SendRequest<Full<Bytes>>;

/// Connections to other services, by address.
pub(crate) struct Upstreams {
    idle: Mutex<HashMap<String, Vec<(Instant, Connection)>>>,
    pub(crate) circuits: Circuits,
}

/// What another service answered with.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// Its value, as JSON.
    Value(Bytes),
    /// Nothing: the service of that name filtered.
    Filtered(String),
}

/// What is asked of another service.
pub(crate) struct Ask<'a> {
    pub(crate) service: &'a str,
    pub(crate) peer: &'a Peer,
    /// The routes of its inputs.
    pub(crate) route: Option<String>,
    /// Its inputs by name, as a JSON object.
    pub(crate) body: Option<Bytes>,
}

/// What a span tells of an answer.
#[derive(Default)]
struct Seen {
    status: Option<u16>,
    server: Option<u64>,
    received: u64,
}

impl Upstreams {
    pub(crate) fn new(circuits: Circuits) -> Self {
        Self { idle: Mutex::default(), circuits }
    }

    /// Asks another service, within the journey's deadline.
    pub(crate) async fn ask(&self, settings: &Settings, journey: &Journey, ask: Ask<'_>) -> Result<Fetched, Problem> {
        let (id, mut seen) = (random_span(), Seen::default());
        let Some(place) = settings.places.get(ask.service).filter(|_| journey.detail) else {
            return self.fetch(&settings.config, journey, &ask, id, &mut seen).await;
        };
        let at = journey.called(Call {
            id,
            service: place.service.clone(),
            address: place.address.clone(),
            method: if ask.body.is_some() { Asked::Post } else { Asked::Get },
            begun: 0,
            took: 0,
            server: None,
            status: None,
            error: None,
            sent: ask.body.as_ref().map_or(0, Bytes::len) as u64,
            received: 0,
        });
        let fetched = self.fetch(&settings.config, journey, &ask, id, &mut seen).await;
        journey.ended(at, |call| {
            (call.status, call.server, call.received) = (seen.status, seen.server, seen.received);
            call.error = fetched.as_ref().err().map(|problem| problem.kind.into());
        });
        fetched
    }

    async fn fetch(
        &self,
        config: &Config,
        journey: &Journey,
        ask: &Ask<'_>,
        id: SpanId,
        seen: &mut Seen,
    ) -> Result<Fetched, Problem> {
        let mut path = journey.path.clone();
        path.push(ask.service.to_owned());
        let asked = tokio::time::timeout_at(journey.deadline, self.exchange(config, journey, ask, id)).await;
        let (status, headers, body) = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(Trouble::TooLarge)) => {
                let detail = format!("the answer of {} is larger than {} bytes", ask.service, config.limits.body);
                return Err(Problem::new("too-large", StatusCode::BAD_GATEWAY, ask.service, &path, &detail));
            }
            Ok(Err(trouble)) => {
                let detail = format!("{} cannot be reached at {}: {trouble}", ask.service, ask.peer.address);
                return Err(Problem::new("unreachable", StatusCode::BAD_GATEWAY, ask.service, &path, &detail));
            }
            Err(_) => {
                let detail = format!("{} did not answer before the deadline", ask.service);
                return Err(Problem::new("deadline", StatusCode::GATEWAY_TIMEOUT, ask.service, &path, &detail));
            }
        };
        *seen = Seen {
            status: Some(status.as_u16()),
            server: total_of(&headers, ask.service),
            received: body.len() as u64,
        };
        journey.note(&headers);
        match status {
            StatusCode::OK => Ok(Fetched::Value(body)),
            StatusCode::NO_CONTENT => {
                Ok(Fetched::Filtered(text(&headers, hops::header::FILTERED).unwrap_or(ask.service).to_owned()))
            }
            _ if text(&headers, "content-type") == Some(problem::CONTENT_TYPE) => Err(Problem::passed_on(status, body)),
            _ => {
                let detail = format!("{} answered {status}, which is no answer of a service", ask.service);
                Err(Problem::new("unreachable", StatusCode::BAD_GATEWAY, ask.service, &path, &detail))
            }
        }
    }

    async fn exchange(
        &self,
        config: &Config,
        journey: &Journey,
        ask: &Ask<'_>,
        id: SpanId,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Trouble> {
        let mut request = request(journey, ask, id);
        let mut fresh = false;
        let (mut connection, answer) = loop {
            let mut connection = match self.take(&ask.peer.address).filter(|_| !fresh) {
                Some(connection) => connection,
                None => {
                    fresh = true;
                    let address = &ask.peer.address;
                    let connect = || TcpStream::connect(address);
                    handshake(self.circuits.reach(ask.service, address, journey.deadline, connect).await?).await?
                }
            };
            match connection.try_send_request(request).await {
                Ok(answer) => break (connection, answer),
                Err(mut error) => match error.take_message() {
                    // A kept connection that the other side had closed: nothing was sent, so asking again is safe.
                    Some(back) if !fresh => {
                        self.circuits.count_retry();
                        request = back;
                        fresh = true;
                    }
                    _ => return Err(error.into_error().into()),
                },
            }
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let says_length =
            [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name));
        if status == StatusCode::OK && !says_length {
            return Err(Trouble::Endless);
        }
        let body = collect(answer, config.limits.body).await?;
        if connection.ready().await.is_ok() {
            self.keep(&ask.peer.address, connection);
        }
        Ok((status, headers, body))
    }

    fn take(&self, address: &str) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(address)?;
        while let Some((since, connection)) = kept.pop() {
            if connection.is_ready() && since.elapsed() < LONGEST_IDLE {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, address: &str, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.get_mut(address) {
            Some(kept) if kept.len() < MOST_IDLE => kept.push((Instant::now(), connection)),
            Some(_) => {}
            None => drop(idle.insert(address.to_owned(), vec![(Instant::now(), connection)])),
        }
    }
}

fn request(journey: &Journey, ask: &Ask<'_>, id: SpanId) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(ask.body.clone().unwrap_or_default()));
    if ask.body.is_some() {
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Ok(host) = HeaderValue::from_str(&ask.peer.host) {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(route) = ask.route.as_deref().and_then(|route| HeaderValue::from_str(route).ok()) {
        request.headers_mut().insert(hops::header::ROUTE, route);
    }
    journey.headers(request.headers_mut(), id);
    request
}

async fn handshake(stream: TcpStream) -> Result<Connection, Trouble> {
    // A hop is one small packet each way: waiting to fill it is waiting for nothing.
    stream.set_nodelay(true).map_err(|error| Trouble::Connect(error.into()))?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end shows in the next use of the sender.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn collect(answer: Response<Incoming>, limit: usize) -> Result<Bytes, Trouble> {
    let collected = Limited::new(answer.into_body(), limit).collect().await;
    collected.map(|body| body.to_bytes()).map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => Trouble::TooLarge,
        Err(other) => Trouble::Body(other.to_string()),
    })
}

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Connect(#[from] Unreached),
    #[error("{}", chain(.0))]
    Http(#[from] hyper::Error),
    #[error("its answer breaks off: {0}")]
    Body(String),
    #[error("its answer is too large")]
    TooLarge,
    /// Cut short, it would pass for whole.
    #[error("its answer does not say how long it is")]
    Endless,
}

fn chain(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
