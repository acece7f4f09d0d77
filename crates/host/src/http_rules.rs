//! What HTTP asks of a request before anybody looks at what it is for (RFC 9110, RFC 9112). What hyper sees to is not
//! here: lengths, chunks, and a length beside chunks, after which the connection closes.

use http::header::{CONTENT_ENCODING, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Version};

use crate::guard::Refusal;

/// The methods of a service, as `Allow` tells of them.
pub(crate) const SERVED: &str = "GET, HEAD, POST";

/// Whether a service answers this method.
pub(crate) fn is_served(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::POST].contains(method)
}

/// Whether a request is for the service itself. `*` and no path at all are all of it: `OPTIONS *` asks for that, and
/// `CONNECT` names no path.
pub(crate) fn is_for_service<B>(request: &Request<B>) -> bool {
    match request.uri().path() {
        "/" => true,
        "*" | "" => !is_served(request.method()),
        _ => false,
    }
}

/// Whether a request is one that can be answered.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    let refuse = |status, kind, detail| Err(Refusal { kind, status, detail });
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() >= Version::HTTP_11 => {
            return refuse(StatusCode::BAD_REQUEST, "request", "the header Host is missing, which HTTP/1.1 asks for");
        }
        (_, Some(_)) => return refuse(StatusCode::BAD_REQUEST, "request", "the header Host is there twice"),
        (Some(host), None) if !is_host(host.as_bytes()) => {
            return refuse(StatusCode::BAD_REQUEST, "request", "the header Host is no name or address with a port");
        }
        _ => {}
    }
    if words(headers, &TRANSFER_ENCODING).any(|coding| !coding.eq_ignore_ascii_case(b"chunked")) {
        let detail = "a body is sent whole or in chunks (Transfer-Encoding: chunked), and not coded otherwise";
        return refuse(StatusCode::NOT_IMPLEMENTED, "unsupported", detail);
    }
    if words(headers, &EXPECT).any(|expected| !expected.eq_ignore_ascii_case(b"100-continue")) {
        let detail = "no expectation but 100-continue can be met";
        return refuse(StatusCode::EXPECTATION_FAILED, "unsupported", detail);
    }
    let is_plain = |coding: &[u8]| coding.eq_ignore_ascii_case(b"identity");
    if !request.method().is_safe() && !words(headers, &CONTENT_ENCODING).all(is_plain) {
        let detail = "the body must not be compressed: send it without Content-Encoding";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported", detail);
    }
    Ok(())
}

/// What a header lists, in however many lines.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).filter(|w| !w.is_empty())
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110, 7.2). An empty one is, where the target has no authority.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.iter().rposition(|byte| *byte == b']') {
        Some(end) if host.starts_with(b"[") => host.split_at(end + 1),
        _ => host.split_at(host.iter().position(|byte| *byte == b':').unwrap_or(host.len())),
    };
    let is_name = match name {
        [b'[', inside @ .., b']'] => !inside.is_empty() && inside.iter().all(|byte| is_plain(*byte) || *byte == b':'),
        name => name.iter().all(|byte| is_plain(*byte) || *byte == b'%'),
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_name && is_port
}

/// `unreserved` and `sub-delims` (RFC 3986, 2.2 and 2.3).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn ask(version: Version, method: &str, headers: &[(&str, &str)]) -> u16 {
        let request = Request::builder().version(version).method(method).uri("/");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        check(&request.body(()).unwrap()).map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    fn post(headers: &[(&str, &str)]) -> u16 {
        ask(Version::HTTP_11, "POST", &[&[("host", "localhost")], headers].concat())
    }

    #[test]
    fn http_1_1_has_one_host_and_1_0_may_have_none() {
        assert_eq!(ask(Version::HTTP_11, "GET", &[]), 400);
        assert_eq!(ask(Version::HTTP_10, "GET", &[]), 200);
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(ask(version, "GET", &[("host", "a"), ("host", "a")]), 400);
            for host in ["a", "a:80", "a_b.c", "127.0.0.1:8080", "[::1]", "[::1]:8080", "[fe80::1%25eth0]", "a:", ""] {
                let expected = if host.contains('%') { 400 } else { 200 };
                assert_eq!(ask(version, "GET", &[("host", host)]), expected, "{host}");
            }
            for host in ["a b", "a/b", "http://a", "a@b", "a:x", "a:80:80", "[::1", "::1", "[]", "[a]b", "a?b", "a#b"] {
                assert_eq!(ask(version, "GET", &[("host", host)]), 400, "{host}");
            }
        }
    }

    #[test]
    fn coded_bodies_are_refused_and_plain_ones_are_not() {
        for coding in ["gzip", "GZIP", "br", "zstd", "deflate", "identity, gzip", "x", "aws-chunked"] {
            assert_eq!(post(&[("content-encoding", coding)]), 415, "{coding}");
            assert_eq!(ask(Version::HTTP_11, "GET", &[("host", "a"), ("content-encoding", coding)]), 200, "no body");
        }
        assert_eq!(post(&[("content-encoding", "identity"), ("content-encoding", "gzip")]), 415);
        for plain in ["identity", "Identity", "", " , "] {
            assert_eq!(post(&[("content-encoding", plain)]), 200, "{plain}");
        }
        for coding in ["gzip, chunked", "identity, chunked", "x"] {
            assert_eq!(post(&[("transfer-encoding", coding)]), 501, "{coding}");
        }
        assert_eq!(post(&[("transfer-encoding", "Chunked")]), 200);
    }

    #[test]
    fn what_cannot_be_met_is_not_waited_for() {
        for expected in ["200-ok", "100-continue, x", "x=y", "100"] {
            assert_eq!(post(&[("expect", expected)]), 417, "{expected}");
        }
        assert_eq!(post(&[("expect", "100-Continue")]), 200);
        assert_eq!(post(&[]), 200);
    }

    #[test]
    fn a_target_without_a_path_is_the_service_only_for_methods_that_ask_for_all_of_it() {
        let is = |method: &str, target: &str| {
            is_for_service(&Request::builder().method(method).uri(target).body(()).unwrap())
        };
        for (method, target) in
            [("GET", "/"), ("GET", "/?a=b"), ("GET", "http://a"), ("OPTIONS", "*"), ("CONNECT", "a:80"), ("BREW", "/")]
        {
            assert!(is(method, target), "{method} {target}");
        }
        for (method, target) in [("GET", "*"), ("GET", "//"), ("GET", "/x"), ("DELETE", "/x"), ("POST", "/healthz/")] {
            assert!(!is(method, target), "{method} {target}");
        }
        assert!(["GET", "HEAD", "POST"].iter().all(|method| is_served(&method.parse().unwrap())));
        assert!(!["OPTIONS", "TRACE", "CONNECT", "PUT", "get", "BREW"].iter().any(|m| is_served(&m.parse().unwrap())));
        assert_eq!(SERVED.split(", ").filter(|method| is_served(&method.parse().unwrap())).count(), 3);
    }
}
