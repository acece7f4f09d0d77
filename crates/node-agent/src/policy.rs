//! The way to a model that decides instead of a strategy of ours: one request over HTTP for each service and period.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use balance::{Observation, Policy, StrategyName, StrategySettings};
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Method, Uri};
use tokio::runtime::Handle;

use crate::error::NodeError;
use crate::http::{ask_place, request, why};

/// How long a model has for an answer.
const PATIENCE: Duration = Duration::from_millis(500);
const PORT: u16 = 80;

/// Asks a model by `POST`. It waits for the answer: not for threads that others wait for.
pub(crate) struct ModelPolicy {
    /// `host:port`.
    place: String,
    path: String,
    runtime: Handle,
}

/// What asks the model, where the strategy is `remote`; called on a runtime.
pub(crate) fn policy(settings: &StrategySettings) -> Result<Option<Box<dyn Policy>>, NodeError> {
    match &settings.model {
        Some(url) if settings.name == StrategyName::Remote => Ok(Some(Box::new(ModelPolicy::at(url)?))),
        _ => Ok(None),
    }
}

impl ModelPolicy {
    fn at(url: &str) -> Result<Self, NodeError> {
        let refused = |why: &str| NodeError::Model { url: url.to_owned(), why: why.to_owned() };
        let uri: Uri = url.parse().map_err(|_| refused("it is no URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(refused("it does not begin with http://"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refused("it names no host"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { place: format!("{host}:{}", uri.port_u16().unwrap_or(PORT)), path, runtime: Handle::current() })
    }

    async fn ask(&self, observation: &Observation) -> Result<BTreeMap<String, f64>, String> {
        let body = serde_json::to_vec(observation).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        headers.extend(HeaderValue::from_str(&self.place).ok().map(|place| (HOST, place)));
        let asked = request(&Method::POST, &self.path, headers, body.into());
        let answer = ask_place(&self.place, asked).await?;
        if !answer.status.is_success() {
            return Err(format!("it answered {}: {}", answer.status.as_u16(), why(&answer)));
        }
        serde_json::from_slice(&answer.body).map_err(|error| format!("its answer does not read: {error}"))
    }
}

impl Policy for ModelPolicy {
    fn act(&mut self, observation: &Observation) -> Result<BTreeMap<String, f64>, String> {
        let asked = async { tokio::time::timeout(PATIENCE, self.ask(observation)).await };
        let late = |_| Err(format!("it did not answer within {} ms", PATIENCE.as_millis()));
        self.runtime.block_on(asked).unwrap_or_else(late)
    }
}
