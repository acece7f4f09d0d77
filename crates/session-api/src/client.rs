//! The other end of the session's socket.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::error_chain;
use serde::de::DeserializeOwned;

use crate::command::{Answer, Command};
use crate::frame::SessionFrame;
use crate::jobs::{JobBill, JobDetail, JobPage};
use crate::log_line::LogLine;
use crate::measured::{LatencyHistory, MeasuredHop};
use crate::requests::{RequestDetail, RequestList, RequestTest, ServiceForm};
use crate::snapshot::Snapshot;

/// Talks to a running session.
#[derive(Clone, Debug)]
pub struct Client {
    client: reqwest::Client,
}

/// A session that cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No client can be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(reqwest::Error),
    /// The session does not answer.
    #[error("cannot reach the session: {0}")]
    Silent(String),
    /// The session does not do what was asked.
    #[error("{0}")]
    Refused(String),
    /// The session answers in a way that this version of `dyn` does not understand.
    #[error("cannot understand the session: {0}")]
    Strange(String),
}

impl Client {
    /// A client of the session that listens at this socket. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Client`] alone.
    pub fn attach(socket: &Path) -> Result<Self, ClientError> {
        let client = reqwest::Client::builder().unix_socket(socket).no_proxy().build();
        Ok(Self { client: client.map_err(ClientError::Client)? })
    }

    /// The session at this moment.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows.
    pub async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        read(self.client.get("http://session/v1/snapshot")).await
    }

    /// Has something done. Dropped before its end, a call is given up.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows. What it will not do is no error, but an
    /// [`Answer::Refused`].
    pub async fn say(&self, command: &Command) -> Result<Answer, ClientError> {
        read(self.client.post("http://session/v1/commands").json(command)).await
    }

    /// Requests in memory that match all words of `query`, at most `limit`, newest first; with `before` those with a
    /// smaller number.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows. A query that is none is
    /// [`ClientError::Refused`].
    pub async fn requests(&self, query: &str, before: Option<u64>, limit: usize) -> Result<RequestList, ClientError> {
        let mut all = self.some_requests(query, before, limit).await?;
        // A session tells what it found before it has looked at everything.
        while all.next.is_some() && all.requests.len() < limit {
            let more = self.some_requests(query, all.next, limit - all.requests.len()).await?;
            all.requests.extend(more.requests);
            all.scanned += more.scanned;
            (all.whole, all.next) = (more.whole, more.next);
        }
        Ok(all)
    }

    async fn some_requests(&self, query: &str, before: Option<u64>, limit: usize) -> Result<RequestList, ClientError> {
        let mut url = reqwest::Url::parse("http://session/v1/requests")
            .map_err(|error| ClientError::Strange(error.to_string()))?;
        url.query_pairs_mut().append_pair("q", query).append_pair("limit", &limit.to_string());
        if let Some(before) = before {
            url.query_pairs_mut().append_pair("before", &before.to_string());
        }
        asked(self.client.get(url)).await
    }

    /// A request in memory with its values.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows; or it does not have the request any more
    /// ([`ClientError::Refused`]).
    pub async fn request(&self, number: u64) -> Result<RequestDetail, ClientError> {
        asked(self.client.get(format!("http://session/v1/requests/{number}"))).await
    }

    /// A request in memory as a Rust test file.
    ///
    /// # Errors
    /// As those of [`Client::request`]; or it has no call that a test can check.
    pub async fn request_test(&self, number: u64) -> Result<RequestTest, ClientError> {
        asked(self.client.get(format!("http://session/v1/requests/{number}/test"))).await
    }

    /// All that was measured of a service.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows; or it knows no such service
    /// ([`ClientError::Refused`]).
    pub async fn hop(&self, service: &str) -> Result<MeasuredHop, ClientError> {
        asked(self.client.get(format!("http://session/v1/hops/{service}"))).await
    }

    /// A service's latency over the last 300, 3,600 or 86,400 seconds.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows; or it knows no such service or span
    /// ([`ClientError::Refused`]).
    pub async fn history(&self, service: &str, span_s: u32) -> Result<LatencyHistory, ClientError> {
        asked(self.client.get(format!("http://session/v1/history?service={service}&span={span_s}"))).await
    }

    /// The forms of all services, by name.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows.
    pub async fn forms(&self) -> Result<BTreeMap<String, ServiceForm>, ClientError> {
        asked(self.client.get("http://session/v1/forms")).await
    }

    /// Durable jobs, the oldest first. `words` choose among them: `state`, `tenant`, `service`, `after` and `limit`.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows; or it accepts no jobs
    /// ([`ClientError::Refused`]).
    pub async fn jobs(&self, words: &[(&str, &str)]) -> Result<JobPage, ClientError> {
        let mut url =
            reqwest::Url::parse("http://session/v1/jobs").map_err(|error| ClientError::Strange(error.to_string()))?;
        url.query_pairs_mut().extend_pairs(words);
        asked(self.client.get(url)).await
    }

    /// A job with its attempts, and its result where it has one.
    ///
    /// # Errors
    /// As those of [`Client::jobs`].
    pub async fn job(&self, id: &str) -> Result<JobDetail, ClientError> {
        asked(self.client.get(format!("http://session/v1/jobs/{id}"))).await
    }

    /// Function time of jobs by tenant, service and day.
    ///
    /// # Errors
    /// As those of [`Client::jobs`].
    pub async fn bills(&self) -> Result<Vec<JobBill>, ClientError> {
        asked(self.client.get("http://session/v1/bills")).await
    }

    /// The session as it changes, for a [`crate::frame::FrameFollower`]. A frame is made when there is room for it on the
    /// way.
    ///
    /// # Errors
    /// The session does not answer.
    pub async fn frames(&self) -> Result<FrameLines, ClientError> {
        Ok(FrameLines(self.lines("http://session/v1/frames".to_owned()).await?))
    }

    /// Hands a request on as it is: `path` begins with `/v1/`. For a server that others ask in place of the session.
    ///
    /// # Errors
    /// The session does not answer.
    pub async fn relay(&self, path: &str, body: Option<Vec<u8>>) -> Result<RelayedAnswer, ClientError> {
        let url = format!("http://session{path}");
        let request = match body {
            Some(body) => self.client.post(url).header("content-type", "application/json").body(body),
            None => self.client.get(url),
        };
        let answer = request.send().await.map_err(|error| ClientError::Silent(error_chain(&error)))?;
        let kind = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(RelayedAnswer { status: answer.status().as_u16(), content_type: kind.to_owned(), answer })
    }

    /// The latest lines of one service or of all, at most `last`, oldest first.
    ///
    /// # Errors
    /// The session does not answer, or not in the shape this version knows.
    pub async fn logs(&self, service: Option<&str>, last: usize) -> Result<Vec<LogLine>, ClientError> {
        let mut lines = self.follow_logs(service, Some(last), false).await?;
        let mut read = Vec::new();
        while let Some(line) = lines.next().await? {
            read.push(serde_json::from_str(&line).map_err(|error| ClientError::Strange(error.to_string()))?);
        }
        Ok(read)
    }

    /// The lines of one service or of all, each a [`LogLine`] as JSON: the latest `last` or all that are kept, and with
    /// `follow` those to come.
    ///
    /// # Errors
    /// The session does not answer.
    pub async fn follow_logs(
        &self,
        service: Option<&str>,
        last: Option<usize>,
        follow: bool,
    ) -> Result<Lines, ClientError> {
        let service = service.map(|service| format!("&service={service}")).unwrap_or_default();
        let last = last.map(|last| format!("&last={last}")).unwrap_or_default();
        self.lines(format!("http://session/v1/logs?follow={follow}{service}{last}")).await
    }

    /// Events after the number `after`, each a [`Report`](crate::Report) as JSON, and with `follow` those to come.
    ///
    /// # Errors
    /// The session does not answer.
    pub async fn events(&self, after: u64, follow: bool) -> Result<Lines, ClientError> {
        self.lines(format!("http://session/v1/events?after={after}&follow={follow}")).await
    }

    async fn lines(&self, url: String) -> Result<Lines, ClientError> {
        let answer = self.client.get(url).send().await.map_err(|error| ClientError::Silent(error_chain(&error)))?;
        Ok(Lines { answer, rest: Vec::new(), read: 0 })
    }
}

/// An answer of the session as it comes.
#[derive(Debug)]
pub struct RelayedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body; empty where none is said.
    pub content_type: String,
    answer: reqwest::Response,
}

impl RelayedAnswer {
    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// The session went away.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let piece = self.answer.chunk().await.map_err(|error| ClientError::Silent(error_chain(&error)))?;
        Ok(piece.map(|piece| piece.to_vec()))
    }
}

/// Frames as they come.
#[derive(Debug)]
pub struct FrameLines(Lines);

impl FrameLines {
    /// The next frame; none when there will be no more.
    ///
    /// # Errors
    /// The session went away, or its frames are not as this version knows them.
    pub async fn next(&mut self) -> Result<Option<SessionFrame>, ClientError> {
        let Some(line) = self.0.next().await? else { return Ok(None) };
        serde_json::from_str(&line).map(Some).map_err(|error| ClientError::Strange(error.to_string()))
    }
}

/// JSON lines as they come.
#[derive(Debug)]
pub struct Lines {
    answer: reqwest::Response,
    rest: Vec<u8>,
    /// The part of it that was told.
    read: usize,
}

impl Lines {
    /// The next line, without its end; none when there will be no more.
    ///
    /// # Errors
    /// The session went away.
    pub async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            let rest = &self.rest[self.read..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                self.read += end + 1;
                return Ok(Some(line));
            }
            self.rest.drain(..std::mem::take(&mut self.read));
            match self.answer.chunk().await {
                Ok(Some(chunk)) => self.rest.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(error) => return Err(ClientError::Silent(error_chain(&error))),
            }
        }
    }
}

async fn read<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, ClientError> {
    parsed(request.send().await.map_err(|error| ClientError::Silent(error_chain(&error)))?).await
}

/// Reads an answer that may be a refusal in words.
async fn asked<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, ClientError> {
    let answer = request.send().await.map_err(|error| ClientError::Silent(error_chain(&error)))?;
    if answer.status().is_success() {
        return parsed(answer).await;
    }
    let words = answer.text().await.map_err(|error| ClientError::Silent(error_chain(&error)))?;
    Err(ClientError::Refused(words.trim_end().to_owned()))
}

async fn parsed<T: DeserializeOwned>(answer: reqwest::Response) -> Result<T, ClientError> {
    let text = answer.bytes().await.map_err(|error| ClientError::Silent(error_chain(&error)))?;
    serde_json::from_slice(&text).map_err(|error| {
        ClientError::Strange(format!("{error}: {}", String::from_utf8_lossy(&text[..text.len().min(200)])))
    })
}
