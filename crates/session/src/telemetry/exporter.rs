//! To a collector, as OTLP over HTTP. Nothing waits for it: what it cannot take is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::proxy::Proxies;
use protocol::{Batch, error_chain, otlp};
use rand::RngExt;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::settings::ExportSettings;

/// Batches on their way: a collector that is away for seconds loses nothing.
const MOST_QUEUED: usize = 512;
/// Sent at once; about what collectors take by default (4 MiB), with room.
const MOST_BYTES: usize = 2 << 20;
/// Between two requests, so that hosts that tell every 50 ms do not each make one.
const GATHER: Duration = Duration::from_millis(500);
/// Before the first repetition, then twice as long each time, by chance up to half less: as the specification's
/// "exponential backoff with jitter".
const SOONEST: Duration = Duration::from_secs(1);
/// What cannot be sent for so long is dropped: what is newer is wanted more.
const GIVE_UP: Duration = Duration::from_secs(60);
/// At the session's end, what is on its way has this long.
const LAST: Duration = Duration::from_secs(2);

/// Sends spans to a collector.
#[derive(Debug)]
pub struct Exporter {
    queue: mpsc::Sender<Part>,
    counts: Arc<Counts>,
    trouble: watch::Receiver<Option<String>>,
    task: tokio::task::JoinHandle<()>,
}

/// How an exporter stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Spans the collector took, those of calls too.
    pub sent: u64,
    /// Spans it did not get or take.
    pub dropped: u64,
    /// Why the last could not be sent, if it could not.
    pub trouble: Option<String>,
}

#[derive(Debug, Default)]
struct Counts {
    offered: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
}

/// Spans to send.
#[derive(Debug, Default)]
struct Part {
    otlp: Vec<u8>,
    spans: u64,
}

/// What became of a request.
enum Sent {
    /// All but what it says.
    Taken(Option<otlp::Rejected>),
    /// Not now; perhaps after so long.
    Later(String, Option<Duration>),
    Never(String),
}

impl Exporter {
    /// Begins to send. Inside a Tokio runtime.
    pub fn start(settings: ExportSettings) -> Result<Self, reqwest::Error> {
        // The same proxies as clusters and registries are reached by.
        let proxies = Proxies::read(|name| std::env::var(name).ok());
        let through = reqwest::Proxy::custom(move |url| {
            proxies.to(url.scheme(), url.host_str().unwrap_or_default(), url.port()).map(str::to_owned)
        });
        let client = reqwest::Client::builder().proxy(through).default_headers(settings.headers);
        let client = client.timeout(settings.timeout).build()?;
        let (queue, parts) = mpsc::channel(MOST_QUEUED);
        let (told, trouble) = watch::channel(None);
        let counts = Arc::new(Counts::default());
        let sender = Sender { client, endpoint: settings.endpoint, counts: counts.clone(), told };
        let task = tokio::spawn(sender.run(parts));
        Ok(Self { queue, counts, trouble, task })
    }

    /// Takes what a host told, `otlp` being the batch as it came. Traces whose caller does not want them collected
    /// are left out. Never waits.
    pub fn take(&self, batch: &Batch, otlp: &[u8]) {
        let wanted = || batch.spans.iter().filter(|span| span.sampled);
        if wanted().next().is_none() {
            return;
        }
        let otlp = match batch.spans.iter().all(|span| span.sampled) {
            true => otlp.to_vec(),
            false => otlp::encode(wanted(), ""),
        };
        let part = Part { otlp, spans: wanted().map(|span| 1 + span.calls.len() as u64).sum() };
        self.counts.offered.fetch_add(part.spans, Ordering::Relaxed);
        if let Err(mpsc::error::TrySendError::Full(part) | mpsc::error::TrySendError::Closed(part)) =
            self.queue.try_send(part)
        {
            self.counts.dropped.fetch_add(part.spans, Ordering::Relaxed);
        }
    }

    /// What it sent, what it dropped, and what the trouble is.
    pub fn standing(&self) -> Standing {
        Standing {
            sent: self.counts.sent.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
            trouble: self.trouble.borrow().clone(),
        }
    }

    /// Sends what is on its way, for two seconds at most, and ends.
    pub async fn end(self) -> Standing {
        let Self { queue, counts, trouble, mut task } = self;
        drop(queue);
        if tokio::time::timeout(LAST, &mut task).await.is_err() {
            task.abort();
        }
        // What was still on its way is not sent any more.
        let sent = counts.sent.load(Ordering::Relaxed);
        let dropped = counts.offered.load(Ordering::Relaxed).saturating_sub(sent);
        let trouble = trouble.borrow().clone();
        Standing { sent, dropped, trouble }
    }
}

struct Sender {
    client: reqwest::Client,
    endpoint: reqwest::Url,
    counts: Arc<Counts>,
    told: watch::Sender<Option<String>>,
}

impl Sender {
    async fn run(self, mut parts: mpsc::Receiver<Part>) {
        while let Some(mut whole) = parts.recv().await {
            let until = Instant::now() + GATHER;
            // Protobuf: messages after each other are one message with longer lists.
            while whole.otlp.len() < MOST_BYTES
                && let Ok(Some(part)) = tokio::time::timeout_at(until, parts.recv()).await
            {
                whole.otlp.extend_from_slice(&part.otlp);
                whole.spans += part.spans;
            }
            self.deliver(whole).await;
        }
    }

    async fn deliver(&self, part: Part) {
        let (begun, mut pause) = (Instant::now(), SOONEST);
        loop {
            let trouble = match self.send(part.otlp.clone()).await {
                Sent::Taken(rejected) => {
                    let dropped = rejected.as_ref().map_or(0, |rejected| rejected.spans.min(part.spans));
                    self.told.send_replace(rejected.map(|rejected| rejected.message));
                    self.counts.sent.fetch_add(part.spans - dropped, Ordering::Relaxed);
                    self.counts.dropped.fetch_add(dropped, Ordering::Relaxed);
                    return;
                }
                Sent::Later(trouble, after) if begun.elapsed() + after.unwrap_or(pause) < GIVE_UP => {
                    self.told.send_replace(Some(trouble));
                    let jitter = rand::rng().random_range(0.5..1.0);
                    tokio::time::sleep(after.unwrap_or_else(|| pause.mul_f64(jitter))).await;
                    pause *= 2;
                    continue;
                }
                Sent::Later(trouble, _) | Sent::Never(trouble) => trouble,
            };
            self.told.send_replace(Some(trouble));
            self.counts.dropped.fetch_add(part.spans, Ordering::Relaxed);
            return;
        }
    }

    async fn send(&self, body: Vec<u8>) -> Sent {
        let request = self.client.post(self.endpoint.clone()).header(CONTENT_TYPE, "application/x-protobuf").body(body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Sent::Later(error_chain(&error), None),
        };
        let words = || format!("{} answered {}", self.endpoint.host_str().unwrap_or("the collector"), answer.status());
        match answer.status() {
            // A success without a message that reads is a success: it is the status that counts.
            status if status.is_success() => {
                let message = answer.bytes().await.unwrap_or_default();
                Sent::Taken(otlp::rejected(&message).unwrap_or_default())
            }
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Sent::Later(words(), retry_after(&answer)),
            // Every other answer would be the same again.
            _ => Sent::Never(words()),
        }
    }
}

/// When to come again, if it says so in seconds; a date would need clocks that agree.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
