//! Who may ask for what: one decision for every request, before anything else looks at it. Pure.

use axum::http::{HeaderMap, Method, Uri, header};

use crate::key::Role;

/// The name that the page is reached by, and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// `building-f32110ef.localhost:7411`.
    host: String,
    port: u16,
}

/// The decision about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It may go on.
    Open,
    /// The page has another name: this address.
    Elsewhere(String),
    /// It may not, with a status and the reason.
    Refused(u16, &'static str),
}

/// A path that anybody on this machine may ask for.
pub(crate) fn is_public(path: &str, is_file: bool) -> bool {
    is_file || matches!(path, "/" | "/enter" | "/alive")
}

impl Door {
    pub(crate) fn new(name: &str, port: u16) -> Self {
        Self { host: format!("{name}.localhost:{port}"), port }
    }

    /// The only origin that may ask: `http://building-f32110ef.localhost:7411`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    /// Decides about a request; `is_file` says whether its path is one of the page's files, `visitor` whose cookie it has.
    pub(crate) fn pass(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        is_file: bool,
        visitor: Option<Role>,
    ) -> Passage {
        let path = uri.path();
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Passage::Refused(400, "one Host header is needed");
        };
        let host = host.to_str().unwrap_or_default();
        if uri.authority().is_some_and(|authority| authority.as_str() != host) {
            return Passage::Refused(400, "the request names two hosts");
        }
        if host != self.host {
            let is_loopback =
                ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| *host == format!("{name}:{}", self.port));
            return match is_loopback && path == "/" && method == Method::GET {
                true => Passage::Elsewhere(format!("{}/", self.origin())),
                false => Passage::Refused(421, "this host name is not the page's"),
            };
        }
        let is_live = path == "/live";
        if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
            return Passage::Refused(405, "there are GET and POST");
        }
        match headers.get(header::ORIGIN).map(|origin| origin.as_bytes() == self.origin().as_bytes()) {
            Some(true) => {}
            Some(false) => return Passage::Refused(403, "another origin has no business here"),
            None if is_live || method == Method::POST => return Passage::Refused(403, "the Origin header is missing"),
            None => {}
        }
        match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
            None | Some(b"same-origin") => {}
            // Typed, or opened by a program.
            Some(b"none") if method == Method::GET && path == "/" => {}
            Some(_) => return Passage::Refused(403, "another site has no business here"),
        }
        if is_public(path, is_file) {
            return Passage::Open;
        }
        match visitor {
            None => Passage::Refused(401, "this browser was not let in: `dyn ui FILE` opens the page"),
            // Every deed is a POST.
            Some(Role::Reader) if method == Method::POST && path != "/leave" => {
                Passage::Refused(403, "this page may look only")
            }
            Some(_) => Passage::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const NAME: &str = "building-f3.localhost:7411";
    const OWN: &str = "http://building-f3.localhost:7411";

    /// Method, path, headers, whether it has the cookie; the status, 0 where it may go on, 1 where it goes elsewhere.
    type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], bool, u16);

    const CASES: &[Case] = &[
        ("GET", "/", &[("host", NAME)], false, 0),
        ("GET", "/", &[("host", NAME), ("sec-fetch-site", "none")], false, 0),
        ("GET", "/", &[("host", NAME), ("sec-fetch-site", "cross-site")], false, 403),
        ("GET", "/", &[("host", NAME), ("sec-fetch-site", "same-site")], true, 403),
        ("GET", "/run.js", &[("host", NAME), ("sec-fetch-site", "same-origin")], false, 0),
        ("GET", "/run.js", &[("host", NAME), ("sec-fetch-site", "cross-site")], true, 403),
        ("GET", "/run.js", &[("host", NAME), ("sec-fetch-site", "none")], true, 403),
        ("GET", "/", &[("host", "127.0.0.1:7411")], false, 1),
        ("GET", "/", &[("host", "localhost:7411")], false, 1),
        ("GET", "/", &[("host", "[::1]:7411")], false, 1),
        ("GET", "/v1/snapshot", &[("host", "127.0.0.1:7411")], true, 421),
        ("POST", "/", &[("host", "127.0.0.1:7411"), ("origin", OWN)], true, 421),
        ("GET", "/", &[("host", "127.0.0.1:8080")], false, 421),
        ("GET", "/", &[("host", "evil.example:7411")], false, 421),
        ("GET", "/", &[("host", "building-f3.localhost")], false, 421),
        ("GET", "/", &[("host", "building-f3.localhost:7411.evil.example")], false, 421),
        ("GET", "/", &[("host", "x.building-f3.localhost:7411")], false, 421),
        ("GET", "/", &[("host", "0.0.0.0:7411")], false, 421),
        ("GET", "/", &[("host", "[::]:7411")], false, 421),
        ("GET", "/", &[], false, 400),
        ("GET", "/", &[("host", NAME), ("host", "evil.example")], false, 400),
        ("GET", "http://evil.example/", &[("host", NAME)], false, 400),
        ("GET", "/v1/snapshot", &[("host", NAME)], false, 401),
        ("GET", "/v1/snapshot", &[("host", NAME)], true, 0),
        ("GET", "/v1/snapshot", &[("host", NAME), ("origin", "http://evil.example")], true, 403),
        ("GET", "/v1/snapshot", &[("host", NAME), ("origin", "null")], true, 403),
        ("GET", "/v1/snapshot", &[("host", NAME), ("sec-fetch-site", "same-site")], true, 403),
        ("GET", "/nowhere", &[("host", NAME)], false, 401),
        ("POST", "/v1/commands", &[("host", NAME)], true, 403),
        ("POST", "/v1/commands", &[("host", NAME), ("origin", OWN)], true, 0),
        ("POST", "/v1/commands", &[("host", NAME), ("origin", OWN)], false, 401),
        ("POST", "/v1/commands", &[("host", NAME), ("origin", "http://building-f3.localhost:7412")], true, 403),
        ("POST", "/v1/commands", &[("host", NAME), ("origin", "https://building-f3.localhost:7411")], true, 403),
        ("POST", "/enter", &[("host", NAME), ("origin", OWN)], false, 0),
        ("POST", "/enter", &[("host", NAME)], false, 403),
        ("POST", "/enter", &[("host", "evil.example:7411"), ("origin", OWN)], false, 421),
        ("GET", "/live", &[("host", NAME)], true, 403),
        ("GET", "/live", &[("host", NAME), ("origin", OWN)], true, 0),
        ("GET", "/live", &[("host", NAME), ("origin", OWN)], false, 401),
        ("GET", "/live", &[("host", NAME), ("origin", "http://evil.example")], true, 403),
        ("GET", "/alive", &[("host", NAME), ("sec-fetch-site", "same-origin")], false, 0),
        ("GET", "/alive", &[("host", NAME), ("sec-fetch-site", "cross-site")], false, 403),
        ("PUT", "/v1/commands", &[("host", NAME), ("origin", OWN)], true, 405),
        ("OPTIONS", "/v1/commands", &[("host", NAME), ("origin", "http://evil.example")], true, 405),
    ];

    #[test]
    fn the_door_decides_by_host_origin_site_and_cookie() {
        let door = Door::new("building-f3", 7411);
        for (method, path, sent, is_known, wanted) in CASES {
            let mut headers = HeaderMap::new();
            for (name, value) in *sent {
                headers.append(*name, HeaderValue::from_static(value));
            }
            let (method, uri) = (method.parse::<Method>().unwrap_or_default(), path.parse::<Uri>().unwrap_or_default());
            let visitor = is_known.then_some(Role::Owner);
            let passage = door.pass(&method, &uri, &headers, *path == "/run.js", visitor);
            let status = match &passage {
                Passage::Open => 0,
                Passage::Elsewhere(address) => u16::from(*address == format!("{OWN}/")),
                Passage::Refused(status, _) => *status,
            };
            assert_eq!(status, *wanted, "{method} {path} {sent:?} {is_known}: {passage:?}");
        }
    }

    #[test]
    fn a_reader_looks_at_everything_and_does_nothing() {
        let door = Door::new("building-f3", 7411);
        let mut headers = HeaderMap::new();
        headers.append("host", HeaderValue::from_static(NAME));
        headers.append("origin", HeaderValue::from_static(OWN));
        let passes = |method: Method, path: &'static str| {
            door.pass(&method, &Uri::from_static(path), &headers, false, Some(Role::Reader)) == Passage::Open
        };
        for path in ["/v1/snapshot", "/v1/requests/1", "/live", "/"] {
            assert!(passes(Method::GET, path), "{path}");
        }
        for path in ["/v1/commands", "/v1/anything", "/live"] {
            assert!(!passes(Method::POST, path), "{path}");
        }
        assert!(passes(Method::POST, "/leave") && passes(Method::POST, "/enter"), "it comes and goes");
    }
}
