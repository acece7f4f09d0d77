//! Whom a host lets in, by what they call it and by the page they come from.
//!
//! A page whose owner points a name of his at 127.0.0.1 is, to the browser, of one origin with the app (DNS
//! rebinding): it may send what it likes and read what comes. What gives it away is `Host`, which the browser sets. So
//! a host of a session on somebody's machine answers under addresses and names that cannot be anybody else's; behind an
//! ingress, where any name may be right, it is told no names and asks for none.

use std::collections::HashSet;
use std::net::IpAddr;

use http::{HeaderMap, Request, StatusCode, header};
use protocol::Config;

/// What a host may be called.
#[derive(Debug)]
pub(crate) struct Names(Option<HashSet<String>>);

/// A caller who is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) detail: &'static str,
}

const MISDIRECTED: Refusal = Refusal {
    kind: "misdirected",
    status: StatusCode::MISDIRECTED_REQUEST,
    detail: "nothing here has the name in Host: call it by its address or as localhost; \
             dyn dev --allow-host NAME lets a name of your own in",
};
const FOREIGN: Refusal = Refusal {
    kind: "forbidden",
    status: StatusCode::FORBIDDEN,
    detail: "a page of another site has no business here; dyn dev --allow-host NAME lets the pages of a name in",
};

impl Names {
    /// The names a configuration gives and those of the services; none where it leaves them open.
    pub(crate) fn new(config: &Config) -> Self {
        let Some(names) = &config.names else { return Self(None) };
        let peers = config.peers.values().map(|peer| &peer.host);
        Self(Some(names.iter().chain(peers).map(|name| name.trim_end_matches('.').to_ascii_lowercase()).collect()))
    }

    /// Whether a request may come in.
    pub(crate) fn admit<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let Some(names) = &self.0 else { return Ok(()) };
        let headers = request.headers();
        // A target that names its own authority goes before `Host`; both have to be right.
        let target = request.uri().authority().map(http::uri::Authority::as_str);
        let hosts = || headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?")).chain(target);
        let is_called = |host| name_of(host).is_some_and(|name| is_own(names, name) || address(name).is_some());
        if !hosts().all(is_called) {
            return Err(MISDIRECTED);
        }
        let mut origins = headers.get_all(header::ORIGIN).iter().peekable();
        if origins.peek().is_none() {
            return if is_foreign(headers) { Err(FOREIGN) } else { Ok(()) };
        }
        let is_welcome = |origin: &str| {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some_and(|authority| {
                name_of(authority).is_some_and(|name| is_own(names, name)) || hosts().any(|host| host == authority)
            })
        };
        if origins.all(|origin| origin.to_str().is_ok_and(is_welcome)) { Ok(()) } else { Err(FOREIGN) }
    }
}

/// Whether a browser says that a page of another site asks, and not the person who follows a link. Without `Origin`:
/// that is how pictures and scripts are asked for.
fn is_foreign(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    is("sec-fetch-site", "cross-site") && !(is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document"))
}

/// An authority without its port; none where that is no port.
fn name_of(authority: &str) -> Option<&str> {
    let (name, port) = match authority.rfind(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    is_port.then_some(name)
}

/// Names that lead nowhere but here: no resolver is asked for `localhost`, nor for those below it (RFC 6761).
fn is_own(names: &HashSet<String>, name: &str) -> bool {
    if let Some(address) = address(name) {
        return address.to_canonical().is_loopback();
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || names.contains(&name)
}

/// An address is nobody's to point elsewhere.
fn address(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => name.parse().ok().filter(IpAddr::is_ipv4),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn names() -> Names {
        Names(Some(HashSet::from(["moving-avg".to_owned(), "dev.example".to_owned()])))
    }

    fn ask(names: &Names, target: &str, headers: &[(&str, &str)]) -> u16 {
        let request = headers.iter().fold(Request::builder().uri(target), |request, (name, value)| {
            request.header(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        names.admit(&request.body(()).unwrap()).map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    #[test]
    fn names_that_may_be_somebody_elses_are_refused() {
        let names = names();
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.8.9.1",
            "localhost",
            "LocalHost:80",
            "localhost.",
            "app.localhost:8080",
            "[::1]",
            "[::1]:8080",
            "192.0.2.7:8080",
            "[2001:db8::1]:1",
            "moving-avg:8080",
            "dev.example",
            "Dev.Example.:1",
        ] {
            assert_eq!(ask(&names, "/", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "moving-avg.evil.example",
            "x.dev.example",
            "",
            ":8080",
            "[evil.example]",
            "[127.0.0.1]",
            "::1",
            "127.0.0.1:x",
            "127.0.0.1@evil.example",
            "2130706433",
            "0x7f.1",
            "[::1",
            "ev\u{ef}l",
        ] {
            assert_eq!(ask(&names, "/", &[("host", host)]), 421, "{host}");
        }
        // Programs of old say nothing; a browser always does.
        assert_eq!(ask(&names, "/", &[]), 200);
        assert_eq!(ask(&names, "/", &[("host", "localhost"), ("host", "evil.example")]), 421);
        assert_eq!(ask(&names, "http://evil.example/", &[("host", "localhost")]), 421);
        assert_eq!(ask(&names, "http://localhost/", &[("host", "localhost")]), 200);
        assert_eq!(ask(&Names(None), "/", &[("host", "shop.example"), ("origin", "https://shop.example")]), 200);
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let names = names();
        let origin = |host: &str, origin: &str| ask(&names, "/", &[("host", host), ("origin", origin)]);
        for own in ["http://localhost:3000", "http://127.0.0.1:8080", "https://dev.example", "http://[::1]:1"] {
            assert_eq!(origin("127.0.0.1:8080", own), 200, "{own}");
        }
        for foreign in
            ["http://evil.example", "null", "http://192.0.2.7", "", "http://localhost.evil.example", "file://"]
        {
            assert_eq!(origin("127.0.0.1:8080", foreign), 403, "{foreign}");
        }
        assert_eq!(origin("192.0.2.7:8080", "http://192.0.2.7:8080"), 200, "its own page");
        let fetch = |site: &str, mode: &str, dest: &str| {
            let headers = [("host", "localhost"), ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
            ask(&names, "/", &[&headers[..], &[("sec-fetch-dest", dest)]].concat())
        };
        assert_eq!(fetch("cross-site", "no-cors", "image"), 403);
        assert_eq!(fetch("cross-site", "navigate", "iframe"), 403);
        assert_eq!(fetch("cross-site", "navigate", "document"), 200, "somebody follows a link");
        assert_eq!(fetch("same-site", "no-cors", "image"), 200);
        assert_eq!(fetch("none", "navigate", "document"), 200);
    }
}
