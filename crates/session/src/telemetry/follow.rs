//! Asking one host what it measured, for as long as somebody wants to know.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::{Batch, header, otlp};
use reqwest::header::HeaderMap;
use tokio::sync::mpsc::Sender;

use super::ask_pace::AskPace;
use super::host_address::{self, Door, FollowError, HostAddress, WITHIN, text};

/// What a host told.
#[derive(Clone, Debug)]
pub struct Followed {
    pub service: Arc<str>,
    /// What it measured since it was asked before. [`Batch::dropped`] says what of it there is no span for.
    pub batch: Batch,
    /// The same spans as OTLP, as they came: what an [`super::Exporter`] takes.
    pub otlp: Vec<u8>,
}

/// Asks a host what it measures and sends that on, until nobody listens. A host that is away is asked again and again.
pub async fn follow(host: HostAddress, pace: AskPace, sender: Sender<Followed>) -> Result<(), reqwest::Error> {
    host_address::follow::<Hops>(host, pace, sender, |_| {}).await
}

/// The same; `hear` is told why the host does not answer, or none once it did.
pub(super) async fn follow_telling(
    host: HostAddress,
    pace: AskPace,
    sender: Sender<Followed>,
    mut hear: impl FnMut(Option<String>) + Send,
) -> Result<(), reqwest::Error> {
    host_address::follow::<Hops>(host, pace, sender, |trouble| hear(trouble.map(ToString::to_string))).await
}

struct Hops;

impl Door for Hops {
    const NAME: &'static str = "hops";
    const WITHIN: Duration = WITHIN;
    type Told = Followed;

    fn read(host: &HostAddress, headers: &HeaderMap, body: Bytes) -> Result<(Followed, String), FollowError> {
        let number = |name| text(headers, name)?.parse().map_err(|_| FollowError::Header(name));
        let cursor = text(headers, header::CURSOR)?;
        let otlp = Vec::from(body);
        let batch = Batch {
            now: number(header::NOW)?,
            in_flight: number(header::IN_FLIGHT)?,
            requests: number(header::REQUESTS)?,
            errors: number(header::ERRORS)?,
            retries: number(header::RETRIES)?,
            open: text(headers, header::OPEN)?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            spans: otlp::decode(&otlp)?.spans,
        };
        let next = format!("after={cursor}&in_flight={}", batch.in_flight);
        Ok((Followed { service: host.service.clone(), batch, otlp }, next))
    }
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
        let host = HostAddress {
            service: "map".into(),
            address: listener.local_addr().unwrap().to_string(),
            token: "secret".to_owned(),
            host_header: Some("map".to_owned()),
        };
        let following = tokio::spawn(follow(host, AskPace::default(), sender));
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
