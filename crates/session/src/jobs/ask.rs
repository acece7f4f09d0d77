//! Commands about jobs, asked of the job server.

use std::time::Duration;

use protocol::error_chain;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use session_api::command::{Answer, Command};
use session_api::jobs::{JobAttempt, JobCondition, JobDetail, JobLine};
use session_api::snapshot::Snapshot;

use super::JobServerEndpoint;
use crate::api::caller::{self, refused};

/// A job server answers within this.
const SOON: Duration = Duration::from_secs(10);

/// A job as the job server tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LineSeen {
    id: String,
    tenant: String,
    service: String,
    state: JobCondition,
    used: u32,
    attempts: u32,
    created_at: String,
    waited_us: Option<f64>,
    function_us: f64,
    kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobSeen {
    #[serde(flatten)]
    line: LineSeen,
    trace: String,
    versions: Vec<String>,
    problem: Option<Value>,
    history: Vec<AttemptSeen>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AttemptSeen {
    attempt: u32,
    began_at: String,
    ended_at: Option<String>,
    outcome: Option<String>,
    problem: Option<Value>,
}

/// Asks the job server, or says why it cannot be asked.
pub(crate) async fn say(
    client: &Client,
    endpoint: Option<JobServerEndpoint>,
    snapshot: &Snapshot,
    command: Command,
) -> Answer {
    let Some(endpoint) = endpoint else {
        return Answer::Refused {
            message: "this session accepts no jobs".to_owned(),
            hint: Some("`dyn dev FILE --jobs` starts one that does".to_owned()),
        };
    };
    let link = Asker { client, endpoint };
    let said = match command {
        Command::Job { id } => link.show(&id).await,
        Command::RunJob { call } => match caller::parts(snapshot, &call) {
            Ok((inputs, route)) => link.run(&call.service, inputs, route).await,
            Err(message) => Err(message),
        },
        Command::RetryJob { id } => link.change(&id, "retry").await,
        Command::CancelJob { id } => link.change(&id, "cancel").await,
        _ => match &snapshot.jobs {
            Some(jobs) => Ok(Answer::Jobs { jobs: Box::new(jobs.clone()) }),
            None => Err("the job server has not been looked at yet".to_owned()),
        },
    };
    said.unwrap_or_else(refused)
}

struct Asker<'a> {
    client: &'a Client,
    endpoint: JobServerEndpoint,
}

impl Asker<'_> {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/v1/jobs{path}", self.endpoint.url));
        request.bearer_auth(&self.endpoint.token).timeout(SOON)
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Value), String> {
        let why = |error: reqwest::Error| format!("the job server does not answer: {}", error_chain(&error));
        let answer = request.send().await.map_err(why)?;
        let (status, body) = (answer.status(), answer.bytes().await.map_err(why)?);
        let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_client_error() || status.is_server_error() {
            let detail = words(&value).unwrap_or_else(|| format!("the job server answered {status}"));
            return Err(value["at"].as_str().map(|at| format!("{at}: {detail}")).unwrap_or(detail));
        }
        Ok((status, value))
    }

    async fn show(&self, id: &str) -> Result<Answer, String> {
        let id = checked(id)?;
        let mut job = detail(self.send(self.request(Method::GET, &format!("/{id}"))).await?.1)?;
        if job.line.state == JobCondition::Done {
            // A result that is kept no longer is not shown; that is no failure.
            let result = self.send(self.request(Method::GET, &format!("/{id}/result"))).await;
            job.result = result.ok().filter(|(status, _)| *status == StatusCode::OK).map(|(_, value)| value);
        }
        Ok(Answer::Job { job: Box::new(job) })
    }

    async fn change(&self, id: &str, change: &str) -> Result<Answer, String> {
        let id = checked(id)?;
        let (_, told) = self.send(self.request(Method::POST, &format!("/{id}/{change}"))).await?;
        Ok(Answer::Job { job: Box::new(detail(told)?) })
    }

    async fn run(&self, service: &str, inputs: Map<String, Value>, route: Option<String>) -> Result<Answer, String> {
        let mut job = json!({ "service": service, "inputs": inputs });
        if let Some(route) = route {
            job["route"] = route.into();
        }
        let body = protocol::exact::write(&job);
        let request = self.request(Method::POST, "").header("content-type", "application/json").body(body);
        Ok(Answer::Job { job: Box::new(detail(self.send(request).await?.1)?) })
    }
}

/// An id that a path can hold.
fn checked(id: &str) -> Result<&str, String> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match !id.is_empty() && id.len() <= 64 && id.bytes().all(is_fit) {
        true => Ok(id),
        false => Err(format!("{id:?} is no id of a job")),
    }
}

fn words(problem: &Value) -> Option<String> {
    problem["detail"].as_str().or_else(|| problem["title"].as_str()).map(str::to_owned)
}

fn detail(told: Value) -> Result<JobDetail, String> {
    let seen: JobSeen =
        serde_json::from_value(told).map_err(|error| format!("the job server answered no job: {error}"))?;
    let attempt = |seen: AttemptSeen| JobAttempt {
        attempt: seen.attempt,
        began_at: seen.began_at,
        ended_at: seen.ended_at,
        outcome: seen.outcome,
        problem: seen.problem.as_ref().and_then(words),
    };
    Ok(JobDetail {
        line: line(seen.line),
        trace: seen.trace,
        versions: seen.versions,
        problem: seen.problem.as_ref().and_then(words),
        history: seen.history.into_iter().map(attempt).collect(),
        result: None,
    })
}

pub(super) fn line(seen: LineSeen) -> JobLine {
    let LineSeen { id, tenant, service, state, used, attempts, created_at, waited_us, function_us, kind } = seen;
    let (waited_ms, function_ms) = (waited_us.map(|us| us / 1e3), function_us / 1e3);
    JobLine { id, tenant, service, state, used, attempts, created_at, waited_ms, function_ms, kind }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_job_as_the_server_tells_it_is_read_with_the_words_of_its_problems() {
        let job = detail(json!({
            "id": "j", "tenant": "alice", "service": "map", "state": "failed", "used": 1, "attempts": 5, "kind": "failed",
            "waited_us": 1500, "function_us": 400, "created_at": "t", "trace": "0193", "versions": ["map@1"],
            "problem": { "detail": "no 3" },
            "history": [{ "attempt": 1, "began_at": "t", "ended_at": "u", "outcome": "failed", "problem": { "detail": "no 3" } }],
        }))
        .unwrap();
        assert_eq!(
            (job.line.state, job.line.waited_ms, job.problem.as_deref()),
            (JobCondition::Failed, Some(1.5), Some("no 3"))
        );
        assert_eq!(job.history[0].problem.as_deref(), Some("no 3"));
        assert!(checked("../x").is_err() && checked("").is_err() && checked("019370c4-0a").is_ok());
    }
}
