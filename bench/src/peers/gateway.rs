//! Functions composed as OpenFaaS does it: one server calls each through the gateway, and hands its answer to the next.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::function::answer;
use super::functions::Name;

/// A client that keeps its connections.
pub(super) type Http = Client<HttpConnector, Full<Bytes>>;

pub(super) fn client() -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

pub(super) fn router(through: SocketAddr) -> Router {
    let client = client();
    Router::new().route(
        "/",
        get(move || {
            let client = client.clone();
            async move { answer(compose(&client, through).await) }
        }),
    )
}

async fn compose(client: &Http, through: SocketAddr) -> anyhow::Result<Option<Bytes>> {
    let mut value = Bytes::new();
    for name in Name::ALL {
        let url = format!("http://{through}/function/{}", name.text());
        let request = Request::post(&url).body(Full::new(value)).with_context(|| format!("make a call of {url}"))?;
        let answer = client.request(request).await.with_context(|| format!("call {url}"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.with_context(|| format!("read what {url} answers"))?;
        value = match status {
            StatusCode::OK => body.to_bytes(),
            StatusCode::NO_CONTENT => return Ok(None),
            _ => bail!("{url} answers {status}: {}", String::from_utf8_lossy(&body.to_bytes())),
        };
    }
    Ok(Some(value))
}
