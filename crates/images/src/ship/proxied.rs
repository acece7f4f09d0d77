//! Connections to registries, through a proxy where the environment names one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use protocol::proxy::Proxies;

/// Connects to hosts as they are, or through a proxy.
#[derive(Clone)]
pub(crate) struct Proxied {
    tcp: HttpConnector,
    proxies: Arc<Proxies>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Proxied {
    pub(crate) fn new(tcp: HttpConnector, proxies: Proxies) -> Self {
        Self { tcp, proxies: Arc::new(proxies) }
    }
}

impl Service<Uri> for Proxied {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.tcp.poll_ready(context).map_err(Failure::from)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let scheme = uri.scheme_str().unwrap_or("https").to_owned();
        let proxy = self.proxies.to(&scheme, uri.host().unwrap_or_default(), uri.port_u16()).map(str::to_owned);
        let mut tcp = self.tcp.clone();
        Box::pin(async move {
            let Some(proxy) = proxy else { return Ok(tcp.call(uri).await?) };
            let name = shown(&proxy).to_owned();
            let refuse = |why: String| Failure::from(format!("through the proxy {name}: {why}"));
            let to: Uri = proxy.parse().map_err(|error: http::uri::InvalidUri| refuse(error.to_string()))?;
            match to.scheme_str() {
                Some("http") => {
                    let mut tunnel = Tunnel::new(to, tcp);
                    if let Some(who) = credentials(&proxy) {
                        tunnel = tunnel.with_auth(who);
                    }
                    tunnel.call(uri).await.map_err(|error| refuse(error.to_string()))
                }
                Some("socks5") => SocksV5::new(to, tcp).call(uri).await.map_err(|error| refuse(error.to_string())),
                _ => Err(refuse("a proxy is reached by http:// or socks5://".to_owned())),
            }
        })
    }
}

/// Who a proxy is told to be asked by.
fn credentials(proxy: &str) -> Option<HeaderValue> {
    let url = url::Url::parse(proxy).ok().filter(|url| !url.username().is_empty())?;
    let decoded = |text: &str| {
        url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    let said = format!("{}:{}", decoded(url.username())?, decoded(url.password().unwrap_or_default())?);
    HeaderValue::try_from(format!("Basic {}", STANDARD.encode(said))).ok()
}

/// A proxy without who asks it.
fn shown(proxy: &str) -> &str {
    proxy.rsplit_once('@').map_or(proxy, |(_, host)| host)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_registry_is_reached_through_the_proxy_and_who_asks_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = tokio::spawn(async move {
            let (mut caller, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                bytes.push(caller.read_u8().await.unwrap());
            }
            caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            String::from_utf8(bytes).unwrap()
        });
        let proxies = Proxies::read(|name| (name == "HTTPS_PROXY").then(|| format!("http://me:p%40ss@{address}")));
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let mut connector = Proxied::new(tcp, proxies);
        connector.call("https://registry.example.org/v2/".parse().unwrap()).await.unwrap();
        let heard = heard.await.unwrap();
        assert!(heard.starts_with("CONNECT registry.example.org:443 HTTP/1.1"), "{heard}");
        assert!(heard.to_ascii_lowercase().contains("proxy-authorization: basic"), "{heard}");
        assert!(heard.contains(&STANDARD.encode("me:p@ss")), "{heard}");
    }

    #[tokio::test]
    async fn a_proxy_that_is_none_is_named_without_its_password() {
        let proxies = Proxies::read(|name| (name == "HTTPS_PROXY").then(|| "ftp://me:secret@proxy:1".to_owned()));
        let error = Proxied::new(HttpConnector::new(), proxies).call("https://registry.example.org/".parse().unwrap());
        let words = error.await.unwrap_err().to_string();
        assert!(words.contains("proxy:1") && !words.contains("secret"), "{words}");
    }
}
