//! The client of a data server.

use std::path::Path;

use futures_util::StreamExt as _;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use session::Home;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::arguments::Data;
use crate::fault::{Fault, Kind};
use crate::speech;

/// A data server, and what opens it.
pub(crate) struct DataClient {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl DataClient {
    /// The server that is named, or the one that runs here.
    pub(crate) fn open(data: &Data) -> Result<Self, Fault> {
        Self::of(data.server.as_deref(), data.token_file.as_deref())
    }

    /// The server that runs here.
    #[cfg(feature = "web")]
    pub(crate) fn here() -> Result<Self, Fault> {
        Self::of(None, None)
    }

    fn of(server: Option<&str>, token_file: Option<&Path>) -> Result<Self, Fault> {
        let files = Home::open()?.data_server();
        let none =
            || Fault::new(Kind::App, "no data server runs here").hint("dyn data serve --config data.toml starts one");
        let url = match server {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let address = std::fs::read_to_string(&files.address).map_err(|_| none())?;
                format!("http://{}", address.trim())
            }
        };
        let file = token_file.map_or(files.token, Path::to_owned);
        let token = std::fs::read_to_string(&file);
        let token = token.map_err(|error| {
            Fault::new(Kind::Machine, format!("cannot read the token {}: {error}", file.display()))
                .hint("--token-file names the file that the server said at its start")
        })?;
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|error| Fault::new(Kind::Machine, error))?;
        Ok(Self { client, url, token: token.trim().to_owned() })
    }

    pub(super) fn root(&self) -> &str {
        &self.url
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/v1/{path}", self.url)).bearer_auth(&self.token)
    }

    fn unreachable(&self, error: reqwest::Error) -> Fault {
        let why = protocol::error_chain(&error.without_url());
        Fault::new(Kind::App, format!("cannot reach the data server at {}: {why}", self.url))
            .hint("dyn data serve starts one; --server names another")
    }

    /// Asks for a path as it is, or posts JSON there: status and body, with the words alone of a problem document.
    #[cfg(feature = "web")]
    pub(crate) async fn relay(&self, path: &str, body: Option<Vec<u8>>) -> Result<(u16, Vec<u8>), Fault> {
        let url = format!("{}{path}", self.url);
        let request = match body {
            Some(body) => self.client.post(url).header("content-type", "application/json").body(body),
            None => self.client.get(url),
        };
        let answer = request.bearer_auth(&self.token).send().await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(error))?;
        let said = if status.is_success() { text } else { refusal(status, &text).words() };
        Ok((status.as_u16(), said.into_bytes()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, Fault> {
        let unreachable = |error| self.unreachable(error);
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        Err(refusal(status, &answer.text().await.map_err(unreachable)?))
    }

    /// The answer to a request, where it is a good one.
    pub(super) async fn text(&self, request: RequestBuilder) -> Result<String, Fault> {
        let answer = self.send(request).await?;
        answer.text().await.map_err(|error| Fault::new(Kind::App, error.without_url()))
    }

    pub(super) async fn value(&self, request: RequestBuilder) -> Result<Value, Fault> {
        let text = self.text(request).await?;
        serde_json::from_str(&text)
            .map_err(|error| Fault::new(Kind::App, format!("the data server answered no JSON: {error}")))
    }

    /// Reads an object, and writes it to a file or to standard output.
    pub(super) async fn fetch(&self, path: &str, store: Option<&str>, file: Option<&Path>) -> Result<(), Fault> {
        // This client has no TLS of its own, which a URL of a store may need.
        let query: Vec<(&str, &str)> =
            [("through", "true")].into_iter().chain(store.map(|store| ("store", store))).collect();
        let request = self.request(Method::GET, &object(path)?).query(&query);
        let answer = self.send(request).await?;
        let mut bytes = answer.bytes_stream();
        let ended = |error: reqwest::Error| {
            Fault::new(Kind::App, format!("{path} did not come to its end: {}", error.without_url()))
        };
        let Some(file) = file else {
            while let Some(piece) = bytes.next().await {
                // Whoever reads it may have seen enough.
                if speech::script(&piece.map_err(ended)?).is_err() {
                    break;
                }
            }
            return Ok(());
        };
        let wrong =
            |error: std::io::Error| Fault::new(Kind::Machine, format!("cannot write {}: {error}", file.display()));
        // It is there whole, or as it was.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let aside = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
        let mut written = tokio::fs::File::create(aside.path()).await.map_err(wrong)?;
        while let Some(piece) = bytes.next().await {
            written.write_all(&piece.map_err(ended)?).await.map_err(wrong)?;
        }
        written.sync_all().await.map_err(wrong)?;
        aside.persist(file).map(drop).map_err(|error| wrong(error.error))
    }
}

/// A problem document in words.
fn refusal(status: StatusCode, text: &str) -> Fault {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => Fault::new(Kind::App, format!("{detail} ({})", status.as_u16())),
        None => Fault::new(Kind::App, format!("{status}: {text}")),
    }
}

/// The path of an object, out of BUCKET/KEY.
pub(super) fn object(path: &str) -> Result<String, Fault> {
    let wrong = || Fault::new(Kind::Usage, format!("{path} names no object")).hint("write BUCKET/KEY");
    let (bucket, key) = path.split_once('/').filter(|(_, key)| !key.is_empty()).ok_or_else(wrong)?;
    Ok(format!("objects/{}/{}", escaped(bucket), escaped(key)))
}

/// A text as a part of a path; slashes stay.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A file, piece by piece.
pub(super) fn pieces(file: tokio::fs::File) -> reqwest::Body {
    let pieces = futures_util::stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; 256 << 10];
        let count = file.read(&mut piece).await?;
        piece.truncate(count);
        Ok::<_, std::io::Error>((count > 0).then_some((piece, file)))
    });
    reqwest::Body::wrap_stream(pieces)
}
