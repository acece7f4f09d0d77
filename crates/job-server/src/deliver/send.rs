//! Sending one callback: to the very address that was checked, without redirects, within bounds.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::Url;

use super::address::{may_reach, refused};
use crate::books::DueDelivery;
use crate::config::CallbackSettings;

/// All of a delivery: name, connection, answer.
const WITHIN: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read; what is above is nobody's.
const LARGEST: usize = 64 << 10;

/// Why a delivery did not come off.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undelivered {
    Later(String),
    /// It will not come off later either.
    Never(String),
}

/// Sends a callback; the status of the answer.
pub(super) async fn send(
    delivery: &DueDelivery,
    settings: &CallbackSettings,
    headers: &[(&str, &str)],
) -> Result<u16, Undelivered> {
    let until = Instant::now() + WITHIN;
    let Ok(answered) = timeout_at(until, exchange(delivery, settings, headers)).await else {
        return Err(Undelivered::Later(format!("no answer within {} s", WITHIN.as_secs())));
    };
    let Answered { status, body, _kept } = answered?;
    // The status is the answer. What follows is read so that it is not cut off, as far as there is time, and dropped.
    drop(timeout_at(until, Limited::new(body, LARGEST).collect()).await);
    Ok(status)
}

/// An answer whose status is there.
struct Answered {
    status: u16,
    body: Incoming,
    /// A connection without a sender goes on for nobody.
    _kept: (http1::SendRequest<Full<Bytes>>, Connection),
}

/// A connection, which ends with this.
struct Connection(JoinHandle<Result<(), hyper::Error>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange(
    delivery: &DueDelivery,
    settings: &CallbackSettings,
    headers: &[(&str, &str)],
) -> Result<Answered, Undelivered> {
    let later = |error: &dyn std::fmt::Display| Undelivered::Later(error.to_string());
    let url = Url::parse(&delivery.url).map_err(|error| Undelivered::Never(error.to_string()))?;
    super::check(&delivery.url, settings).map_err(Undelivered::Never)?;
    let (host, port) = (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or(443));
    // In brackets, an address of version 6 is no name.
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let found: Vec<SocketAddr> =
        tokio::net::lookup_host((bare.as_str(), port)).await.map_err(|error| later(&error))?.collect();
    // One that leads inside refuses all: a name that has both changes its mind as its owner likes.
    if let Some(inside) = found.iter().find(|found| !may_reach(found.ip(), &host, settings)) {
        return Err(Undelivered::Never(refused(inside.ip())));
    }
    let stream = TcpStream::connect(&found[..]).await.map_err(|error| later(&error))?;
    let mut request = http::Request::post(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(http::header::HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::USER_AGENT, "dyninka-jobs");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(Bytes::from(delivery.body.clone())))
        .map_err(|error| Undelivered::Never(error.to_string()))?;
    if url.scheme() == "http" {
        return speak(stream, request).await.map_err(|error| later(&error));
    }
    let name = ServerName::try_from(bare).map_err(|error| Undelivered::Never(error.to_string()))?;
    let config = TLS.clone().map_err(Undelivered::Later)?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| later(&error))?;
    speak(stream, request).await.map_err(|error| later(&error))
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: http::Request<Full<Bytes>>,
) -> Result<Answered, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = Connection(tokio::spawn(connection));
    let answer = sender.send_request(request).await?;
    Ok(Answered { status: answer.status().as_u16(), body: answer.into_body(), _kept: (sender, connection) })
}

/// The certificates of this machine.
static TLS: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("this machine has no certificates of authorities (ca-certificates)".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| io::Error::other(error).to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
});

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;

    fn open() -> CallbackSettings {
        CallbackSettings { allow: vec!["127.0.0.1".to_owned()], insecure: true, ..CallbackSettings::default() }
    }

    fn delivery(url: String) -> DueDelivery {
        let (host, body) = (String::new(), "{}".to_owned());
        DueDelivery { seq: 1, job: "j".to_owned(), tenant: "t".to_owned(), url, host, body, attempts: 0 }
    }

    /// A receiver that answers once with these bytes, and then with `more` until nobody takes it. What it was asked.
    async fn receiver(answer: &'static [u8], more: &'static [u8]) -> (String, oneshot::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook?x=1", listener.local_addr().expect("an address"));
        let (asked, heard) = oneshot::channel();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let mut bytes = vec![0; 4_096];
            let count = stream.read(&mut bytes).await.expect("a request");
            let _gone = asked.send(String::from_utf8_lossy(&bytes[..count]).into_owned());
            stream.write_all(answer).await.expect("an answer");
            while !more.is_empty() && stream.write_all(more).await.is_ok() {}
        });
        (url, heard)
    }

    #[tokio::test]
    async fn a_callback_is_one_request_with_its_signature() {
        let (url, heard) = receiver(b"HTTP/1.1 204 No Content\r\n\r\n", b"").await;
        assert_eq!(send(&delivery(url), &open(), &[("webhook-id", "msg_1")]).await, Ok(204));
        let asked = heard.await.expect("a request").to_lowercase();
        assert!(asked.starts_with("post /hook?x=1 http/1.1\r\n"), "{asked}");
        assert!(asked.contains("webhook-id: msg_1\r\n") && asked.contains("host: 127.0.0.1:"), "{asked}");
    }

    /// D15: what answers with a gigabyte is read in part, and a redirect is an answer like any other.
    #[tokio::test]
    async fn answers_are_read_in_part_and_redirects_are_not_followed() {
        let (url, _heard) = receiver(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n", &[b'x'; 65_536]).await;
        assert_eq!(send(&delivery(url), &open(), &[]).await, Ok(200));
        let (url, _heard) =
            receiver(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", b"")
                .await;
        assert_eq!(send(&delivery(url), &open(), &[]).await, Ok(302));
    }

    /// D15: what says 200 and breaks off, or never comes to an end, has said 200.
    #[tokio::test(start_paused = true)]
    async fn a_status_counts_whatever_becomes_of_what_follows_it() {
        let (url, _heard) = receiver(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", b"").await;
        assert_eq!(send(&delivery(url), &open(), &[]).await, Ok(200));
        let url = trickles("HTTP/1.1 500 No\r\ncontent-length: 1000\r\n\r\n", "x").await;
        let begun = Instant::now();
        assert_eq!(send(&delivery(url), &open(), &[]).await, Ok(500));
        assert!(begun.elapsed() < WITHIN * 2, "{:?}", begun.elapsed());
        // A head that does not come to an end is no answer.
        let url = trickles("HTTP/1.1 200 OK\r\n", "x: y\r\n").await;
        let sent = send(&delivery(url), &open(), &[]).await;
        assert!(matches!(&sent, Err(Undelivered::Later(why)) if why.contains("within 10 s")), "{sent:?}");
    }

    /// A receiver that says one thing, and then another one each second.
    async fn trickles(first: &'static str, each: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a caller");
            let mut said = stream.write_all(first.as_bytes()).await;
            while said.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                said = stream.write_all(each.as_bytes()).await;
            }
        });
        url
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_hangs_is_left_after_ten_seconds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let sent = send(&delivery(url), &open(), &[]).await;
        assert!(matches!(sent, Err(Undelivered::Later(_))), "{sent:?}");
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_it_is_connected_to() {
        let strict = CallbackSettings { insecure: true, ..CallbackSettings::default() };
        let (url, _heard) = receiver(b"HTTP/1.1 200 OK\r\n\r\n", b"").await;
        let inside = url.replace("127.0.0.1", "localhost");
        let sent = send(&delivery(inside), &strict, &[]).await;
        assert!(matches!(&sent, Err(Undelivered::Never(why)) if why.contains("no public address")), "{sent:?}");
    }
}
