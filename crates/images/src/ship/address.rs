//! Where a registry is, and what of it is ours.

use std::fmt;
use std::net::Ipv6Addr;

use super::ShipError;

/// What repositories are below, where the address names nothing.
const BELOW: &str = "dyninka";
/// What Docker's own registry is called by people, and by its API.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A registry's address, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryAddress {
    /// Whether it is spoken to without TLS.
    pub(crate) plain: bool,
    /// `host[:port]`, as images are referred to by.
    pub(crate) host: String,
    /// What repositories are below.
    pub(crate) below: String,
}

impl RegistryAddress {
    /// Reads `[http://|https://]host[:port][/path]`. Without a scheme, TLS is left out for this very machine alone, as
    /// Docker and containerd do.
    pub fn read(text: &str) -> Result<Self, ShipError> {
        let refuse = |words: &str| ShipError::Address { text: text.to_owned(), words: words.to_owned() };
        let trimmed = text.trim();
        let (plain, rest) = match (trimmed.strip_prefix("http://"), trimmed.strip_prefix("https://")) {
            (Some(rest), _) => (Some(true), rest),
            (_, Some(rest)) => (Some(false), rest),
            _ => (None, trimmed),
        };
        let rest = rest.trim_end_matches('/');
        let (host, below) = rest.split_once('/').unwrap_or((rest, BELOW));
        if host.is_empty() {
            return Err(refuse("it names no host"));
        }
        if host.contains('@') {
            return Err(refuse("credentials belong to `docker login`, not into an address"));
        }
        let (name, port) = split(host).ok_or_else(|| refuse("the port is no number"))?;
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        if !(is_name(name) && !name.is_empty() || is_ipv6(name)) {
            return Err(refuse("the host is no name or address"));
        }
        if plain.is_none() && port.is_none() && !name.contains('.') && name != "localhost" {
            return Err(refuse("the host has no dot and no port, so Docker would take it for a folder of docker.io"));
        }
        let is_part = |part: &str| {
            let ends = [part.bytes().next(), part.bytes().last()];
            ends.iter().all(|end| end.is_some_and(|end| end.is_ascii_lowercase() || end.is_ascii_digit()))
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
        };
        if !below.split('/').all(is_part) {
            return Err(refuse("a path is lower-case letters, digits and - _ . between slashes"));
        }
        let plain = plain.unwrap_or_else(|| is_here(name));
        Ok(Self { plain, host: host.to_owned(), below: below.to_owned() })
    }

    /// The base of its API, with a slash at its end.
    pub(crate) fn api(&self) -> String {
        let host = if self.host == HUB.0 { HUB.1 } else { &self.host };
        format!("{}://{host}/v2/", if self.plain { "http" } else { "https" })
    }

    /// What Docker's configuration calls it.
    pub(crate) fn login(&self) -> &str {
        if self.host == HUB.0 { "https://index.docker.io/v1/" } else { &self.host }
    }
}

impl fmt::Display for RegistryAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.below)
    }
}

/// Host and port; `None` where what stands behind the colon is no port.
fn split(host: &str) -> Option<(&str, Option<u16>)> {
    let behind = host.rfind(']').map_or(0, |at| at + 1);
    match host[behind..].split_once(':') {
        Some((_, port)) => {
            let name = &host[..host.len() - port.len() - 1];
            Some((name, Some(port.parse().ok()?)))
        }
        None => Some((host, None)),
    }
}

fn is_ipv6(name: &str) -> bool {
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    inside.is_some_and(|inside| inside.parse::<Ipv6Addr>().is_ok())
}

/// Whether a host is this machine: what Docker and containerd speak to without TLS.
pub(crate) fn is_here(name: &str) -> bool {
    name == "localhost" || name == "[::1]" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, plain, host, below, api) in [
            ("localhost:5000", true, "localhost:5000", "dyninka", "http://localhost:5000/v2/"),
            ("127.0.0.1:5000/", true, "127.0.0.1:5000", "dyninka", "http://127.0.0.1:5000/v2/"),
            ("[::1]:5000/a", true, "[::1]:5000", "a", "http://[::1]:5000/v2/"),
            ("ghcr.io/me/apps", false, "ghcr.io", "me/apps", "https://ghcr.io/v2/"),
            ("http://registry:5000/x", true, "registry:5000", "x", "http://registry:5000/v2/"),
            ("https://localhost:5000", false, "localhost:5000", "dyninka", "https://localhost:5000/v2/"),
            ("docker.io/me", false, "docker.io", "me", "https://registry-1.docker.io/v2/"),
            ("10.0.0.7:5000", false, "10.0.0.7:5000", "dyninka", "https://10.0.0.7:5000/v2/"),
        ] {
            let address = RegistryAddress::read(text).unwrap();
            assert_eq!((address.plain, &*address.host, &*address.below, &*address.api()), (plain, host, below, api));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "no host"),
            ("http://", "no host"),
            ("user:secret@host.de", "docker login"),
            ("host.de:http", "port"),
            ("ho st.de", "no name"),
            ("[::g]:5000", "no name"),
            ("dyninka/apps", "docker.io"),
            ("host.de/Upper", "lower-case"),
            ("host.de/a//b", "lower-case"),
            ("host.de/-a", "lower-case"),
        ] {
            let refused = RegistryAddress::read(text).unwrap_err().to_string();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
