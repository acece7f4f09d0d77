//! A proxy in front of one function, in the manner of OpenFaaS's of-watchdog in its HTTP mode.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode};
use axum::response::IntoResponse;
use http_body_util::Full;

use super::gateway::{Http, client};

pub(super) fn router(to: SocketAddr) -> Router {
    let client = client();
    Router::new().fallback(move |method: Method, body: Bytes| {
        let client = client.clone();
        async move { pass_on(&client, to, method, body).await }
    })
}

async fn pass_on(client: &Http, to: SocketAddr, method: Method, body: Bytes) -> Response<Body> {
    let request = Request::builder().method(method).uri(format!("http://{to}/")).body(Full::new(body));
    let answer = match request {
        Ok(request) => client.request(request).await,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    match answer {
        Ok(answer) => answer.map(Body::new),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{to}: {error}")).into_response(),
    }
}
