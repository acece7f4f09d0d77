//! The way to a model: a request over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use balance::{Observation, Policy};
use tokio::runtime::Runtime;

/// How long a model has.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks a model by `POST`.
pub(super) struct HttpPolicy {
    url: String,
    client: reqwest::Client,
    runtime: Arc<Runtime>,
}

impl HttpPolicy {
    pub(super) fn new(url: String, runtime: Arc<Runtime>) -> Self {
        Self { url, client: reqwest::Client::new(), runtime }
    }
}

impl Policy for HttpPolicy {
    fn act(&mut self, observation: &Observation) -> Result<BTreeMap<String, f64>, String> {
        let request = self.client.post(&self.url).json(observation).timeout(PATIENCE);
        let answer = async { request.send().await?.error_for_status()?.json().await };
        self.runtime.block_on(answer).map_err(|error: reqwest::Error| error.to_string())
    }
}
