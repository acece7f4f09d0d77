//! Calls to other services, point to point, over connections that are kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;
use protocol::near::{NearRefusal, reasons};
use protocol::{Config, Method as Asked, Peer, SpanId, UpstreamCall};

use crate::balance::{self, Balance};
use crate::circuit::{Circuits, Unreached};
use crate::group::Group;
use crate::near::{Instances, Near};
use crate::problem::{self, Problem};
use crate::request_context::{RequestContext, total_of};
use crate::shared::{Settings, Shared};
use crate::socket::Socket;
use crate::trace::random_span;
use crate::transfer::Entered;
use crate::wire::{Answer, Connection, Question, WireError};
use crate::within;

/// Idle connections kept for each service; as many as there are calls at a time on a busy machine.
const MOST_IDLE: usize = 64;

/// Idle for longer than this, a connection is not used again: the other side closes it after ten seconds, and a request
/// that meets the closing on its way would be lost.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

/// Connections to other services, by address.
pub(crate) struct Upstreams {
    /// The services of this host: they are asked without a connection.
    group: Arc<Group>,
    /// Calls that run at each instance of services that have several.
    balance: Balance,
    /// Where instances and buckets are.
    pub(crate) near: Near,
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
    pub(crate) route: Option<&'a str>,
    /// Its inputs by name, as a JSON object.
    pub(crate) body: Option<Bytes>,
}

/// What a span tells of an answer.
#[derive(Default)]
struct Seen {
    status: Option<u16>,
    server: Option<u64>,
    received: u64,
    /// The instance that was asked, where there are several.
    address: Option<Arc<str>>,
}

impl Upstreams {
    pub(crate) fn new(group: Arc<Group>, circuits: Circuits) -> Self {
        Self { group, balance: Balance::default(), near: Near::default(), idle: Mutex::default(), circuits }
    }

    /// Asks another service, within the context's deadline.
    pub(crate) async fn ask(
        &self,
        settings: &Settings,
        context: &RequestContext,
        ask: Ask<'_>,
    ) -> Result<Fetched, Problem> {
        let (id, mut seen) = (random_span(), Seen::default());
        let beside = self.group.find(&ask.peer.address);
        let within = beside.is_some();
        let Some(place) = settings.places.get(ask.service).filter(|_| context.detail) else {
            return self.fetch(&settings.config, context, &ask, (id, beside), &mut seen).await;
        };
        let at = context.called(UpstreamCall {
            id,
            service: place.service.clone(),
            address: place.address.clone(),
            within,
            method: if ask.body.is_some() { Asked::Post } else { Asked::Get },
            begun: 0,
            took: 0,
            server: None,
            status: None,
            error: None,
            sent: ask.body.as_ref().map_or(0, Bytes::len) as u64,
            received: 0,
        });
        let fetched = self.fetch(&settings.config, context, &ask, (id, beside), &mut seen).await;
        context.ended(at, |call| {
            (call.status, call.server, call.received) = (seen.status, seen.server, seen.received);
            if let Some(address) = seen.address.take() {
                call.address = address;
            }
            call.error = fetched.as_ref().err().map(|problem| problem.kind.into());
        });
        fetched
    }

    async fn fetch(
        &self,
        config: &Config,
        context: &RequestContext,
        ask: &Ask<'_>,
        (id, beside): (SpanId, Option<Arc<Shared>>),
        seen: &mut Seen,
    ) -> Result<Fetched, Problem> {
        let path = || context.path.then(ask.service);
        let late = || {
            let detail = format!("{} did not answer before the deadline", ask.service);
            Problem::new("deadline", StatusCode::GATEWAY_TIMEOUT, ask.service, &path(), &detail)
        };
        // A timer looks once a millisecond, and a call within a host may be answered sooner.
        if context.left().is_zero() {
            return Err(late());
        }
        let order = match beside {
            None if !ask.peer.others.is_empty() => Some(self.order(config, context, ask, id)?),
            _ => None,
        };
        let exchange = async {
            match (beside, order) {
                (Some(beside), _) => self.exchange_within(config, context, ask, id, beside).await,
                (None, Some(order)) => self.exchange_among(config, context, ask, (id, &order), &mut seen.address).await,
                (None, None) => self.exchange(config, context, ask, id).await,
            }
        };
        let asked = tokio::time::timeout_at(context.deadline, exchange).await;
        let Answer { status, said, body } = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(Trouble::Wire(WireError::TooLarge))) => {
                let detail = format!("the answer of {} is larger than {} bytes", ask.service, config.limits.body);
                return Err(Problem::new("too-large", StatusCode::BAD_GATEWAY, ask.service, &path(), &detail));
            }
            Ok(Err(trouble)) => {
                let address = seen.address.as_deref().unwrap_or(&ask.peer.address);
                let detail = format!("{} cannot be reached at {address}: {trouble}", ask.service);
                return Err(Problem::new("unreachable", StatusCode::BAD_GATEWAY, ask.service, &path(), &detail));
            }
            Err(_) => return Err(late()),
        };
        seen.status = Some(status.as_u16());
        seen.server = said.timing.as_deref().and_then(|timing| total_of(timing, ask.service));
        seen.received = body.len() as u64;
        context.note(&said);
        match status {
            StatusCode::OK => Ok(Fetched::Value(body)),
            StatusCode::NO_CONTENT => Ok(Fetched::Filtered(said.filtered.unwrap_or_else(|| ask.service.to_owned()))),
            _ if said.content_type.as_deref() == Some(problem::CONTENT_TYPE) => Err(Problem::passed_on(status, body)),
            _ => {
                let detail = format!("{} answered {status}, which is no answer of a service", ask.service);
                Err(Problem::new("unreachable", StatusCode::BAD_GATEWAY, ask.service, &path(), &detail))
            }
        }
    }

    async fn exchange(
        &self,
        config: &Config,
        context: &RequestContext,
        ask: &Ask<'_>,
        id: SpanId,
    ) -> Result<Answer, Trouble> {
        self.send(config, context, (ask.service, &ask.peer.address), &question(config, context, ask, id)).await
    }

    /// Asks a service of this host, or where it went.
    async fn exchange_within(
        &self,
        config: &Config,
        context: &RequestContext,
        ask: &Ask<'_>,
        id: SpanId,
        beside: Arc<Shared>,
    ) -> Result<Answer, Trouble> {
        let _here = match beside.entrance.enter().await {
            Entered::Here(here) => here,
            Entered::Elsewhere(to) => {
                return self.send(config, context, (ask.service, &to), &question(config, context, ask, id)).await;
            }
        };
        let answer = within::ask(beside, context, ask, id).await.ok_or(Trouble::Wire(WireError::Closed))?;
        if answer.body.len() > config.limits.body { Err(WireError::TooLarge.into()) } else { Ok(answer) }
    }

    /// The instances of a service in the order in which they are to be asked: near the request's data, where they have
    /// places, else of two at random the one that fewer calls run at.
    fn order(
        &self,
        config: &Config,
        context: &RequestContext,
        ask: &Ask<'_>,
        id: SpanId,
    ) -> Result<Vec<usize>, Problem> {
        let addresses = balance::addresses(ask.peer);
        if let (Some(near), Some(request)) = (&config.near, &context.near) {
            let instances = Instances { service: ask.service, addresses: &addresses, balance: &self.balance };
            let ordered = self.near.order(near, request, &instances, (id.0.get(), rand::random()));
            let ordered = ordered.map_err(|refusal| {
                let (kind, status, detail) = match refusal {
                    NearRefusal::NoBucket(bucket) => {
                        let detail = format!("there is no bucket {bucket}, which the header dyninka-data names");
                        ("no-such-bucket", StatusCode::NOT_FOUND, detail)
                    }
                    NearRefusal::NoPlace(lacks) => {
                        let detail =
                            format!("no instance of {} may serve the request: {}", ask.service, reasons(&lacks));
                        ("no-place", StatusCode::SERVICE_UNAVAILABLE, detail)
                    }
                };
                Problem::new(kind, status, ask.service, &context.path.then(ask.service), &detail)
            })?;
            if let Some(order) = ordered {
                return Ok(order);
            }
        }
        let (first, count) = (self.balance.choose(&addresses, id.0.get()), addresses.len());
        Ok((0..count).map(|turn| (first + turn) % count).collect())
    }

    /// Asks the instances of a service in an order. One that cannot be connected to is left for another at once; where none
    /// can be, the first choice is tried as a service of one instance is.
    async fn exchange_among(
        &self,
        config: &Config,
        context: &RequestContext,
        ask: &Ask<'_>,
        (id, order): (SpanId, &[usize]),
        asked: &mut Option<Arc<str>>,
    ) -> Result<Answer, Trouble> {
        let question = question(config, context, ask, id);
        let addresses = balance::addresses(ask.peer);
        for at in order {
            let (Some(address), Ok(number)) = (addresses.get(*at), u32::try_from(at + 1)) else { continue };
            let name = protocol::instance_name(ask.service, number);
            let call = self.balance.call(address);
            *asked = Some(Arc::from(*address));
            let begun = Instant::now();
            if let Some(answer) = self.try_at(config, context, (&name, address), &question).await? {
                call.answered();
                if context.near.is_some() {
                    self.near.took(address, begun.elapsed());
                }
                return Ok(answer);
            }
            self.circuits.count_retry();
        }
        let Some(address) = order.first().and_then(|first| addresses.get(*first)) else {
            return Err(WireError::Closed.into());
        };
        *asked = Some(Arc::from(*address));
        self.send(config, context, (ask.service, address), &question).await
    }

    /// Asks an instance; nothing where nothing of the question was sent.
    async fn try_at(
        &self,
        config: &Config,
        context: &RequestContext,
        (name, address): (&str, &str),
        question: &Question,
    ) -> Result<Option<Answer>, Trouble> {
        let mut connection = match self.take(address) {
            Some(connection) => connection,
            None => {
                let connect = || Socket::connect(address, self.group.sockets());
                match self.circuits.reach_once(name, address, context.deadline, connect).await {
                    Ok(socket) => Connection::new(socket),
                    Err(_) => return Ok(None),
                }
            }
        };
        match connection.exchange(question, config.limits.body).await {
            Ok(answer) => {
                if connection.keeps() {
                    self.keep(address, connection);
                }
                Ok(Some(answer))
            }
            Err(WireError::Unsent(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks whoever is at an address, over a connection that is kept.
    pub(crate) async fn send(
        &self,
        config: &Config,
        context: &RequestContext,
        (name, address): (&str, &str),
        question: &Question,
    ) -> Result<Answer, Trouble> {
        let mut kept = self.take(address);
        loop {
            let fresh = kept.is_none();
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.connect(context, name, address).await?,
            };
            match connection.exchange(question, config.limits.body).await {
                Ok(answer) => {
                    if connection.keeps() {
                        self.keep(address, connection);
                    }
                    return Ok(answer);
                }
                // A kept connection that the other side had closed: nothing was sent, so asking again is safe.
                Err(WireError::Unsent(_)) if !fresh => self.circuits.count_retry(),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn connect(&self, context: &RequestContext, name: &str, address: &str) -> Result<Connection, Trouble> {
        let connect = || Socket::connect(address, self.group.sockets());
        Ok(Connection::new(self.circuits.reach(name, address, context.deadline, connect).await?))
    }

    /// A connection of its own, whatever is known of who is there.
    pub(crate) async fn dial(&self, address: &str) -> std::io::Result<Connection> {
        Socket::connect(address, self.group.sockets()).await.map(Connection::new)
    }

    fn take(&self, address: &str) -> Option<Connection> {
        let mut idle = self.idle.lock();
        let kept = idle.get_mut(address)?;
        while let Some((since, connection)) = kept.pop() {
            if connection.is_open() && since.elapsed() < LONGEST_IDLE {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, address: &str, connection: Connection) {
        let mut idle = self.idle.lock();
        match idle.get_mut(address) {
            Some(kept) if kept.len() < MOST_IDLE => kept.push((Instant::now(), connection)),
            Some(_) => {}
            None => drop(idle.insert(address.to_owned(), vec![(Instant::now(), connection)])),
        }
    }
}

fn question(config: &Config, context: &RequestContext, ask: &Ask<'_>, id: SpanId) -> Question {
    let mut question = Question::new(ask.body.is_some(), &ask.peer.host);
    if let Some(route) = ask.route {
        question.header(protocol::header::ROUTE, route);
    }
    context.headers(&mut question, id, &config.token);
    question.end(ask.body.as_deref())
}

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Connect(#[from] Unreached),
    #[error(transparent)]
    Wire(#[from] WireError),
}
