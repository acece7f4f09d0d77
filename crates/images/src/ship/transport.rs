//! Requests to one registry: TLS, who we are, and what its refusals mean.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_auth::parser::ChallengeParser;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use super::credential::{self, Credential};
use super::proxied::Proxied;
use super::{RegistryAddress, ShipError, address};
use protocol::proxy::Proxies;

/// A registry that is there takes a connection within this.
const CONNECT: Duration = Duration::from_secs(10);
/// A registry that works answers within this, and the time the body takes.
const ANSWER: Duration = Duration::from_secs(60);
/// A way that is slower than so many bytes a second is none.
const SLOWEST: u64 = 16 * 1024;
/// Documents are no longer than this.
const DOCUMENT: usize = 16 << 20;
/// Of what a registry says, so much is told.
const WORDS: usize = 300;

/// The way to one registry.
pub(crate) struct Transport {
    client: Client<HttpsConnector<Proxied>, Full<Bytes>>,
    address: RegistryAddress,
    credential: Option<Credential>,
    /// What the last challenge was met with.
    answer: Mutex<Option<HeaderValue>>,
}

/// A request, to be made as often as it takes.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'static str>,
    /// Media type and bytes.
    pub(crate) body: Option<(&'static str, Bytes)>,
    /// What for, on their own.
    pub(crate) what: String,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What was asked.
    pub(crate) url: Url,
}

impl Answer {
    /// A header's value, where it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Transport {
    pub(crate) async fn open(address: RegistryAddress, docker_config: Option<PathBuf>) -> Result<Self, ShipError> {
        let login = address.login().to_owned();
        let host = address.host.clone();
        // Helpers are programs, and certificates a hundred files.
        let found = tokio::task::spawn_blocking(move || {
            let credential = docker_config.map(|folder| credential::find(&folder, &login)).transpose()?;
            Ok::<_, ShipError>((credential.flatten(), tls(&host)?))
        });
        let (credential, tls) = found.await.map_err(|error| ShipError::Tls { words: error.to_string() })??;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .build(connector.wrap_connector(Proxied::new(tcp, Proxies::read(|name| std::env::var(name).ok()))));
        Ok(Self { client, address, credential, answer: Mutex::default() })
    }

    pub(crate) fn address(&self) -> &RegistryAddress {
        &self.address
    }

    /// The URL of something below `/v2/`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, ShipError> {
        let text = format!("{}{path}", self.address.api());
        Url::parse(&text).map_err(|error| ShipError::Address { text, words: error.to_string() })
    }

    /// Asks; who we are is said where the registry wants to know. Any answer but a refusal for want of that comes back.
    pub(crate) async fn ask(&self, ask: &Ask) -> Result<Answer, ShipError> {
        let answer = self.send(ask).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.is_own(&ask.url) {
            return Ok(answer);
        }
        let challenges = answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|header| header.to_str().ok());
        let challenges: Vec<String> = challenges.map(str::to_owned).collect();
        match self.meet(&challenges, &ask.what).await? {
            Some(met) => {
                *self.answer.lock() = Some(met);
                self.send(ask).await
            }
            None => Ok(answer),
        }
    }

    async fn send(&self, ask: &Ask) -> Result<Answer, ShipError> {
        let known = self.answer.lock().clone();
        self.deliver(ask, known.filter(|_| self.is_own(&ask.url))).await
    }

    async fn deliver(&self, ask: &Ask, authorization: Option<HeaderValue>) -> Result<Answer, ShipError> {
        let (kind, body) = ask.body.clone().map_or((None, Bytes::new()), |(kind, body)| (Some(kind), body));
        let patience = ANSWER + Duration::from_secs(body.len() as u64 / SLOWEST);
        let mut request = Request::builder().method(ask.method.clone()).uri(ask.url.as_str());
        request = request.header(USER_AGENT, concat!("dyninka/", env!("CARGO_PKG_VERSION")));
        for (name, value) in [(ACCEPT, ask.accept), (CONTENT_TYPE, kind)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.unreachable(&ask.what, &error))?;
        let answered = tokio::time::timeout(patience, async {
            let response = self.client.request(request).await.map_err(|error| self.unreachable(&ask.what, &error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, DOCUMENT).collect().await;
            let body = body.map_err(|error| self.unreachable(&ask.what, error.as_ref()))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body, url: ask.url.clone() })
        });
        let late = std::io::Error::other(format!("nothing came back within {} s", patience.as_secs()));
        answered.await.unwrap_or_else(|_| Err(self.unreachable(&ask.what, &late)))
    }

    fn unreachable(&self, what: &str, error: &(dyn Error + 'static)) -> ShipError {
        let (words, host) = (words(error), &self.address.host);
        let mend = if words.contains("corrupt message") {
            format!("{host} seems to speak without TLS: give it as http://{host}")
        } else if words.contains("certificate") {
            format!("have its authority trusted: in the system's certificates, or as /etc/docker/certs.d/{host}/ca.crt")
        } else {
            format!("is a registry running at {host}, and is the network up; what was sent is kept, push again")
        };
        ShipError::Unreachable { registry: host.clone(), what: what.to_owned(), words, mend }
    }

    pub(crate) fn unsound(&self, what: &str, words: &str) -> ShipError {
        ShipError::Unsound { registry: self.address.host.clone(), what: what.to_owned(), words: words.to_owned() }
    }

    /// An answer's document.
    pub(crate) fn read<T: DeserializeOwned>(&self, answer: &Answer, what: &str) -> Result<T, ShipError> {
        serde_json::from_slice(&answer.body).map_err(|error| self.unsound(what, &error.to_string()))
    }

    /// Whether a URL is the registry's own: uploads may be sent elsewhere, where credentials are not to go.
    fn is_own(&self, url: &Url) -> bool {
        Url::parse(&self.address.api()).is_ok_and(|own| own.origin() == url.origin())
    }

    /// The header that meets a challenge; `None` where we have nothing to meet it with.
    async fn meet(&self, challenges: &[String], what: &str) -> Result<Option<HeaderValue>, ShipError> {
        for challenge in challenges.iter().flat_map(|header| ChallengeParser::new(header).flatten()) {
            let value = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                return match &self.credential {
                    Some(credential @ Credential::Basic(..)) => Ok(credential.header()),
                    _ => Ok(None),
                };
            }
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let realm = value("realm").ok_or_else(|| self.unsound(what, "a challenge without a realm"))?;
                let url = Url::parse(&realm);
                let url = url.map_err(|error| self.unsound(what, &format!("the realm {realm:?}: {error}")))?;
                let is_near = self.is_own(&url) || url.host_str().is_some_and(address::is_here);
                if url.scheme() != "https" && !(self.address.plain && is_near) {
                    return Err(self.unsound(what, &format!("tokens are to be had without TLS at {realm}")));
                }
                let token = self.token(url, value("service"), value("scope"), what).await?;
                let mut header = HeaderValue::try_from(format!("Bearer {token}"))
                    .map_err(|_| self.unsound(what, "a token that fits no header"))?;
                header.set_sensitive(true);
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// A token of the registry's token server.
    async fn token(
        &self,
        mut url: Url,
        service: Option<String>,
        scope: Option<String>,
        what: &str,
    ) -> Result<String, ShipError> {
        let fields = [("service", service), ("scope", scope)];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let (method, body) = if let Some(Credential::Identity(token)) = &self.credential {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(fields).append_pair("grant_type", "refresh_token").append_pair("client_id", "dyninka");
            form.append_pair("refresh_token", token);
            (Method::POST, Some(("application/x-www-form-urlencoded", form.finish().into())))
        } else {
            url.query_pairs_mut().extend_pairs(fields);
            (Method::GET, None)
        };
        let ask = Ask { method, url, accept: None, body, what: what.to_owned() };
        let answer = self.deliver(&ask, self.credential.as_ref().and_then(Credential::header)).await?;
        if !answer.status.is_success() {
            return Err(self.refuse(&answer, what));
        }
        let token: Token = self.read(&answer, what)?;
        token.token.or(token.access_token).ok_or_else(|| self.unsound(what, "an empty token"))
    }

    /// An answer that is a refusal, in words.
    pub(crate) fn refuse(&self, answer: &Answer, what: &str) -> ShipError {
        let status = answer.status;
        let said = String::from_utf8_lossy(&answer.body);
        let said = reason(&said);
        let host = &self.address.host;
        if said.contains("no space left on device") {
            return ShipError::DiskFull { place: host.clone(), what: what.to_owned() };
        }
        let mend = match (status.as_u16(), &self.credential) {
            (401, None) => format!("log in: docker login {host}"),
            (401, Some(_)) => format!("the credentials kept for {host} are not taken: docker login {host}"),
            (403, None) => format!("log in as who may push there: docker login {host}"),
            (403, Some(_)) => {
                format!("have your user given the right to push below {}, or push elsewhere", self.address)
            }
            (404, _) => format!("is there a repository below {}: some registries want it made before", self.address),
            (405, _) => format!("{host} takes nothing in: is it a mirror, or read-only"),
            (413, _) => format!("{host} or a proxy before it takes no body as large as this"),
            (429, _) => "the registry wants fewer requests: wait, and push again".to_owned(),
            (500.., _) => format!("look into the log of {host}; what was sent is kept, push again"),
            _ => String::new(),
        };
        let words = if said.is_empty() { said } else { format!(": {said}") };
        ShipError::Refused { registry: host.clone(), what: what.to_owned(), status: status.as_u16(), words, mend }
    }
}

/// The reason in a registry's answer, which is JSON or some proxy's page.
fn reason(said: &str) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        detail: serde_json::Value,
    }
    let Ok(Errors { errors }) = serde_json::from_str(said) else {
        let line = said.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'));
        return line.unwrap_or_default().chars().take(WORDS).collect();
    };
    let words = errors.iter().map(|Reason { code, message, detail }| {
        let detail = if detail.is_null() { String::new() } else { format!(" {detail}") };
        format!("{code} {message}{detail}").trim().to_owned()
    });
    words.collect::<Vec<_>>().join(", ").chars().take(WORDS).collect()
}

/// TLS by the system's authorities, and those Docker is told of for this registry.
fn tls(host: &str) -> Result<rustls::ClientConfig, ShipError> {
    let refuse = |error: &dyn ToString| ShipError::Tls { words: error.to_string() };
    let mut roots = rustls::RootCertStore::empty();
    let own = Path::new("/etc/docker/certs.d").join(host).join("ca.crt");
    let own = rustls_native_certs::load_certs_from_paths(own.is_file().then_some(own.as_path()), None);
    // One that cannot be read is one less; without any, each handshake says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs.into_iter().chain(own.certs));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|error| refuse(&error))?.with_root_certificates(roots).with_no_client_auth())
}

/// What an error comes down to: its innermost cause, which names what happened.
fn words(mut error: &(dyn Error + 'static)) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_reasons_are_read_whatever_they_are_written_in() {
        let said = r#"{"errors":[{"code":"DENIED","message":"requested access is denied","detail":null}]}"#;
        assert_eq!(reason(said), "DENIED requested access is denied");
        let said = r#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"Err":28}}]}"#;
        assert_eq!(reason(said), "UNKNOWN unknown error {\"Err\":28}");
        assert_eq!(reason("<html>\n<body>\n  Bad gateway\n"), "Bad gateway");
        assert_eq!(reason(""), "");
    }
}
