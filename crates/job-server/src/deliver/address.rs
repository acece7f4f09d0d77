//! Where callbacks may go: to nobody's private addresses, whatever a name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::config::CallbackSettings;

/// A URL is no longer than this.
const LONGEST: usize = 2_048;

/// Checks the URL of a callback, as far as its text says. What its name resolves to is checked when it is connected to.
pub(crate) fn check(text: &str, settings: &CallbackSettings) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("the URL is longer than {LONGEST} bytes"));
    }
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no URL: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if settings.insecure => {}
        "http" => return Err("callbacks go by https; [jobs] callbacks.insecure = true allows http".to_owned()),
        other => return Err(format!("callbacks go by https, not by {other}")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a name and a password in a URL are sent to nobody: take them out".to_owned());
    }
    let literal = match url.host() {
        None => return Err("the URL names no host".to_owned()),
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
    };
    match literal {
        Some(address) if !may_reach(address, url.host_str().unwrap_or_default(), settings) => Err(refused(address)),
        _ => Ok(()),
    }
}

/// The host of a URL, by which deliveries are told apart.
pub(crate) fn host(text: &str) -> Option<String> {
    Some(Url::parse(text).ok()?.host_str()?.to_owned())
}

/// Whether a delivery may connect to an address that its host's name leads to.
pub(super) fn may_reach(address: IpAddr, host: &str, settings: &CallbackSettings) -> bool {
    settings.allow.iter().any(|allowed| allowed == host) || is_public(address)
}

pub(super) fn refused(address: IpAddr) -> String {
    format!("{address} is no public address; [jobs] callbacks.allow names hosts that may have others")
}

/// Whether an address is one that anybody may reach (IANA's registries of special addresses).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // 6to4 and NAT64 hold an address of the other kind.
    let inner = match segments {
        [0x2002, a, b, ..] => Some((a, b)),
        [0x64, 0xff9b, 0, 0, 0, 0, a, b] => Some((a, b)),
        _ => None,
    };
    if let Some((a, b)) = inner {
        let [a, b] = [a.to_be_bytes(), b.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(a[0], a[1], b[0], b[1]));
    }
    // Of all addresses, those of 2000::/3 are handed out; of them some are for documentation or protocols.
    segments[0] & 0xe000 == 0x2000
        && !(segments[0] == 0x2001 && segments[1] < 0x200)
        && !(segments[0] == 0x2001 && segments[1] == 0xdb8)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_refused_in_whatever_dress() {
        for private in [
            "0.0.0.0",
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::a9fe:a9fe",
            "2001:db8::1",
            "2001::1",
            "fd00:ec2::254",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_callback_goes_by_https_to_a_public_host() {
        let strict = CallbackSettings::default();
        assert_eq!(check("https://example.org/hook", &strict), Ok(()));
        for wrong in [
            "",
            "example.org",
            "ftp://example.org/",
            "http://example.org/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://user:pass@example.org/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://",
            "file:///etc/passwd",
        ] {
            assert!(check(wrong, &strict).is_err(), "{wrong}");
        }
        assert!(check(&format!("https://example.org/{}", "x".repeat(3_000)), &strict).is_err());
        let open = CallbackSettings { allow: vec!["127.0.0.1".to_owned()], insecure: true, ..strict };
        assert_eq!(check("http://127.0.0.1:9000/", &open), Ok(()));
        assert!(check("http://127.0.0.2:9000/", &open).is_err());
    }
}
