//! Requests to one registry: TLS, who we are, and what its refusals mean.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_auth::parser::ChallengeParser;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::credential::{self, Credential};
use super::{Address, ShipError};

/// A registry that is there takes a connection within this.
const CONNECT: Duration = Duration::from_secs(10);
/// A registry that works says something within this.
const SILENCE: Duration = Duration::from_secs(60);
/// Of what a registry says, so much is told.
const WORDS: usize = 300;

/// The way to one registry.
pub(crate) struct Transport {
    client: Client,
    address: Address,
    credential: Option<Credential>,
    /// What the last challenge was met with.
    answer: Mutex<Option<HeaderValue>>,
}

/// A request, to be made as often as it takes.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'a str>,
    /// Media type and bytes.
    pub(crate) body: Option<(&'a str, Bytes)>,
    /// What for, after "failed to".
    pub(crate) what: String,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Transport {
    pub(crate) async fn open(address: Address, docker_config: Option<PathBuf>) -> Result<Self, ShipError> {
        let login = address.login().to_owned();
        let host = address.host.clone();
        // Helpers are programs, and certificates a hundred files.
        let found = tokio::task::spawn_blocking(move || {
            let credential = docker_config.map(|folder| credential::find(&folder, &login)).transpose()?;
            Ok::<_, ShipError>((credential.flatten(), tls(&host)?))
        });
        let (credential, tls) = found.await.map_err(|error| ShipError::Tls { words: error.to_string() })??;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("dyninka/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ShipError::Tls { words: words(&error) })?;
        Ok(Self { client, address, credential, answer: Mutex::default() })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The URL of something below `/v2/`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, ShipError> {
        let text = format!("{}{path}", self.address.api());
        Url::parse(&text).map_err(|error| ShipError::Address { text, words: error.to_string() })
    }

    /// Asks; who we are is said where the registry wants to know. Any answer but a refusal for want of that comes back.
    pub(crate) async fn ask(&self, ask: &Ask<'_>) -> Result<Response, ShipError> {
        let response = self.send(ask).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !self.is_own(&ask.url) {
            return Ok(response);
        }
        let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|header| header.to_str().ok());
        let challenges: Vec<String> = challenges.map(str::to_owned).collect();
        match self.meet(&challenges, &ask.what).await? {
            Some(answer) => {
                *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                self.send(ask).await
            }
            None => Ok(response),
        }
    }

    async fn send(&self, ask: &Ask<'_>) -> Result<Response, ShipError> {
        let mut request = self.client.request(ask.method.clone(), ask.url.clone());
        if let Some(accept) = ask.accept {
            request = request.header(reqwest::header::ACCEPT, accept);
        }
        if let Some((kind, body)) = &ask.body {
            request = request.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(answer) = answer.filter(|_| self.is_own(&ask.url)) {
            request = request.header(AUTHORIZATION, answer);
        }
        self.deliver(request, &ask.what).await
    }

    async fn deliver(&self, request: RequestBuilder, what: &str) -> Result<Response, ShipError> {
        request.send().await.map_err(|error| {
            let words = words(&error);
            let host = &self.address.host;
            let mend = if words.contains("InvalidContentType") || words.contains("record") {
                format!("{host} seems to speak without TLS: give it as http://{host}")
            } else if words.contains("certificate") || words.contains("UnknownIssuer") {
                format!(
                    "have its authority's certificate trusted: in the system's, or as /etc/docker/certs.d/{host}/ca.crt"
                )
            } else {
                format!("is a registry running at {host}, and is the network up; what was sent is kept, push again")
            };
            ShipError::Unreachable { registry: host.clone(), what: what.to_owned(), words, mend }
        })
    }

    /// Whether a URL is the registry's own: uploads may be sent elsewhere, where credentials are not to go.
    fn is_own(&self, url: &Url) -> bool {
        Url::parse(&self.address.api()).is_ok_and(|own| own.origin() == url.origin())
    }

    /// The header that meets a challenge; `None` where we have nothing to meet it with.
    async fn meet(&self, challenges: &[String], what: &str) -> Result<Option<HeaderValue>, ShipError> {
        let unsound =
            |words: String| ShipError::Unsound { registry: self.address.host.clone(), what: what.to_owned(), words };
        for challenge in challenges.iter().flat_map(|header| ChallengeParser::new(header).flatten()) {
            let value = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                let Some(Credential::Basic(user, password)) = &self.credential else { return Ok(None) };
                let request = self.client.get(self.address.api()).basic_auth(user, Some(password));
                let request = request.build().map_err(|error| unsound(words(&error)))?;
                return Ok(request.headers().get(AUTHORIZATION).cloned());
            }
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let realm = value("realm").ok_or_else(|| unsound("a challenge without a realm".to_owned()))?;
                let url = Url::parse(&realm).map_err(|error| unsound(format!("the realm {realm:?}: {error}")))?;
                if url.scheme() != "https" && !self.address.plain {
                    return Err(unsound(format!("tokens are to be had without TLS at {realm}")));
                }
                let token = self.token(url, value("service"), value("scope"), what).await?;
                let mut header = HeaderValue::try_from(format!("Bearer {token}"))
                    .map_err(|_| unsound("a token that fits no header".to_owned()))?;
                header.set_sensitive(true);
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// A token of the registry's token server.
    async fn token(
        &self,
        url: Url,
        service: Option<String>,
        scope: Option<String>,
        what: &str,
    ) -> Result<String, ShipError> {
        let mut fields: Vec<(&str, String)> = Vec::new();
        fields.extend(service.map(|service| ("service", service)));
        fields.extend(scope.map(|scope| ("scope", scope)));
        let request = match &self.credential {
            Some(Credential::Identity(token)) => {
                fields.extend([
                    ("grant_type", "refresh_token".to_owned()),
                    ("client_id", "dyninka".to_owned()),
                    ("refresh_token", token.clone()),
                ]);
                self.client.post(url).form(&fields)
            }
            Some(Credential::Basic(user, password)) => {
                self.client.get(url).query(&fields).basic_auth(user, Some(password))
            }
            None => self.client.get(url).query(&fields),
        };
        let response = self.deliver(request, what).await?;
        if !response.status().is_success() {
            return Err(self.refuse(response, what).await);
        }
        let unsound =
            |words: String| ShipError::Unsound { registry: self.address.host.clone(), what: what.to_owned(), words };
        let token: Token = response.json().await.map_err(|error| unsound(format!("no token: {}", words(&error))))?;
        token.token.or(token.access_token).ok_or_else(|| unsound("an empty token".to_owned()))
    }

    /// An answer that is a refusal, in words.
    pub(crate) async fn refuse(&self, response: Response, what: &str) -> ShipError {
        let status = response.status();
        // That its reasons cannot be read takes nothing from the refusal.
        let said = response.text().await.unwrap_or_default();
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
pub(crate) fn words(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = cause.to_string();
        source = cause.source();
    }
    if error.is_timeout() { "nothing came back in time".to_owned() } else { words }
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
