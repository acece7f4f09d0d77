//! An answer before it is one of HTTP: to a connection, or to a service of the same host.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use protocol::header::{DATA_VERSION, FILTERED, NODES, PLACE, SERVER_TIMING, USAGE, VERSION};

use crate::problem::{CONTENT_TYPE, Problem};
use crate::wire::{Answer, Said};

/// An answer with what it says of those that took part in it.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    content_type: Option<&'static str>,
    /// The service that filtered.
    filtered: Option<String>,
    pub(crate) timing: String,
    pub(crate) versions: String,
    /// Other nodes that took part.
    pub(crate) nodes: String,
    /// Nanoseconds by service, where somebody is charged for them.
    pub(crate) usage: String,
    /// What was written to buckets.
    pub(crate) data_versions: String,
    /// Where services ran and copies were used.
    pub(crate) places: String,
}

impl Reply {
    fn new(status: StatusCode, body: Bytes, content_type: Option<&'static str>) -> Self {
        let (timing, versions, nodes, usage, data_versions, places) = Default::default();
        Self { status, body, content_type, filtered: None, timing, versions, nodes, usage, data_versions, places }
    }

    /// A value, as JSON.
    pub(crate) fn value(body: Bytes) -> Self {
        Self::new(StatusCode::OK, body, Some("application/json"))
    }

    /// Nothing: the service of that name filtered.
    pub(crate) fn filtered(by: String) -> Self {
        Self { filtered: Some(by), ..Self::new(StatusCode::NO_CONTENT, Bytes::new(), None) }
    }

    /// The answer of the same service in another host, as it is.
    pub(crate) fn passed_on(answer: Answer) -> Self {
        let Answer { status, said, body } = answer;
        let content_type = match said.content_type.as_deref() {
            Some(said) if said == CONTENT_TYPE => Some(CONTENT_TYPE),
            Some(_) => Some("application/json"),
            None => None,
        };
        let all = [said.timing, said.versions, said.nodes, said.usage, said.data_versions, said.places];
        let [timing, versions, nodes, usage, data_versions, places] = all.map(Option::unwrap_or_default);
        let known = Self::new(status, body, content_type);
        Self { filtered: said.filtered, timing, versions, nodes, usage, data_versions, places, ..known }
    }

    /// To a connection.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = self.content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if self.content_type == Some(CONTENT_TYPE) {
            say_how_to_mend(self.status, headers);
        }
        for (name, value) in [
            (FILTERED, self.filtered.unwrap_or_default()),
            (SERVER_TIMING, self.timing),
            (VERSION, self.versions),
            (NODES, self.nodes),
            (USAGE, self.usage),
            (DATA_VERSION, self.data_versions),
            (PLACE, self.places),
        ] {
            if let Ok(value) = HeaderValue::try_from(value)
                && !value.is_empty()
            {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }

    /// To a service of the same host: what it would have read of the response.
    pub(crate) fn into_answer(self) -> Answer {
        let said = Said {
            timing: Some(self.timing),
            versions: Some(self.versions),
            nodes: Some(self.nodes),
            usage: Some(self.usage),
            data_versions: Some(self.data_versions),
            places: Some(self.places),
            filtered: self.filtered,
            content_type: self.content_type.filter(|said| *said == CONTENT_TYPE).map(str::to_owned),
        };
        Answer { status: self.status, said, body: self.body }
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self::new(problem.status, problem.body, Some(CONTENT_TYPE))
    }
}

fn say_how_to_mend(status: StatusCode, headers: &mut HeaderMap) {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    // RFC 9110, 15.5.16: what would have been taken.
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}
