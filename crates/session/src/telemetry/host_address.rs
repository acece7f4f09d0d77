//! A door of a host that is asked again and again, each time from where its answer before ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::otlp;
use reqwest::header::{HOST, HeaderMap};
use tokio::sync::mpsc::Sender;

use super::ask_pace::AskPace;

/// A question is held for 20 s by the host; beyond this the way to it is broken.
pub(super) const WITHIN: Duration = Duration::from_secs(30);
/// Before a host that does not answer is asked again: at first, and at most.
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_secs(2);

/// A host to ask.
#[derive(Clone, Debug)]
pub struct HostAddress {
    /// The service it runs, by its Rust name.
    pub service: Arc<str>,
    /// `host:port` it can be reached at from here.
    pub address: String,
    /// The session's secret.
    pub token: String,
    /// What is said as `HostAddress`, where the address is that of something in between.
    pub host_header: Option<String>,
}

/// What a host can be asked for.
pub(super) trait Door {
    /// Its name below `/_dyninka/`.
    const NAME: &'static str;
    /// A question is given up after this.
    const WITHIN: Duration;
    type Told;

    /// What an answer tells, and the query that asks for what comes after it.
    fn read(host: &HostAddress, headers: &HeaderMap, body: Bytes) -> Result<(Self::Told, String), FollowError>;

    /// Whether somebody should know.
    fn is_news(_: &Self::Told) -> bool {
        true
    }
}

/// Why a host was not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("it answered {0}")]
    Refused(reqwest::StatusCode),
    #[error("its answer has no {0} that reads")]
    Header(&'static str),
    #[error("{0}")]
    Spans(#[from] otlp::DecodeError),
}

/// Asks at a door and sends on what is told there, until nobody listens. A host that does not answer is asked again and
/// again; one that was started anew tells from its beginning. While the receiver is slow nothing is asked: the host
/// keeps what it can, and counts what it cannot. `hear` is told why it does not answer, or none once it did.
pub(super) async fn follow<D: Door>(
    host: HostAddress,
    pace: AskPace,
    sender: Sender<D::Told>,
    mut hear: impl FnMut(Option<&FollowError>) + Send,
) -> Result<(), reqwest::Error> {
    // A proxy of the user's environment has no business between a session and its own hosts.
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let (mut query, mut pause) = (String::new(), SOONEST);
    loop {
        let asked = tokio::select! {
            asked = ask::<D>(&client, &host, &query) => asked,
            () = sender.closed() => return Ok(()),
        };
        match asked {
            Ok((told, next)) => {
                hear(None);
                query = next;
                pause = SOONEST;
                if D::is_news(&told) && sender.send(told).await.is_err() {
                    return Ok(());
                }
                if is_over(&sender, pace.pause()).await {
                    return Ok(());
                }
            }
            // That a host is away is mostly seen and said by who keeps it running; here it is only asked again.
            Err(error) => {
                hear(Some(&error));
                if is_over(&sender, pause).await {
                    return Ok(());
                }
                pause = (pause * 2).min(LATEST);
            }
        }
    }
}

/// Waits for a time; whether nobody listens any more.
async fn is_over<T>(sender: &Sender<T>, pause: Duration) -> bool {
    !pause.is_zero() && tokio::time::timeout(pause, sender.closed()).await.is_ok()
}

async fn ask<D: Door>(
    client: &reqwest::Client,
    host: &HostAddress,
    query: &str,
) -> Result<(D::Told, String), FollowError> {
    let mut question =
        client.get(format!("http://{}/_dyninka/{}?{query}", host.address, D::NAME)).bearer_auth(&host.token);
    if let Some(name) = &host.host_header {
        question = question.header(HOST, name);
    }
    let answer = question.timeout(D::WITHIN).send().await?;
    if !answer.status().is_success() {
        return Err(FollowError::Refused(answer.status()));
    }
    let headers = answer.headers().clone();
    D::read(host, &headers, answer.bytes().await?)
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, FollowError> {
    headers.get(name).and_then(|value| value.to_str().ok()).ok_or(FollowError::Header(name))
}
