//! HTTP/1.1 over connections that are kept: to hosts of this machine, to other nodes over TLS, and as a server.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use nodes::MemberId;
use parking_lot::Mutex;
use protocol::header;
use rustls::ClientConfig;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::error::NodeError;
use crate::tls::{PeerIdentity, server_name};

/// How long a connection may take to open.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// The largest body of a request or an answer of services.
pub(crate) const LARGEST: usize = 64 << 20;
/// Connections to one place that are kept while nobody uses them.
const KEPT: usize = 64;

/// What carries bytes both ways.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// Of the request, nothing was sent.
    #[error("{0}")]
    Unsent(String),
    #[error("{0}")]
    Lost(String),
}

/// Where a request goes.
#[derive(Clone)]
pub(crate) enum HttpTarget {
    Host(SocketAddr),
    Node { id: MemberId, address: SocketAddr, tls: Arc<ClientConfig> },
}

type Sender = SendRequest<Full<Bytes>>;

/// Connections that are kept.
#[derive(Default)]
pub(crate) struct HttpPool {
    idle: Mutex<HashMap<String, Vec<Sender>>>,
}

impl HttpTarget {
    fn key(&self) -> String {
        match self {
            Self::Host(address) => address.to_string(),
            Self::Node { id, address, tls } => format!("{id} {address} {:p}", Arc::as_ptr(tls)),
        }
    }

    async fn open(&self) -> io::Result<Box<dyn ByteStream>> {
        match self {
            Self::Host(address) => {
                let stream = tcp(*address).await?;
                Ok(Box::new(stream))
            }
            Self::Node { id, address, tls } => {
                let name = server_name(Some(*id)).map_err(io::Error::other)?;
                let stream = TlsConnector::from(tls.clone()).connect(name, tcp(*address).await?);
                Ok(Box::new(timely(stream).await?))
            }
        }
    }
}

pub(crate) async fn timely<T>(opening: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let opened = tokio::time::timeout(CONNECT, opening).await;
    opened.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer")))
}

pub(crate) async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timely(TcpStream::connect(address)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn sender(stream: Box<dyn ByteStream>) -> Result<Sender, AskError> {
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| AskError::Unsent(error.to_string()))?;
    tokio::spawn(async move {
        // The request that is under way hears of its end.
        drop(connection.await);
    });
    Ok(sender)
}

impl HttpPool {
    /// Asks, and reads the whole answer. A request of which nothing was sent over a kept connection is sent over a new one.
    pub(crate) async fn ask(&self, target: &HttpTarget, request: Request<Full<Bytes>>) -> Result<HttpAnswer, AskError> {
        let key = target.key();
        let mut request = request;
        loop {
            let kept = self.idle.lock().get_mut(&key).and_then(Vec::pop);
            let is_kept = kept.is_some();
            let mut sender = match kept {
                Some(sender) => sender,
                None => {
                    let stream = target.open().await.map_err(|error| AskError::Unsent(words(&error)))?;
                    sender(stream).await?
                }
            };
            if let Err(error) = sender.ready().await {
                if is_kept {
                    continue;
                }
                return Err(AskError::Unsent(error.to_string()));
            }
            let response = match sender.try_send_request(request).await {
                Ok(response) => response,
                Err(mut error) => match error.take_message() {
                    Some(unsent) if is_kept => {
                        request = unsent;
                        continue;
                    }
                    Some(_) => return Err(AskError::Unsent(error.into_error().to_string())),
                    None => return Err(AskError::Lost(words(&error.into_error()))),
                },
            };
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect().await;
            let body = body.map_err(|error| AskError::Lost(error.to_string()))?.to_bytes();
            let mut idle = self.idle.lock();
            let kept = idle.entry(key).or_default();
            if kept.len() < KEPT && !sender.is_closed() {
                kept.push(sender);
            }
            return Ok(HttpAnswer { status: head.status, headers: head.headers, body });
        }
    }

    /// Closes the connections to a node that are kept.
    pub(crate) fn forget(&self, id: MemberId) {
        self.idle.lock().retain(|key, _| !key.starts_with(&id.to_string()));
    }
}

/// An error, and what it came from.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = cause.source();
    }
    words
}

/// A request for a service or an admin API.
pub(crate) fn request(method: &http::Method, path: &str, headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse().unwrap_or_default();
    *request.headers_mut() = headers;
    request.headers_mut().entry(http::header::HOST).or_insert(HeaderValue::from_static("localhost"));
    request
}

/// Asks one thing over a stream of its own.
async fn once(stream: Box<dyn ByteStream>, request: Request<Full<Bytes>>) -> Result<HttpAnswer, AskError> {
    let response = sender(stream).await?.send_request(request).await;
    let (head, body) = response.map_err(|error| AskError::Lost(words(&error)))?.into_parts();
    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| AskError::Lost(error.to_string()))?;
    Ok(HttpAnswer { status: head.status, headers: head.headers, body: body.to_bytes() })
}

/// Asks one thing of a server by its `host:port`.
pub(crate) async fn ask_place(place: &str, request: Request<Full<Bytes>>) -> Result<HttpAnswer, String> {
    let stream = timely(TcpStream::connect(place)).await.map_err(|error| words(&error))?;
    once(Box::new(stream), request).await.map_err(|error| error.to_string())
}

/// Asks the agent of this machine.
pub(crate) async fn ask_socket(path: &std::path::Path, request: Request<Full<Bytes>>) -> Result<HttpAnswer, NodeError> {
    let stream = UnixStream::connect(path).await.map_err(|_| NodeError::NotRunning)?;
    let to = "the agent".to_owned();
    once(Box::new(stream), request).await.map_err(|error| NodeError::Unreachable { to, why: error.to_string() })
}

/// Asks a node, and says who it is.
pub(crate) async fn ask_node(
    address: &str,
    id: Option<MemberId>,
    tls: Arc<ClientConfig>,
    request: Request<Full<Bytes>>,
) -> Result<(HttpAnswer, PeerIdentity, Bytes), NodeError> {
    let unreachable = |why: String| NodeError::Unreachable { to: address.to_owned(), why };
    let resolved = tokio::net::lookup_host(address).await.map_err(|error| unreachable(error.to_string()))?;
    let mut last = "its name leads nowhere".to_owned();
    for resolved in resolved {
        let opened = async {
            let stream = tcp(resolved).await?;
            let name = server_name(id).map_err(io::Error::other)?;
            timely(TlsConnector::from(tls.clone()).connect(name, stream)).await
        };
        let stream = match opened.await {
            Ok(stream) => stream,
            Err(error) => {
                last = words(&error);
                continue;
            }
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let peer = chain.first().and_then(PeerIdentity::of);
        let authority = chain.last().map(|certificate| Bytes::copy_from_slice(certificate));
        let (Some(peer), Some(authority)) = (peer, authority) else {
            return Err(unreachable("its certificate names no node".to_owned()));
        };
        let answer = once(Box::new(stream), request).await.map_err(|error| unreachable(error.to_string()))?;
        return Ok((answer, peer, authority));
    }
    Err(unreachable(last))
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(body) => answer(status, "application/json", body.into()),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string().into()),
    }
}

pub(crate) fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What is wrong, as commands and other nodes read it.
pub(crate) fn refusal(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    json(status, &serde_json::json!({ "error": why }))
}

/// A problem document (RFC 9457), as hosts pass it on.
pub(crate) fn problem(kind: &str, status: StatusCode, service: &str, detail: &str) -> Response<Full<Bytes>> {
    let document = serde_json::json!({
        "type": format!("urn:dyninka:problem:{kind}"), "status": status.as_u16(), "detail": detail, "service": service, "path": [],
    });
    answer(status, "application/problem+json", document.to_string().into())
}

/// The words of a refusal.
pub(crate) fn why(answer: &HttpAnswer) -> String {
    let read: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let said = read.as_ref().and_then(|value| value["error"].as_str());
    said.map_or_else(|| answer.status.to_string(), str::to_owned)
}

/// Reads a body whole.
pub(crate) async fn whole(body: Incoming, most: usize) -> Result<Bytes, Response<Full<Bytes>>> {
    match Limited::new(body, most).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) => Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string())),
    }
}

/// What a request carries from node to node.
pub(crate) fn onward(headers: &HeaderMap) -> HeaderMap {
    const NAMES: [&str; 8] = [
        "content-type",
        header::ROUTE,
        header::PATH,
        header::DEADLINE,
        header::TRACEPARENT,
        header::TRACESTATE,
        header::DETAIL,
        header::SERVICES,
    ];
    some_of(headers, &NAMES)
}

/// What an answer carries back.
pub(crate) fn back(headers: &HeaderMap) -> HeaderMap {
    const NAMES: [&str; 5] = ["content-type", header::SERVER_TIMING, header::VERSION, header::FILTERED, header::NODES];
    some_of(headers, &NAMES)
}

fn some_of(headers: &HeaderMap, names: &[&'static str]) -> HeaderMap {
    let kept = names.iter().filter_map(|name| Some((HeaderName::from_static(name), headers.get(*name)?.clone())));
    kept.collect()
}

/// Hands an answer on.
pub(crate) fn handed_back(answer: HttpAnswer, node: Option<&str>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = back(&answer.headers);
    if let Some(value) = node.and_then(|node| HeaderValue::from_str(node).ok()) {
        response.headers_mut().insert(header::NODES, value);
    }
    response
}
