//! Asking one host what values travelled through it, for as long as somebody wants to know.

use std::time::Duration;

use bytes::Bytes;
use protocol::record::RecordLine;
use protocol::{Cursor, header};
use reqwest::header::HeaderMap;
use tokio::sync::mpsc::Sender;

use super::ask_pace::AskPace;
use super::host_address::{self, Door, FollowError, HostAddress, WITHIN, text};

/// What a host recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub service: String,
    /// Of the host's life: it counts its calls anew in the next.
    pub epoch: u64,
    /// What it recorded since it was asked before.
    pub lines: Vec<RecordLine>,
    /// How much of it was lost on its way here.
    pub dropped: u64,
    /// Lines that do not read: the host is of another version of `dyn`.
    pub unread: u64,
}

/// Asks a host what it records and sends that on, until nobody listens. A host that is away is asked again and again.
pub async fn follow_records(host: HostAddress, pace: AskPace, sender: Sender<Recorded>) -> Result<(), reqwest::Error> {
    host_address::follow::<Records>(host, pace, sender, |_| {}).await
}

struct Records;

impl Door for Records {
    const NAME: &'static str = "records";
    /// Megabytes may be on their way, besides the time a question is held.
    const WITHIN: Duration = WITHIN.saturating_mul(2);
    type Told = Recorded;

    fn read(host: &HostAddress, headers: &HeaderMap, body: Bytes) -> Result<(Recorded, String), FollowError> {
        let cursor = text(headers, header::CURSOR)?;
        let epoch = cursor.parse::<Cursor>().map_err(|_| FollowError::Header(header::CURSOR))?.epoch;
        let dropped = text(headers, header::DROPPED)?.parse().map_err(|_| FollowError::Header(header::DROPPED))?;
        let (mut lines, mut unread) = (Vec::new(), 0);
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(line) => lines.push(line),
                Err(_) => unread += 1,
            }
        }
        let recorded = Recorded { service: host.service.to_string(), epoch, lines, dropped, unread };
        Ok((recorded, format!("after={cursor}")))
    }

    fn is_news(told: &Recorded) -> bool {
        !told.lines.is_empty() || told.dropped > 0 || told.unread > 0
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    async fn answer(listener: &TcpListener, cursor: &str, dropped: &str, body: &str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut asked, mut buffer) = (Vec::new(), [0; 1024]);
        while !asked.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut buffer).await.unwrap();
            asked.extend_from_slice(&buffer[..count]);
        }
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\ndyninka-cursor: {cursor}\r\n\
             dyninka-dropped: {dropped}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    }

    #[tokio::test]
    async fn records_are_read_from_where_they_ended_and_what_does_not_read_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, mut receiver) = mpsc::channel(4);
        let host = HostAddress {
            service: "map".into(),
            address: listener.local_addr().unwrap().to_string(),
            token: "secret".to_owned(),
            host_header: None,
        };
        let following = tokio::spawn(follow_records(host, AskPace::default(), sender));
        let frame = r#"{"keyframe":{"service":"map","sequence":3,"states":[["N","u64",7]]}}"#;
        answer(&listener, "a.1.5.0", "2", &format!("{frame}\nno line\n")).await;
        let told = receiver.recv().await.unwrap();
        assert_eq!((told.epoch, told.lines.len(), told.dropped, told.unread), (10, 1, 2, 1));
        let asked = answer(&listener, "no cursor", "0", "").await;
        assert!(asked.starts_with("GET /_dyninka/records?after=a.1.5.0 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: Bearer secret\r\n"), "{asked}");
        let asked = answer(&listener, "b.1.1.0", "0", frame).await;
        assert!(asked.starts_with("GET /_dyninka/records?after=a.1.5.0 "), "{asked}");
        assert_eq!(receiver.recv().await.unwrap().epoch, 11);
        drop(receiver);
        following.await.unwrap().unwrap();
    }
}
