//! Asking one host what it measured, for as long as somebody wants to know.

use std::sync::Arc;
use std::time::Duration;

use hops::{Batch, header, otlp};
use reqwest::header::{HOST, HeaderMap};
use tokio::sync::mpsc::Sender;

/// A question is held for 20 s by the host; beyond this the way to it is broken.
pub(super) const WITHIN: Duration = Duration::from_secs(30);
/// Before a host that does not answer is asked again: at first, and at most.
pub(super) const SOONEST: Duration = Duration::from_millis(50);
pub(super) const LATEST: Duration = Duration::from_secs(2);

/// A host to ask.
#[derive(Clone, Debug)]
pub struct Host {
    /// The service it runs, by its Rust name.
    pub service: Arc<str>,
    /// `host:port` it can be reached at from here.
    pub address: String,
    /// The session's secret.
    pub token: String,
    /// What is said as `Host`, where the address is that of something in between.
    pub host_header: Option<String>,
}

/// What a host told.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The service.
    pub service: Arc<str>,
    /// What it measured since it was asked before. [`Batch::dropped`] says what of it there is no span for.
    pub batch: Batch,
    /// The same spans as OTLP, as they came: what an [`super::Exporter`] takes.
    pub otlp: Vec<u8>,
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

/// Asks a host what it measures and sends that on, until nobody listens. A host that does not answer is asked again
/// and again; one that was started anew tells from its beginning. While the receiver is slow nothing is asked: the
/// host keeps what it can, and counts what it cannot.
pub async fn follow(host: Host, sender: Sender<Followed>) -> Result<(), reqwest::Error> {
    // A proxy of the user's environment has no business between a session and its own hosts.
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let (mut query, mut pause) = (String::new(), SOONEST);
    loop {
        let asked = tokio::select! {
            asked = ask(&client, &host, &query) => asked,
            () = sender.closed() => return Ok(()),
        };
        match asked {
            Ok((followed, cursor)) => {
                query = format!("after={cursor}&in_flight={}", followed.batch.in_flight);
                pause = SOONEST;
                if sender.send(followed).await.is_err() {
                    return Ok(());
                }
            }
            // That a host is away is seen and said by who keeps it running; here it is only asked again.
            Err(_) => {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = sender.closed() => return Ok(()),
                }
                pause = (pause * 2).min(LATEST);
            }
        }
    }
}

async fn ask(client: &reqwest::Client, host: &Host, query: &str) -> Result<(Followed, String), FollowError> {
    let mut question = client.get(format!("http://{}/_dyninka/hops?{query}", host.address)).bearer_auth(&host.token);
    if let Some(name) = &host.host_header {
        question = question.header(HOST, name);
    }
    let answer = question.timeout(WITHIN).send().await?;
    if !answer.status().is_success() {
        return Err(FollowError::Refused(answer.status()));
    }
    let headers = answer.headers().clone();
    let cursor = text(&headers, header::CURSOR)?.to_owned();
    let number = |name| text(&headers, name)?.parse().map_err(|_| FollowError::Header(name));
    let mut batch = Batch {
        now: number(header::NOW)?,
        in_flight: number(header::IN_FLIGHT)?,
        requests: number(header::REQUESTS)?,
        errors: number(header::ERRORS)?,
        retries: number(header::RETRIES)?,
        open: text(&headers, header::OPEN)?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        spans: Vec::new(),
    };
    let otlp = Vec::from(answer.bytes().await?);
    batch.spans = otlp::decode(&otlp)?.spans;
    Ok((Followed { service: host.service.clone(), batch, otlp }, cursor))
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, FollowError> {
    headers.get(name).and_then(|value| value.to_str().ok()).ok_or(FollowError::Header(name))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    /// Answers one question with `answer` and tells what was asked.
    async fn answer(listener: &TcpListener, answer: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut asked, mut buffer) = (Vec::new(), [0; 1024]);
        while !asked.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut buffer).await.unwrap();
            asked.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    }

    fn batch(cursor: &str, requests: u64) -> String {
        format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\ndyninka-cursor: {cursor}\r\n\
             dyninka-requests: {requests}\r\ndyninka-errors: 1\r\ndyninka-in-flight: 4\r\ndyninka-now: 9\r\n\
             dyninka-retries: 7\r\ndyninka-open: get,filter\r\n\r\n"
        )
    }

    #[tokio::test]
    async fn a_host_is_asked_from_where_it_ended_and_again_when_it_was_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, mut receiver) = mpsc::channel(4);
        let host = Host {
            service: "map".into(),
            address: listener.local_addr().unwrap().to_string(),
            token: "secret".to_owned(),
            host_header: Some("map".to_owned()),
        };
        let following = tokio::spawn(follow(host, sender));
        let asked = answer(&listener, &batch("a.1.5.1", 5)).await;
        assert!(asked.starts_with("GET /_dyninka/hops? HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: Bearer secret\r\n") && asked.contains("host: map\r\n"), "{asked}");
        let told = receiver.recv().await.unwrap();
        assert_eq!((&*told.service, told.batch.requests, told.batch.dropped()), ("map", 5, 5));
        assert_eq!((told.batch.retries, &told.batch.open[..]), (7, &["get".to_owned(), "filter".to_owned()][..]));
        for wrong in ["", "HTTP/1.1 503 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n", &batch("x\u{1}", 1)] {
            let asked = answer(&listener, wrong).await;
            assert!(asked.starts_with("GET /_dyninka/hops?after=a.1.5.1&in_flight=4 "), "{asked}");
        }
        answer(&listener, &batch("b.1.2.1", 2)).await;
        assert_eq!(receiver.recv().await.unwrap().batch.requests, 2);
        drop(receiver);
        following.await.unwrap().unwrap();
    }
}
