//! Commands about jobs, asked of the job server.

use std::time::Duration;

use protocol::error_chain;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use session_api::command::{Answer, Command};
use session_api::jobs::{JobAttempt, JobBill, JobCondition, JobDetail, JobLine, JobPage};
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

/// A page of a list of jobs, as the job server has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageSeen {
    jobs: Vec<LineSeen>,
    next: Option<String>,
}

/// A bill, as the job server has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UsageSeen {
    rows: Vec<RowSeen>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RowSeen {
    tenant: String,
    service: String,
    day: String,
    calls: u64,
    function_ns: f64,
}

/// Which jobs are listed.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct JobQuery {
    /// A state, in a word.
    state: Option<JobCondition>,
    /// Of one tenant alone.
    tenant: Option<String>,
    /// Of one service alone.
    service: Option<String>,
    /// Only those after the job of this id.
    after: Option<String>,
    /// At most so many.
    limit: Option<u32>,
}

/// Lists jobs, the oldest first.
pub(crate) async fn list(client: &Client, endpoint: JobServerEndpoint, query: &JobQuery) -> Result<JobPage, String> {
    let asker = Asker { client, endpoint };
    let limit = query.limit.unwrap_or(100).to_string();
    let asked = [
        ("state", query.state.map(JobCondition::word)),
        ("service", query.service.as_deref()),
        ("after", query.after.as_deref()),
        ("limit", Some(limit.as_str())),
    ];
    let asked: Vec<(&str, &str)> = asked.into_iter().filter_map(|(name, word)| Some((name, word?))).collect();
    let mut request = asker.request(Method::GET, "jobs").query(&asked);
    if let Some(tenant) = &query.tenant {
        let name = HeaderValue::from_str(tenant).map_err(|_| format!("there is no tenant {tenant:?}"))?;
        request = request.header("dyninka-tenant", name);
    }
    let told = asker.send(request).await?.1;
    let seen: PageSeen =
        serde_json::from_value(told).map_err(|error| format!("the job server answered no list: {error}"))?;
    Ok(JobPage { jobs: seen.jobs.into_iter().map(line).collect(), next: seen.next })
}

/// A job with its attempts, and its result where it is done.
pub(crate) async fn show(client: &Client, endpoint: JobServerEndpoint, id: &str) -> Result<JobDetail, String> {
    Asker { client, endpoint }.detail(id).await
}

/// Function time by tenant, service and day.
pub(crate) async fn bills(client: &Client, endpoint: JobServerEndpoint) -> Result<Vec<JobBill>, String> {
    let asker = Asker { client, endpoint };
    bill(asker.send(asker.request(Method::GET, "usage").query(&[("by", "service,day")])).await?.1)
}

fn bill(told: Value) -> Result<Vec<JobBill>, String> {
    let seen: UsageSeen =
        serde_json::from_value(told).map_err(|error| format!("the job server answered no bill: {error}"))?;
    let row = |RowSeen { tenant, service, day, calls, function_ns }| JobBill {
        tenant,
        service,
        day,
        calls,
        function_ms: function_ns / 1e6,
    };
    Ok(seen.rows.into_iter().map(row).collect())
}

/// The reason why a session has no job server, and how it gets one.
pub(crate) const NO_JOBS: (&str, &str) = ("this session accepts no jobs", "`dyn dev FILE --jobs` starts one that does");

/// Asks the job server, or says why it cannot be asked.
pub(crate) async fn say(
    client: &Client,
    endpoint: Option<JobServerEndpoint>,
    snapshot: &Snapshot,
    command: Command,
) -> Answer {
    let Some(endpoint) = endpoint else {
        let (message, hint) = NO_JOBS;
        return Answer::Refused { message: message.to_owned(), hint: Some(hint.to_owned()) };
    };
    let link = Asker { client, endpoint };
    let said = match command {
        Command::Job { id } => link.detail(&id).await.map(|job| Answer::Job { job: Box::new(job) }),
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
        let request = self.client.request(method, format!("{}/v1/{path}", self.endpoint.url));
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

    async fn detail(&self, id: &str) -> Result<JobDetail, String> {
        let id = checked(id)?;
        let mut job = detail(self.send(self.request(Method::GET, &format!("jobs/{id}"))).await?.1)?;
        if job.line.state == JobCondition::Done {
            // A result that is kept no longer is not shown; that is no failure.
            let result = self.send(self.request(Method::GET, &format!("jobs/{id}/result"))).await;
            job.result = result.ok().filter(|(status, _)| *status == StatusCode::OK).map(|(_, value)| value);
        }
        Ok(job)
    }

    async fn change(&self, id: &str, change: &str) -> Result<Answer, String> {
        let id = checked(id)?;
        let (_, told) = self.send(self.request(Method::POST, &format!("jobs/{id}/{change}"))).await?;
        Ok(Answer::Job { job: Box::new(detail(told)?) })
    }

    async fn run(&self, service: &str, inputs: Map<String, Value>, route: Option<String>) -> Result<Answer, String> {
        let mut job = json!({ "service": service, "inputs": inputs });
        if let Some(route) = route {
            job["route"] = route.into();
        }
        let body = protocol::exact::write(&job);
        let request = self.request(Method::POST, "jobs").header("content-type", "application/json").body(body);
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
        let bill = bill(json!({ "rows": [{ "tenant": "alice", "service": "map", "day": "2026-12-01", "calls": 3,
            "function_ns": 2_500_000 }], "total_calls": 3 }))
        .unwrap();
        assert_eq!((bill[0].tenant.as_str(), bill[0].calls, bill[0].function_ms), ("alice", 3, 2.5));
        assert!(checked("../x").is_err() && checked("").is_err() && checked("019370c4-0a").is_ok());
    }
}
