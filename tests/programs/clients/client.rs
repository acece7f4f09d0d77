//! Calls the services of app. Written by `dyn client --lang rust`: write it again after a change of types.
//!
//! Wants reqwest, serde (with `derive`) and serde_json.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A service's URL, and what every call of it has.
#[derive(Clone, Debug)]
pub struct Endpoint {
    http: reqwest::Client,
    url: String,
    headers: Vec<(String, String)>,
}

/// A call without a value.
#[derive(Debug)]
pub enum CallError {
    /// The service cannot be reached, or its answer breaks off.
    Http(reqwest::Error),
    /// The service answers with a problem (RFC 9457), or with something else that is no value.
    Problem {
        status: u16,
        problem: Option<Box<Problem>>,
        body: String,
    },
    /// The answer is no value of the type, or the inputs cannot be written.
    Json(serde_json::Error),
    /// A service filtered, named here, where the flow has none that does.
    Filtered(String),
}

/// An answer that is no value (RFC 9457).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    pub service: String,
    #[serde(default)]
    pub path: Vec<String>,
}

impl Endpoint {
    /// A service at a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { http: reqwest::Client::new(), url: url.into(), headers: Vec::new() }
    }

    /// Sends with this client.
    #[must_use]
    pub fn with_client(mut self, http: reqwest::Client) -> Self {
        self.http = http;
        self
    }

    /// Sends this header, such as `Dyninka-Route`.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    async fn call<I: Serialize, O: serde::de::DeserializeOwned>(&self, inputs: Option<&I>) -> Result<Answer<O>, CallError> {
        let mut request = match inputs {
            None => self.http.get(&self.url),
            Some(inputs) => {
                let body = serde_json::to_vec(inputs).map_err(CallError::Json)?;
                self.http.post(&self.url).header("content-type", "application/json").body(body)
            }
        };
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(CallError::Http)?;
        let status = answer.status();
        if status.as_u16() == 204 {
            let by = answer.headers().get("dyninka-filtered").and_then(|by| by.to_str().ok());
            return Ok(Answer::Filtered(by.unwrap_or_default().to_owned()));
        }
        let body = answer.text().await.map_err(CallError::Http)?;
        if !status.is_success() {
            let problem = serde_json::from_str(&body).ok();
            return Err(CallError::Problem { status: status.as_u16(), problem, body });
        }
        serde_json::from_str(&body).map(Answer::Value).map_err(CallError::Json)
    }
}

enum Answer<O> {
    Value(O),
    Filtered(String),
}

impl<O> Answer<O> {
    fn value(self) -> Result<O, CallError> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Filtered(by) => Err(CallError::Filtered(by)),
        }
    }

    fn or_none(self) -> Option<O> {
        match self {
            Self::Value(value) => Some(value),
            Self::Filtered(_) => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "cannot call the service: {error}"),
            Self::Problem { problem: Some(problem), status, .. } => {
                write!(f, "{}: {} ({status})", problem.service, problem.detail)
            }
            Self::Problem { status, body, .. } => write!(f, "the service answers with {status}: {body}"),
            Self::Json(error) => write!(f, "the JSON does not fit the type: {error}"),
            Self::Filtered(by) => write!(f, "{by} filtered"),
        }
    }
}

impl std::error::Error for CallError {}

/// Inputs of count.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CountInputs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// Inputs of echo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EchoInputs {
    pub event: Event,
    pub loose: Loose,
    pub node: NodeInput,
    pub id: Id,
    pub names: std::collections::BTreeMap<String, String>,
    pub outcome: EchoInputsOutcome,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum EchoInputsOutcome {
    Err(String),
    Ok(u8),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub enum EchoOutput6 {
    Err(String),
    Ok(u8),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
pub enum Event {
    Moved(i16, i16),
    Named {
        name: String,
    },
    Opened,
}

/// Inputs of fail.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailInputs {
    pub r#type: String,
}

pub type Id = u64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "limit")]
pub enum Limit {
    #[serde(rename = "above")]
    Above {
        value: f64,
    },
    #[serde(rename = "between")]
    Between(Range),
    #[serde(rename = "none")]
    None,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loose {
    Flag(bool),
    Many(Vec<Loose>),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeInput {
    pub children: Vec<NodeInput>,
    pub id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Box<NodeInput>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NodeOutput {
    pub children: Vec<NodeOutput>,
    pub id: u32,
    pub next: Option<Box<NodeOutput>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PageReading {
    pub items: Vec<ReadingOutput>,
    pub total: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    pub high: f64,
    pub low: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadingInput {
    pub age: ReadingInputAge,
    pub anything: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub limits: std::collections::BTreeMap<String, Limit>,
    pub port: u16,
    #[serde(rename = "sensorName")]
    pub sensor_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    pub taken: (u8, i64, bool),
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<Unit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadingInputAge {
    pub nanos: u32,
    pub secs: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ReadingOutput {
    pub age: ReadingOutputAge,
    pub anything: serde_json::Value,
    pub from: Option<String>,
    pub limits: std::collections::BTreeMap<String, Limit>,
    pub port: u16,
    #[serde(rename = "sensorName")]
    pub sensor_name: String,
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    pub taken: (u8, i64, bool),
    pub r#type: Option<Unit>,
    pub value: f64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ReadingOutputAge {
    pub nanos: u32,
    pub secs: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Unit {
    #[serde(rename = "celsius")]
    Celsius,
    #[serde(rename = "fahrenheit")]
    Fahrenheit,
    #[serde(rename = "other")]
    Other(String),
    #[serde(rename = "pair")]
    Pair(u8, u8),
    #[serde(rename = "scaled")]
    Scaled {
        by: f64,
        #[serde(rename = "over-zero")]
        over_zero: bool,
    },
}

/// Inputs of warm.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WarmInputs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingInput>,
}

/// Calls source.
///
/// # Errors
/// The answer is no value.
pub async fn source(endpoint: &Endpoint) -> Result<ReadingOutput, CallError> {
    endpoint.call(None::<&()>).await?.value()
}

/// Calls warm. The flow has the inputs that are left out; `None` where a service filtered.
///
/// # Errors
/// The answer is no value.
pub async fn warm(endpoint: &Endpoint, inputs: &WarmInputs) -> Result<Option<ReadingOutput>, CallError> {
    Ok(endpoint.call(Some(inputs)).await?.or_none())
}

/// Calls count. The flow has the inputs that are left out; `None` where a service filtered.
///
/// # Errors
/// The answer is no value.
pub async fn count(endpoint: &Endpoint, inputs: &CountInputs) -> Result<Option<PageReading>, CallError> {
    Ok(endpoint.call(Some(inputs)).await?.or_none())
}

/// Calls echo.
///
/// # Errors
/// The answer is no value.
pub async fn echo(endpoint: &Endpoint, inputs: &EchoInputs) -> Result<(Event, Loose, NodeOutput, Id, std::collections::BTreeMap<String, String>, EchoOutput6), CallError> {
    endpoint.call(Some(inputs)).await?.value()
}

/// Calls fail.
///
/// # Errors
/// The answer is no value.
pub async fn fail(endpoint: &Endpoint, inputs: &FailInputs) -> Result<(), CallError> {
    endpoint.call(Some(inputs)).await?.value()
}
