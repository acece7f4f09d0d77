//! One page of the session, as a plain client: it comes in by a link, follows, and acknowledges each message at once.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, timeout, timeout_at};

use crate::session::Setting;

/// Reached only by a hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser that was let in.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) client: reqwest::Client,
    pub(super) address: SocketAddr,
    /// `building-f32110ef.localhost:7411`.
    pub(super) host: String,
    cookie: String,
}

/// A page that follows the session.
#[derive(Debug)]
pub(super) struct PageSocket {
    stream: TcpStream,
    rest: Vec<u8>,
}

/// The part of a message that a page answers.
#[derive(Deserialize)]
struct Heard {
    seq: Option<u64>,
    frame: Option<IgnoredAny>,
}

/// What came in a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Received {
    pub(super) bytes: u64,
}

/// A link of `dyn ui`.
pub(super) async fn link(setting: &Setting, file: &Path) -> anyhow::Result<String> {
    let mut command = Command::new(&setting.program);
    command.arg("ui").arg(file).arg("--print").env("DYNINKA_HOME", &setting.home).kill_on_drop(true);
    let output = command.output().await.context("run dyn ui")?;
    ensure!(output.status.success(), "dyn ui: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout).context("read the link")?.trim().to_owned())
}

impl Visitor {
    /// Comes in by a link of `dyn ui`.
    pub(super) async fn enter(setting: &Setting, file: &Path) -> anyhow::Result<Self> {
        let link = link(setting, file).await?;
        let (origin, ticket) = link.split_once("/#enter=").context("dyn ui prints no link")?;
        let host = origin.strip_prefix("http://").context("the link is no http URL")?.to_owned();
        let port = host.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).context("the link has no port")?;
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().context("make a client")?;
        let mut visitor = Self { client, address: ([127, 0, 0, 1], port).into(), host, cookie: String::new() };
        let body = serde_json::json!({ "ticket": ticket });
        let url = format!("http://{}/enter", visitor.address);
        let request = visitor.client.post(url).header("host", &visitor.host).header("origin", origin).json(&body);
        let answer = request.send().await.context("come in")?;
        let cookie = answer.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).context("the page gives no cookie")?;
        visitor.cookie = cookie.to_owned();
        Ok(visitor)
    }

    /// Asks for a path; the bytes as they travel.
    pub(super) async fn get(&self, path: &str, packed: bool) -> anyhow::Result<Vec<u8>> {
        let request = self.client.get(format!("http://{}{path}", self.address));
        let mut request = request.header("host", &self.host).header("cookie", &self.cookie);
        if packed {
            request = request.header("accept-encoding", "gzip");
        }
        let answer = request.send().await.with_context(|| format!("ask for {path}"))?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        Ok(answer.bytes().await.with_context(|| format!("read {path}"))?.to_vec())
    }

    /// Opens a page; one that somebody sees, or one that is hidden.
    pub(super) async fn open(&self, is_seen: bool) -> anyhow::Result<PageSocket> {
        let mut stream = TcpStream::connect(self.address).await.context("connect to the page")?;
        let head = format!(
            "GET /live HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncookie: {}\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.cookie,
            host = self.host
        );
        stream.write_all(head.as_bytes()).await.context("ask for the socket")?;
        let mut page = PageSocket { stream, rest: Vec::new() };
        let head = page.head().await?;
        ensure!(head.starts_with("HTTP/1.1 101"), "the page opens no socket: {head}");
        // The greeting.
        page.next().await?;
        page.send(if is_seen { "{\"look\":{}}" } else { "{\"look\":null}" }).await?;
        Ok(page)
    }
}

impl PageSocket {
    /// Follows for a time.
    pub(super) async fn follow(&mut self, time: Duration) -> anyhow::Result<Received> {
        let end = Instant::now() + time;
        let mut received = Received::default();
        loop {
            let Ok(message) = timeout_at(end, self.frame()).await else { return Ok(received) };
            let message = message?;
            received.bytes += message.len() as u64;
            self.acknowledge(&message).await?;
        }
    }

    /// Waits for the first picture.
    pub(super) async fn first(&mut self) -> anyhow::Result<()> {
        loop {
            let message = self.next().await?;
            if self.acknowledge(&message).await? {
                return Ok(());
            }
        }
    }

    /// Whether the message had a picture.
    async fn acknowledge(&mut self, message: &[u8]) -> anyhow::Result<bool> {
        let heard: Heard = serde_json::from_slice(message).context("read a message of the page")?;
        if let Some(seq) = heard.seq {
            self.send(&format!("{{\"ack\":{seq}}}")).await?;
        }
        Ok(heard.frame.is_some())
    }

    async fn next(&mut self) -> anyhow::Result<Vec<u8>> {
        timeout(PATIENCE, self.frame()).await.context("the page says nothing")?
    }

    /// The next text (RFC 6455, 5.2). What was read stays where the wait for more is given up.
    async fn frame(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some((from, length)) = measured(&self.rest)?
                && self.rest.len() >= from + length
            {
                let kind = self.rest[0] & 0x0f;
                let message = self.rest[from..from + length].to_vec();
                self.rest.drain(..from + length);
                match kind {
                    1 => return Ok(message),
                    8 => bail!("the page was closed"),
                    _ => continue,
                }
            }
            self.read().await?;
        }
    }

    async fn head(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.rest[..end]).into_owned();
                self.rest.drain(..end + 4);
                return Ok(head);
            }
            timeout(PATIENCE, self.read()).await.context("the page does not answer")??;
        }
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        let count = self.stream.read_buf(&mut self.rest).await.context("read from the page")?;
        ensure!(count > 0, "the page went away");
        Ok(())
    }

    /// A text of less than 126 bytes, masked with zeros.
    async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("a short text")?;
        let mut bytes = vec![0x81, 0x80 | length, 0, 0, 0, 0];
        bytes.extend_from_slice(text.as_bytes());
        self.stream.write_all(&bytes).await.context("write to the page")
    }
}

/// Where the payload of the first message begins, and its length; none before its head is there.
fn measured(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let Some(short) = bytes.get(1).map(|byte| usize::from(byte & 0x7f)) else { return Ok(None) };
    let wide = match short {
        126 => bytes.get(2..4).map(|two| u64::from(u16::from_be_bytes([two[0], two[1]]))),
        127 => bytes.get(2..10).and_then(|eight| Some(u64::from_be_bytes(eight.try_into().ok()?))),
        short => return Ok(Some((2, short))),
    };
    let from = if short == 126 { 4 } else { 10 };
    let length = wide.map(|length| usize::try_from(length).context("a message that is too long")).transpose()?;
    Ok(length.map(|length| (from, length)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn length_of_a_message_is_read_once_its_head_is_there() {
        assert_eq!(measured(&[0x81]).unwrap(), None);
        assert_eq!(measured(&[0x81, 5]).unwrap(), Some((2, 5)));
        assert_eq!(measured(&[0x81, 126, 1]).unwrap(), None);
        assert_eq!(measured(&[0x81, 126, 1, 2]).unwrap(), Some((4, 258)));
        assert_eq!(measured(&[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]).unwrap(), Some((10, 65_536)));
    }
}
