//! The session's side of a host's control calls.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::error_chain;
use protocol::near::NearTable;
use protocol::{OpenService, Swap, Transfer, header};
use session_api::Fate;

/// How often a host that does not answer yet is asked again: a host binds within milliseconds of its start.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// A host that runs takes another service in within this; one that ends meanwhile is not waited for much longer.
const OPENS: Duration = Duration::from_secs(10);

/// A service may answer what it has begun for this long before its host is left to itself.
pub(crate) const LEAVES: Duration = Duration::from_millis(1500);

/// A host holds a service for 5 s and carries its values for 25 at the most.
const TRANSFERS: Duration = Duration::from_secs(40);

/// A host that runs answers a question for a value within this.
const SOON: Duration = Duration::from_secs(5);

/// The first wait for a word of a host; each further one is twice as long, up to [`LONGEST_TRY`].
const FIRST_TRY: Duration = Duration::from_millis(250);
const LONGEST_TRY: Duration = Duration::from_secs(4);

/// How long a host may take for what it is asked. A new one listens within milliseconds; this is for a machine under load.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same for a host that a debugger may hold.
const HELD: Duration = Duration::from_secs(12 * 3600);

/// A host that has read nothing for so long is deaf. It is asked whether it hears after 1, 2 and 4 s.
pub(crate) const DEAF: Duration = Duration::from_secs(5);
const FIRST_CHECK: Duration = Duration::from_secs(1);
const CHECKS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(1)];

/// Talks to hosts of this session.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    client: reqwest::Client,
    token: String,
    /// A debugger may hold a host: none is deaf.
    debug: bool,
}

/// A host did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// It could not be reached in time.
    #[error("did not answer within {} s: {why}", within.as_secs())]
    Silent { within: Duration, why: String },
    /// It listens and reads nothing.
    #[error("read nothing of what it was asked for {} s", DEAF.as_secs())]
    Deaf,
    /// It answered that it will not.
    #[error("{0}")]
    Refused(String),
    /// It answered that it cannot any more.
    #[error("{0}")]
    Stuck(String),
}

impl ControlError {
    /// Whether the host said nothing at all, or has nothing to say from now on.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Deaf | Self::Stuck(_))
    }

    /// Whether the host listens and reads nothing.
    pub(crate) fn is_deaf(&self) -> bool {
        matches!(self, Self::Deaf)
    }
}

impl Control {
    pub(crate) fn new(token: String, debug: bool) -> Result<Self, reqwest::Error> {
        // A proxy of the user's environment has no business between a session and its own hosts.
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        Ok(Self { client, token, debug })
    }

    /// How long a host may take for what it is asked.
    pub(crate) fn patience(&self) -> Duration {
        if self.debug { HELD } else { PATIENCE }
    }

    /// What the session's own processes know it by.
    pub(crate) fn secret(&self) -> &str {
        &self.token
    }

    /// The client itself, for calls on behalf of a face.
    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Gives a question up once the host turns out to be deaf.
    pub(crate) async fn unless_deaf<T>(
        &self,
        at: SocketAddr,
        question: impl Future<Output = Result<T, ControlError>>,
    ) -> Result<T, ControlError> {
        tokio::select! {
            biased;
            answer = question => answer,
            () = self.deaf(at) => Err(ControlError::Deaf),
        }
    }

    /// Returns once a host has read nothing for [`DEAF`]. One that does not listen, or answers anything, is not deaf.
    async fn deaf(&self, at: SocketAddr) {
        if self.debug {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(FIRST_CHECK).await;
            let mut unread = 0;
            for within in CHECKS {
                let asked = self.client.get(format!("http://{at}/healthz")).timeout(within).send().await;
                if !asked.is_err_and(|error| error.is_timeout()) {
                    break;
                }
                unread += 1;
            }
            if unread == CHECKS.len() {
                return;
            }
        }
    }

    /// The secret between the session and its hosts.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Has a host take a library over, as soon as it listens; it answers once new calls run on the new code.
    pub(crate) async fn swap(&self, at: SocketAddr, library: &str, within: Duration) -> Result<Done, ControlError> {
        let begun = Instant::now();
        self.hears(at, within).await?;
        let swap = Swap { library: library.to_owned() };
        let ask = || self.client.post(format!("http://{at}/_dyninka/swap")).json(&swap);
        let answer = self.ask(ask, within.saturating_sub(begun.elapsed()), |_| true).await?;
        let answer = accepted(answer).await?;
        answer.json().await.map_err(|error| ControlError::Refused(error_chain(&error)))
    }

    /// Has the host of the service that listens here run another, whose folder has this name, as soon as it listens.
    pub(crate) async fn open(&self, at: SocketAddr, folder: &str) -> Result<(), ControlError> {
        self.hears(at, OPENS).await?;
        let open = OpenService { folder: folder.to_owned() };
        let ask = || self.client.post(format!("http://{at}/_dyninka/open")).json(&open);
        accepted(self.ask(ask, OPENS, |_| true).await?).await.map(drop)
    }

    /// Has a service leave its host, and waits until it is gone for a short while: what it has begun it answers.
    pub(crate) async fn close(&self, at: SocketAddr, within: Duration) {
        let begun = Instant::now();
        let close = || self.client.post(format!("http://{at}/_dyninka/close")).bearer_auth(&self.token).timeout(SOON);
        // Nobody listens any more: it is gone.
        while close().send().await.is_ok() && begun.elapsed() < within {
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Has a service hand itself over to the host that has it open at an address, `host:port` as hosts see it.
    pub(crate) async fn transfer(&self, at: SocketAddr, to: &str, reset: bool) -> Result<Transferred, ControlError> {
        let transfer = Transfer { to: to.to_owned(), reset };
        let ask = self.client.post(format!("http://{at}/_dyninka/transfer")).json(&transfer);
        // Once: a second question would begin before the first is known to be given up.
        let asked = ask.bearer_auth(&self.token).timeout(self.patience().max(TRANSFERS)).send().await;
        let answer = asked.map_err(|error| ControlError::Silent { within: TRANSFERS, why: error_chain(&error) })?;
        accepted(answer).await?.json().await.map_err(|error| ControlError::Refused(error_chain(&error)))
    }

    /// Has a host read its configuration again.
    pub(crate) async fn reload(&self, at: SocketAddr, within: Duration) -> Result<(), ControlError> {
        let ask = || self.client.post(format!("http://{at}/_dyninka/reload"));
        accepted(self.ask(ask, within, |_| true).await?).await.map(drop)
    }

    /// Tells a host who holds which bucket. It is told again anyway: once, and in a short while.
    pub(crate) async fn near(&self, at: SocketAddr, table: &NearTable) -> Result<(), ControlError> {
        let told = self.client.put(format!("http://{at}/_dyninka/near")).json(table).bearer_auth(&self.token);
        let silent = |error| ControlError::Silent { within: SOON, why: error_chain(&error) };
        accepted(told.timeout(SOON).send().await.map_err(silent)?).await.map(drop)
    }

    /// A placed value, as JSON.
    pub(crate) async fn state(&self, at: SocketAddr, name: &str) -> Result<bytes::Bytes, ControlError> {
        let ask = || self.client.get(format!("http://{at}/_dyninka/state/{name}"));
        let answer = accepted(self.ask(ask, SOON, |_| true).await?).await?;
        answer.bytes().await.map_err(|error| ControlError::Refused(error_chain(&error)))
    }

    /// Sets a placed value.
    pub(crate) async fn set_state(&self, at: SocketAddr, name: &str, json: bytes::Bytes) -> Result<(), ControlError> {
        let ask = || self.client.put(format!("http://{at}/_dyninka/state/{name}")).body(json.clone());
        accepted(self.ask(ask, SOON, |_| true).await?).await.map(drop)
    }

    /// The version a host is ready to answer with, once it is.
    pub(crate) async fn ready(&self, at: SocketAddr, within: Duration) -> Result<String, ControlError> {
        let ask = || self.client.get(format!("http://{at}/readyz"));
        let answer = self.ask(ask, within, |status| status.is_success()).await?;
        let version = answer.headers().get(header::VERSION).and_then(|value| value.to_str().ok());
        version.map(str::to_owned).ok_or_else(|| ControlError::Refused("ready, without saying its version".to_owned()))
    }

    /// Returns once a host answered anything. A question that may take long is asked after this: a connection that leads
    /// nowhere, as an engine gives out while a container's network comes up, would keep it for all of its time.
    async fn hears(&self, at: SocketAddr, within: Duration) -> Result<(), ControlError> {
        let (begun, mut wait) = (Instant::now(), FIRST_TRY);
        loop {
            let left = within.saturating_sub(begun.elapsed());
            let asked =
                self.client.get(format!("http://{at}/healthz")).timeout(wait.min(left).max(ASK_AGAIN)).send().await;
            let Err(error) = asked else { return Ok(()) };
            if begun.elapsed() >= within {
                return Err(ControlError::Silent { within, why: error_chain(&error) });
            }
            match error.is_timeout() {
                true => wait = (wait * 2).min(LONGEST_TRY),
                false => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    /// Asks until an answer with an acceptable status comes. Only questions that may be asked twice go this way.
    async fn ask(
        &self,
        ask: impl Fn() -> reqwest::RequestBuilder,
        within: Duration,
        acceptable: impl Fn(reqwest::StatusCode) -> bool,
    ) -> Result<reqwest::Response, ControlError> {
        let begun = Instant::now();
        loop {
            let left = within.saturating_sub(begun.elapsed());
            let asked = ask().bearer_auth(&self.token).timeout(left.max(ASK_AGAIN)).send().await;
            let why = match asked {
                Ok(answer) if acceptable(answer.status()) => return Ok(answer),
                Ok(answer) => {
                    refusal(answer).await.err().map_or_else(|| "not ready".to_owned(), |error| error.to_string())
                }
                Err(error) => error_chain(&error),
            };
            if begun.elapsed() >= within {
                return Err(ControlError::Silent { within, why });
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

/// What a host says of a service that it handed over.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Transferred {
    pub(crate) states: BTreeMap<String, Fate>,
    pub(crate) hold_ms: f64,
    pub(crate) carry_ms: f64,
}

/// What a host says of a takeover.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Done {
    pub(crate) states: BTreeMap<String, Fate>,
    /// The version before.
    pub(crate) previous: Option<String>,
    /// How many threads that one began that still run.
    #[serde(default)]
    pub(crate) threads: usize,
}

impl Done {
    /// What is to be told of threads that the version before left behind; none where there are none.
    pub(crate) fn left_behind(&self, service: &str) -> Option<String> {
        let previous = self.previous.as_ref().filter(|_| self.threads > 0)?;
        let version = previous.rsplit_once('@').map_or(previous.as_str(), |(_, version)| version);
        let threads = match self.threads {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        };
        let verb = if self.threads == 1 { "runs" } else { "run" };
        Some(format!(
            "{service}: {threads} of version {version} still {verb}, beside the new code and with the values of its own \
             statics: `dyn stop` ends them"
        ))
    }
}

/// The answer, if it is a good one.
async fn accepted(answer: reqwest::Response) -> Result<reqwest::Response, ControlError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    Err(refusal(answer).await.err().unwrap_or_else(|| ControlError::Refused("it refused without a word".to_owned())))
}

/// The words of a problem document, where the answer is one.
async fn refusal(answer: reqwest::Response) -> Result<(), ControlError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let text = answer.text().await.unwrap_or_else(|error| error_chain(&error));
    let problem = serde_json::from_str::<serde_json::Value>(&text).ok();
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
    let words = detail.map_or_else(|| format!("{status}: {text}"), str::to_owned);
    Err(if status == reqwest::StatusCode::GATEWAY_TIMEOUT {
        ControlError::Stuck(words)
    } else {
        ControlError::Refused(words)
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_host_that_listens_and_reads_nothing_is_found_deaf_after_five_seconds() {
        let (control, listener) =
            (Control::new("secret".to_owned(), false).unwrap(), TcpListener::bind("127.0.0.1:0").await);
        let at = listener.as_ref().unwrap().local_addr().unwrap();
        let begun = tokio::time::Instant::now();
        let asked = control.unless_deaf(at, control.ready(at, PATIENCE)).await;
        assert!(asked.as_ref().is_err_and(ControlError::is_deaf), "{asked:?}");
        assert_eq!(begun.elapsed().as_secs(), DEAF.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_leads_nowhere_costs_no_takeover() {
        let control = Control::new("secret".to_owned(), false).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            // The first two are accepted, and nobody reads them.
            let _nowhere = [listener.accept().await.unwrap(), listener.accept().await.unwrap()];
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut asked = [0; 512];
                    let _asked = stream.read(&mut asked).await.unwrap();
                    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\n{\"states\":{}}";
                    stream.write_all(answer).await.unwrap();
                });
            }
        });
        let begun = tokio::time::Instant::now();
        let asked = control.unless_deaf(at, control.swap(at, "x.so", PATIENCE)).await;
        assert!(asked.is_ok(), "{asked:?}");
        assert_eq!(begun.elapsed(), FIRST_TRY + FIRST_TRY * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_hears_may_take_its_time() {
        let (control, listener) =
            (Control::new("secret".to_owned(), false).unwrap(), TcpListener::bind("127.0.0.1:0").await);
        let listener = listener.unwrap();
        let at = listener.local_addr().unwrap();
        // Takes 20 s for a takeover, and answers whether it is there at once.
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut asked = [0; 512];
                    let count = stream.read(&mut asked).await.unwrap();
                    if asked[..count].starts_with(b"POST") {
                        tokio::time::sleep(Duration::from_secs(20)).await;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\n{\"states\":{}}";
                    stream.write_all(answer).await.unwrap();
                });
            }
        });
        let asked = control.unless_deaf(at, control.swap(at, "x.so", PATIENCE)).await;
        assert!(asked.is_ok(), "{asked:?}");
    }
}
