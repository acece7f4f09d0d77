//! An app whose services take requests here, whoever runs them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};

use crate::bundle::NodeBundle;

/// An app whose services take requests.
#[derive(Clone)]
pub(crate) struct ServedApp {
    pub(crate) bundle: Arc<NodeBundle>,
    pub(crate) token: Arc<str>,
    /// By service: each of its hosts.
    pub(crate) hosts: BTreeMap<String, Vec<SocketAddr>>,
    /// Where those reach the agent.
    pub(crate) away: SocketAddr,
}

impl ServedApp {
    /// What lets the agent in at its hosts.
    pub(crate) fn headers(&self) -> HeaderMap {
        headers(&self.token)
    }
}

/// What lets the agent in at hosts.
pub(crate) fn headers(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut headers: HeaderMap = value.into_iter().map(|value| (AUTHORIZATION, value)).collect();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}
