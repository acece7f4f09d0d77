//! A client that asks again and again until the new code answers.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use crate::session::millis;

/// Between two questions: far below what is measured, and it leaves the processor to the compiler.
const PAUSE: Duration = Duration::from_millis(1);

/// A question that is not answered by then is one that failed, however loaded the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who asks again and again gives up on a question early: one that goes to an address nobody has, as a container's
/// while it restarts, would otherwise hold up the next, and be measured in place of the restart.
const SHORT_PATIENCE: Duration = Duration::from_millis(100);

/// Longest that new code may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A door and what is asked there.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    client: reqwest::Client,
    url: String,
    body: Value,
}

/// The first answer of the new code.
#[derive(Clone, Debug)]
pub(crate) struct First {
    pub(crate) at: Instant,
    /// The versions that took part, as the answer names them.
    pub(crate) versions: String,
    /// The longest time between two answers on the way there, in milliseconds.
    pub(crate) gap: f64,
    /// Questions without an answer on the way there.
    pub(crate) failed: usize,
}

/// An answer of status 200.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) versions: String,
    pub(crate) value: Value,
}

impl Door {
    pub(crate) fn new(url: &str, body: Value) -> anyhow::Result<Self> {
        Self::of(reqwest::Client::builder(), url, body)
    }

    /// One that makes a connection for each question.
    pub(crate) fn unkept(url: &str, body: Value) -> anyhow::Result<Self> {
        Self::of(reqwest::Client::builder().pool_max_idle_per_host(0), url, body)
    }

    fn of(client: reqwest::ClientBuilder, url: &str, body: Value) -> anyhow::Result<Self> {
        let client = client.no_proxy().timeout(PATIENCE).build().context("make a client")?;
        Ok(Self { client, url: url.to_owned(), body })
    }

    /// Asks without a pause worth the name until an answer passes.
    pub(crate) async fn first(&self, passes: impl Fn(&Value) -> bool) -> anyhow::Result<First> {
        let begun = Instant::now();
        let (mut last, mut gap, mut failed, mut words) = (begun, 0.0_f64, 0, String::new());
        while begun.elapsed() < LIMIT {
            let answered = tokio::time::timeout(SHORT_PATIENCE, self.ask()).await;
            match answered.unwrap_or_else(|_| Err(anyhow!("no answer within {SHORT_PATIENCE:?}"))) {
                Ok(answer) => {
                    let at = Instant::now();
                    gap = gap.max(millis(last, at));
                    last = at;
                    if passes(&answer.value) {
                        return Ok(First { at, versions: answer.versions, gap, failed });
                    }
                    words = answer.value.to_string();
                }
                Err(error) => {
                    failed += 1;
                    words = format!("{error:#}");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("the new code did not answer at {} within {LIMIT:?}; last: {words}", self.url)
    }

    /// One question.
    pub(crate) async fn ask(&self) -> anyhow::Result<Answer> {
        let answer = self.call().await?;
        answer.context("204 No Content")
    }

    /// One question that may have no answer: a function on the way gave nothing on.
    pub(crate) async fn call(&self) -> anyhow::Result<Option<Answer>> {
        let answer = self.client.post(&self.url).json(&self.body).send().await.context("ask")?;
        let versions = answer.headers().get("dyninka-version").and_then(|value| value.to_str().ok());
        let versions = versions.unwrap_or_default().to_owned();
        let status = answer.status();
        let text = answer.text().await.context("read the answer")?;
        match status {
            reqwest::StatusCode::NO_CONTENT => return Ok(None),
            reqwest::StatusCode::OK => {}
            _ => bail!("{status}: {text}"),
        }
        let value = serde_json::from_str(&text).with_context(|| format!("read {text}"))?;
        Ok(Some(Answer { versions, value }))
    }
}
