//! Servers of this machine beside the session, which the page shows too: its node of a fleet, and its data server. Only
//! what stands here is asked of them: nothing that would bring a token, or bytes of somebody's objects, to a browser.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;

use crate::page::Shared;

/// A server of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BesideServer {
    /// The agent of its node.
    Node,
    /// Its data server.
    Data,
}

/// What the page asks of a server of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BesideQuestion {
    /// The server.
    pub server: BesideServer,
    /// The path with its query, as the server has them: `/v1/catalog`.
    pub path: String,
    /// The body of a POST, as JSON; none: a GET.
    pub body: Option<Vec<u8>>,
}

/// The answer of a server of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BesideAnswer {
    /// It answered.
    Said {
        /// The HTTP status.
        status: u16,
        /// JSON, or text where the status is no good one.
        body: Vec<u8>,
    },
    /// No such server runs here, for that reason.
    Absent(String),
    /// It does not answer, for that reason.
    Silent(String),
}

/// Asks a server of this machine.
pub type AskBeside = Arc<dyn Fn(BesideQuestion) -> BoxFuture<'static, BesideAnswer> + Send + Sync>;

/// `/beside/SERVER/PATH`.
pub(crate) async fn ask(
    State(shared): State<Arc<Shared>>,
    method: Method,
    Path((server, path)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let is_deed = method == Method::POST;
    let Some(server) = found(&server, &path, is_deed) else {
        return (StatusCode::NOT_FOUND, "the page asks that of nobody\n").into_response();
    };
    let Some(ask) = &shared.source.beside else {
        return (StatusCode::NOT_FOUND, "this page shows a cluster\n").into_response();
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("/v1/{}{query}", escaped(&path));
    let (status, body) = match ask(BesideQuestion { server, path, body: is_deed.then(|| body.to_vec()) }).await {
        BesideAnswer::Said { status, body } => (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body),
        BesideAnswer::Absent(why) | BesideAnswer::Silent(why) if is_deed => (StatusCode::BAD_GATEWAY, why.into_bytes()),
        // A page asks once a second, and that nobody is there is no fault to complain of in a browser's console.
        BesideAnswer::Absent(why) => (StatusCode::OK, serde_json::json!({ "absent": why }).to_string().into_bytes()),
        BesideAnswer::Silent(why) => (StatusCode::OK, serde_json::json!({ "silent": why }).to_string().into_bytes()),
    };
    let kind = if status.is_success() { "application/json" } else { "text/plain; charset=utf-8" };
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

/// Who answers a question or does a deed, if the page may ask for it.
fn found(server: &str, path: &str, is_deed: bool) -> Option<BesideServer> {
    let parts: Vec<&str> = path.split('/').collect();
    match (server, is_deed, parts.as_slice()) {
        ("node", false, ["nodes"]) => Some(BesideServer::Node),
        ("data", false, ["catalog" | "settings" | "events" | "conflicts"] | ["objects" | "where", _]) => {
            Some(BesideServer::Data)
        }
        ("data", true, ["plan" | "apply"])
        | ("data", true, ["buckets", _, "promote" | "release" | "pause" | "resume" | "verify"]) => {
            Some(BesideServer::Data)
        }
        _ => None,
    }
}

/// A path whose escapes were read, written again.
fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_brings_no_token_and_no_bytes_is_asked() {
        let (node, data) = (Some(BesideServer::Node), Some(BesideServer::Data));
        let cases = [
            ("node", "nodes", false, node),
            ("node", "nodes", true, None),
            ("node", "commands", true, None),
            ("node", "events", false, None),
            ("data", "catalog", false, data),
            ("data", "settings", false, data),
            ("data", "where/images", false, data),
            ("data", "objects/images", false, data),
            ("data", "objects/images/cat.html", false, None),
            ("data", "objects/images", true, None),
            ("data", "stores/aws/hook", false, None),
            ("data", "stores/aws/probe", true, None),
            ("data", "notify/aws", true, None),
            ("data", "plan", true, data),
            ("data", "apply", true, data),
            ("data", "apply", false, None),
            ("data", "buckets/images/promote", true, data),
            ("data", "buckets/images/promote/..", true, None),
            ("data", "buckets/images/wait", false, None),
            ("data", "../metrics", false, None),
            ("jobs", "nodes", false, None),
        ];
        for (server, path, is_deed, expected) in cases {
            assert_eq!(found(server, path, is_deed), expected, "{server} {path} {is_deed}");
        }
    }

    #[test]
    fn a_part_of_a_path_stays_one() {
        assert_eq!(escaped("objects/a?b#c d"), "objects/a%3Fb%23c%20d");
        // What was one part before its escapes were read is two now, and two are asked for nothing.
        assert_eq!(found("data", "objects/a/b", false), None);
    }
}
