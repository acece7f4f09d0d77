//! Recorded requests sent again, to a chain that runs.

mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::redaction::{BLANK, SECRET_HEADERS};
use crate::request::Request;

use report::{Answered, Tally};
pub use report::{SendReport, WaitPercentiles};

/// A request to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// When it was sent then: milliseconds since 1970.
    pub at: u64,
    /// Its headers, the route among them.
    pub headers: Vec<(String, String)>,
    /// Its body; none: it is a GET.
    pub body: Option<Vec<u8>>,
}

/// How requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// How fast.
    pub tempo: Tempo,
    /// Requests that may be under way at once.
    pub at_once: usize,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// How fast requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tempo {
    /// As they did, so many times as fast.
    Recorded(f64),
    /// Each as soon as one before it has its answer.
    Fast,
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare to send requests: {0}")]
pub struct SendError(reqwest::Error);

/// Headers that belong to a connection, or that are made anew.
const NOT_SENT: &[&str] =
    &["host", "connection", "content-length", "transfer-encoding", "keep-alive", "te", "upgrade", "traceparent"];

impl Outgoing {
    /// The request as it came to the app: with what no other service gave to the first, by these names. None where
    /// that was not kept.
    pub fn new(request: &Request, inputs: &[String]) -> Option<Self> {
        let mut given = Vec::new();
        if let Some(entry) = request.hops.iter().rev().find(|hop| hop.parent.is_none()) {
            let fetched = |body: &crate::Body| {
                let own = |hop: &&crate::RecordedHop| hop.parent.as_deref() == Some(&*entry.span);
                request.hops.iter().filter(own).any(|hop| hop.end.body() == Some(body))
            };
            for (name, body) in inputs.iter().zip(&entry.inputs).filter(|(_, body)| !fetched(body)) {
                let value = String::from_utf8(body.bytes()?.into_owned()).ok()?;
                given.push(format!("{}:{value}", serde_json::Value::from(name.as_str())));
            }
        } else if request.headers.iter().any(|(name, _)| tells_of_a_body(name)) {
            // The first function did not run, since one before it filtered: what it was given nobody knows.
            return None;
        }
        let body = (!given.is_empty()).then(|| format!("{{{}}}", given.join(",")).into_bytes());
        let kept = |(name, value): &&(String, String)| {
            let name = name.to_ascii_lowercase();
            // Ours are made anew too, but for the route, which is added below.
            let is_ours = name.starts_with("dyninka-");
            let is_blanked = SECRET_HEADERS.contains(&&*name) && value == BLANK;
            !(is_ours || is_blanked || NOT_SENT.contains(&&*name))
        };
        let mut headers: Vec<_> = request.headers.iter().filter(kept).cloned().collect();
        if let Some(route) = &request.route {
            headers.push((protocol::header::ROUTE.to_owned(), route.clone()));
        }
        if body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        Some(Self { at: request.at, headers, body })
    }
}

fn tells_of_a_body(header: &str) -> bool {
    ["content-length", "transfer-encoding"].iter().any(|name| header.eq_ignore_ascii_case(name))
}

/// Sends requests to a service, in the order of their times. To be given up, it is dropped.
pub async fn send(url: &str, mut requests: Vec<Outgoing>, load: &Load) -> Result<SendReport, SendError> {
    let client = reqwest::Client::builder().no_proxy().timeout(load.timeout).pool_max_idle_per_host(load.at_once);
    let client = client.build().map_err(SendError)?;
    requests.sort_by_key(|request| request.at);
    let url: Arc<str> = url.into();
    let begun = Instant::now();
    let tally = match load.tempo {
        Tempo::Recorded(times) => paced(client, url, requests, load.at_once.max(1), times).await,
        Tempo::Fast => fast(client, url, requests, load.at_once.max(1)).await,
    };
    Ok(tally.report(begun.elapsed()))
}

/// Each at its time, whether those before it have their answers or not. What it waits for a free place counts as its own.
async fn paced(client: reqwest::Client, url: Arc<str>, requests: Vec<Outgoing>, at_once: usize, times: f64) -> Tally {
    let places = Arc::new(Semaphore::new(at_once));
    let mut under_way = JoinSet::new();
    let mut tally = Tally::default();
    let start = tokio::time::Instant::now();
    let first = requests.first().map_or(0, |request| request.at);
    for request in requests {
        let after = Duration::from_millis(request.at - first).div_f64(times.max(f64::MIN_POSITIVE).max(1e-6));
        let due = start + after;
        tokio::time::sleep_until(due).await;
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        while let Some(done) = under_way.try_join_next() {
            tally.add(joined(done));
        }
        let (client, url) = (client.clone(), Arc::clone(&url));
        under_way.spawn(async move {
            let begun = tokio::time::Instant::now();
            let outcome = ask(&client, &url, request).await;
            drop(place);
            Answered { since_due: due.elapsed(), since_begun: begun.elapsed(), outcome }
        });
    }
    while let Some(done) = under_way.join_next().await {
        tally.add(joined(done));
    }
    tally
}

/// So many at once, each after the other.
async fn fast(client: reqwest::Client, url: Arc<str>, requests: Vec<Outgoing>, at_once: usize) -> Tally {
    let next = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(requests);
    let mut senders = JoinSet::new();
    for _ in 0..at_once.min(requests.len()) {
        let (client, url, next, requests) =
            (client.clone(), Arc::clone(&url), Arc::clone(&next), Arc::clone(&requests));
        senders.spawn(async move {
            let mut answered = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Relaxed)) {
                let begun = Instant::now();
                let outcome = ask(&client, &url, request.clone()).await;
                let took = begun.elapsed();
                answered.push(Answered { since_due: took, since_begun: took, outcome });
            }
            answered
        });
    }
    let mut tally = Tally::closed();
    while let Some(done) = senders.join_next().await {
        joined(done).into_iter().for_each(|answered| tally.add(answered));
    }
    tally
}

/// How an answer is counted: `value`, `filtered`, or what went wrong.
async fn ask(client: &reqwest::Client, url: &str, request: Outgoing) -> String {
    let mut sent = match request.body {
        Some(body) => client.post(url).body(body),
        None => client.get(url),
    };
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    let answer = async {
        let answer = sent.send().await?;
        let status = answer.status();
        answer.bytes().await.map(|_| status)
    };
    match answer.await {
        Ok(status) if status == reqwest::StatusCode::NO_CONTENT => "filtered".to_owned(),
        Ok(status) if status.is_success() => "value".to_owned(),
        Ok(status) => format!("status {}", status.as_u16()),
        Err(error) if error.is_timeout() => "no answer in time".to_owned(),
        Err(error) if error.is_connect() => "no connection".to_owned(),
        Err(error) if error.is_builder() => "a header that cannot be sent".to_owned(),
        Err(_) => "cut short".to_owned(),
    }
}

/// A task's outcome; its panic is ours.
fn joined<T>(done: Result<T, tokio::task::JoinError>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;
