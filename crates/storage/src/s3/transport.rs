//! Connections, TLS, and bodies that come with a deadline of their own.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use crate::error::StorageError;
use crate::tls;

/// A store that is there takes a connection within this.
const CONNECT: Duration = Duration::from_secs(5);
/// A request without an answer for so long has none, beside the time that its body takes.
const ANSWER: Duration = Duration::from_secs(30);
/// A body of which nothing comes for so long has ended.
const IDLE: Duration = Duration::from_secs(20);
/// A way that is slower than so many bytes a second is none.
const SLOWEST: u64 = 32 << 10;

#[derive(Debug)]
pub(super) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Transport {
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, StorageError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls::trusting(ca)?).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_timer(TokioTimer::new())
            .build(connector.wrap_connector(tcp));
        Ok(Self { client })
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(String, String)],
        body: Bytes,
    ) -> Result<Response<Incoming>, StorageError> {
        let mut request = Request::builder().method(method).uri(url.as_str());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let patience = ANSWER + Duration::from_secs(body.len() as u64 / SLOWEST);
        // A header with a line break, or a URL that is none: of this object alone.
        let request = request.body(Full::new(body)).map_err(|error| StorageError::Never(error.to_string()))?;
        match tokio::time::timeout(patience, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(StorageError::Away(chain(&error))),
            Err(_) => Err(StorageError::Away(format!("no answer within {} s", patience.as_secs()))),
        }
    }
}

/// The bytes that an answer announces.
pub(super) fn length(headers: &HeaderMap) -> Result<u64, StorageError> {
    let length = headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.ok_or_else(|| StorageError::Garbled("an answer without its length".to_owned()))
}

/// The pieces of a body.
pub(super) fn pieces(body: Incoming) -> impl Stream<Item = Result<Bytes, StorageError>> + Send {
    let stream = body.into_data_stream();
    futures_util::stream::unfold(Some(stream), |stream| async move {
        let mut stream = stream?;
        match tokio::time::timeout(IDLE, stream.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(stream))),
            Ok(Some(Err(error))) => Some((Err(StorageError::Away(chain(&error))), None)),
            Ok(None) => None,
            Err(_) => Some((Err(StorageError::Away(format!("nothing came for {} s", IDLE.as_secs()))), None)),
        }
    })
}

/// A body to its end, within bounds.
pub(super) async fn read(body: Incoming, most: usize) -> Result<Bytes, StorageError> {
    let mut pieces = std::pin::pin!(pieces(body));
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece?);
        if all.len() > most {
            return Err(StorageError::Garbled(format!("an answer of more than {most} bytes")));
        }
    }
    Ok(all.freeze())
}

/// An error with all that led to it. It names no URL, since that is signed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
