//! Headers that go on to an endpoint, and those that come back.

use std::net::IpAddr;

use http::header::{
    CONNECTION, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers of one connection (RFC 9110, 7.6.1), beside those that `Connection` names.
const OF_ONE_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The headers of a request, for an endpoint. What says from where a request comes is written here: a caller may write
/// anything. `door`: its name in `Via`. None: the request was here before.
pub(super) fn onward(mut headers: HeaderMap, caller: IpAddr, door: &str) -> Option<HeaderMap> {
    let was_here = |via: &HeaderValue| via.to_str().is_ok_and(|via| via.contains(door));
    if headers.get_all(VIA).iter().any(was_here) {
        return None;
    }
    drop_hop(&mut headers);
    let host = headers.remove(HOST);
    for name in [EXPECT, FORWARDED, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, REAL_IP] {
        headers.remove(name);
    }
    if let Ok(address) = HeaderValue::from_str(&caller.to_canonical().to_string()) {
        headers.insert(FORWARDED_FOR, address);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    if let Ok(via) = HeaderValue::from_str(&format!("1.1 {door}")) {
        headers.append(VIA, via);
    }
    Some(headers)
}

/// Takes out what is of one connection.
pub(super) fn drop_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_ONE_HOP) {
        headers.remove(name);
    }
}

/// The one value of a header; none: it is not there.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| format!("the header {name} is no ASCII text")),
        (Some(_), Some(_)) => Err(format!("the header {name} is there twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let parsed = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse::<HeaderValue>().expect("a value"))
        };
        headers.iter().map(parsed).collect()
    }

    fn words(headers: &HeaderMap) -> Vec<String> {
        let mut words: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
        words.sort();
        words
    }

    #[test]
    fn headers_of_a_connection_and_forged_ones_end_at_the_door() {
        let headers = map(&[
            ("host", "door.example:6000"),
            ("connection", "keep-alive, X-Secret"),
            ("connection", "x-other"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "1.2.3.4"),
            ("dyninka-data", "images"),
            ("authorization", "Bearer x"),
            ("content-length", "4"),
            ("x-fado-bucket", "images"),
            ("via", "1.0 a, 1.1 b"),
        ]);
        let caller = "::ffff:10.0.0.9".parse().expect("an address");
        let onward = onward(headers, caller, "dyninka-1").expect("it was not here");
        let wanted = [
            "authorization: Bearer x",
            "content-length: 4",
            "dyninka-data: images",
            "via: 1.0 a, 1.1 b",
            "via: 1.1 dyninka-1",
            "x-fado-bucket: images",
            "x-forwarded-for: 10.0.0.9",
            "x-forwarded-host: door.example:6000",
            "x-forwarded-proto: http",
        ];
        assert_eq!(words(&onward), wanted);
        assert_eq!(super::onward(onward.clone(), caller, "dyninka-1"), None, "a circle");
        assert!(super::onward(onward, caller, "dyninka-2").is_some());
        let mut back = map(&[("connection", "close, x-a"), ("x-a", "1"), ("keep-alive", "1"), ("x-b", "2")]);
        drop_hop(&mut back);
        assert_eq!(words(&back), ["x-b: 2"]);
    }

    #[test]
    fn header_that_is_there_twice_says_nothing() {
        let headers = map(&[("a", "1"), ("b", "1"), ("b", "2")]);
        assert_eq!((one(&headers, "a"), one(&headers, "c")), (Ok(Some("1")), Ok(None)));
        assert!(one(&headers, "b").is_err_and(|why| why.contains("twice")));
        let odd: HeaderMap =
            [(HeaderName::from_static("a"), HeaderValue::from_bytes(b"\xff").expect("a value"))].into_iter().collect();
        assert!(one(&odd, "a").is_err_and(|why| why.contains("ASCII")));
    }
}
