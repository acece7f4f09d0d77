//! The proxies that the environment names, read as `kubectl` reads them: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or
//! the same in lower case. This machine is never reached through a proxy.

use std::net::IpAddr;

/// Which proxy leads where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<String>,
    http: Option<String>,
    direct: Vec<Direct>,
}

/// What is reached without a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Direct {
    Everything,
    Network(IpAddr, u8),
    Address(IpAddr, Option<u16>),
    /// A domain, and with a dot in front those below it alone.
    Domain(String, Option<u16>),
}

impl Proxies {
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let said = |name: &str| {
            let set =
                |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            set(name).or_else(|| set(&name.to_ascii_lowercase()))
        };
        let direct = said("NO_PROXY").unwrap_or_default();
        Self {
            https: said("HTTPS_PROXY").map(|proxy| with_scheme(&proxy)),
            http: said("HTTP_PROXY").map(|proxy| with_scheme(&proxy)),
            direct: direct.split(',').filter_map(|entry| Direct::read(&entry.trim().to_ascii_lowercase())).collect(),
        }
    }

    /// The URL of the proxy that leads to a host; none: it is reached as it is.
    pub fn to(&self, scheme: &str, host: &str, port: Option<u16>) -> Option<&str> {
        let (proxy, port) = match scheme {
            "https" => (self.https.as_deref()?, port.unwrap_or(443)),
            "http" => (self.http.as_deref()?, port.unwrap_or(80)),
            _ => return None,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_here = host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback());
        (!is_here && !self.direct.iter().any(|direct| direct.covers(&host, address, port))).then_some(proxy)
    }
}

/// A proxy as it is asked to be called: without a scheme it speaks HTTP.
fn with_scheme(proxy: &str) -> String {
    match proxy.split_once("://") {
        Some(("socks5h", rest)) => format!("socks5://{rest}"),
        Some(_) => proxy.to_owned(),
        None => format!("http://{proxy}"),
    }
}

impl Direct {
    /// An entry of `NO_PROXY`; none where it means nothing, as between two commas.
    fn read(entry: &str) -> Option<Self> {
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let network: IpAddr = network.parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= if network.is_ipv4() { 32 } else { 128 })?;
            return Some(Self::Network(network, bits));
        }
        if let Ok(address) = entry.parse() {
            return Some(Self::Address(address, None));
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address(address, port));
        }
        let name = name.strip_prefix("*.").map_or_else(|| name.to_owned(), |below| format!(".{below}"));
        Some(Self::Domain(name.trim_end_matches('.').to_owned(), port))
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        match self {
            Self::Everything => true,
            Self::Network(network, bits) => address.is_some_and(|address| is_within(address, *network, *bits)),
            Self::Address(own, only) => address == Some(*own) && only.is_none_or(|only| only == port),
            Self::Domain(name, only) => {
                let below = if name.starts_with('.') { name.clone() } else { format!(".{name}") };
                (host == name || host.ends_with(&below)) && only.is_none_or(|only| only == port)
            }
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (address, network, all) = match (address.to_canonical(), network.to_canonical()) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u128::from(u32::from(address)), u128::from(u32::from(network)), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (u128::from(address), u128::from(network), 128),
        _ => return false,
    };
    let away = all - u32::from(bits).min(all);
    address.checked_shr(away).unwrap_or(0) == network.checked_shr(away).unwrap_or(0)
}

/// `NO_PROXY` without what libraries choke on, an empty entry for one; none where it can stay as it is.
pub fn tidied(no_proxy: &str) -> Option<String> {
    let entries: Vec<&str> = no_proxy
        .split(',')
        .map(str::trim)
        .filter(|entry| Direct::read(&entry.to_ascii_lowercase()).is_some())
        .collect();
    let tidy = entries.join(",");
    (tidy != no_proxy).then_some(tidy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(of: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| of.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_proxy_is_chosen_by_the_scheme_and_upper_case_goes_first() {
        let both = proxies(&[("HTTPS_PROXY", "a:1"), ("https_proxy", "b:1"), ("http_proxy", "socks5h://c:1")]);
        assert_eq!(both.to("https", "example.org", None), Some("http://a:1"));
        assert_eq!(both.to("http", "example.org", None), Some("socks5://c:1"));
        assert_eq!(proxies(&[("HTTP_PROXY", "a:1")]).to("https", "example.org", None), None);
        let empty = proxies(&[("HTTPS_PROXY", " "), ("https_proxy", "http://b:1")]);
        assert_eq!(empty.to("https", "example.org", None), Some("http://b:1"));
    }

    #[test]
    fn no_proxy_is_read_as_kubectl_reads_it() {
        for (no_proxy, host, port, is_direct) in [
            ("", "127.0.0.1", None, true),
            ("", "localhost", Some(6443), true),
            ("", "[::1]", None, true),
            ("", "10.0.0.1", None, false),
            ("*", "example.org", None, true),
            ("10.0.0.0/8", "10.1.2.3", Some(6443), true),
            ("10.0.0.0/8", "11.1.2.3", None, false),
            ("fd00::/8", "[fd12::1]", None, true),
            ("0.0.0.0/0", "8.8.8.8", None, true),
            ("10.0.0.0/8", "10.example.org", None, false),
            ("10.1.2.3", "10.1.2.3", None, true),
            ("10.1.2.3:6443", "10.1.2.3", Some(6443), true),
            ("10.1.2.3:6443", "10.1.2.3", None, false),
            ("[fd12::1]:6443", "fd12::1", Some(6443), true),
            ("example.org", "example.org", None, true),
            ("example.org", "api.example.org", None, true),
            ("example.org", "notexample.org", None, false),
            (".example.org", "api.example.org", None, true),
            (".example.org", "example.org", None, false),
            ("*.example.org", "api.example.org", None, true),
            ("Example.ORG.", "example.org", None, true),
            ("example.org:6443", "example.org", Some(6443), true),
            ("example.org:6443", "example.org", Some(443), false),
            ("a,, b ,example.org,", "example.org", None, true),
            ("10.0.0.0/99,no port:x", "10.0.0.1", None, false),
        ] {
            let proxies = proxies(&[("HTTPS_PROXY", "p:1"), ("no_proxy", no_proxy)]);
            assert_eq!(proxies.to("https", host, port).is_none(), is_direct, "{no_proxy:?} {host}");
        }
    }

    #[test]
    fn what_libraries_choke_on_is_taken_out() {
        assert_eq!(tidied("localhost,10.0.0.0/8"), None);
        assert_eq!(tidied("localhost,, 10.0.0.0/8 ,").as_deref(), Some("localhost,10.0.0.0/8"));
        assert_eq!(tidied("").as_deref(), None);
    }
}
