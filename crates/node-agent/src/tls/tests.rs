#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection};

use super::*;
use crate::authority::{Authority, clock, new_key};
use crate::join::init;

/// The side of a connection that refused the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// A fleet whose first node has its key.
pub(crate) fn fleet(at: &std::path::Path, name: &str) -> (FleetFolder, Authority) {
    let folder = FleetFolder::at(at.join(name));
    init(&folder, name, "n1", BTreeMap::new()).unwrap();
    let authority = Authority::open(&folder, name).unwrap();
    (folder, authority)
}

/// The TLS of a node that trusts one fleet, with a certificate that was made by a clock that says this; it may be another's.
pub(crate) fn member(trusts: &FleetFolder, made_by: &Authority, name: &str, made: Duration) -> FleetTls {
    let folder = FleetFolder::at(trusts.path().with_file_name(format!("{name}-of-{}", made.as_secs())));
    folder.make().unwrap();
    let key = new_key().unwrap();
    let id = MemberId(*blake3::hash(name.as_bytes()).as_bytes().first_chunk().unwrap());
    let certificate = made_by.issue_at(id, name, FleetRole::Node, &key, made).unwrap();
    folder.save("node.der", &certificate).unwrap();
    folder.save("node.key", key.serialized_der()).unwrap();
    for name in ["ca.der", "crl.der"] {
        folder.save(name, &trusts.needed(name).unwrap()).unwrap();
    }
    FleetTls::open(&folder, FleetRole::Node).unwrap()
}

/// Shakes hands in memory: which side refuses the other, and in which words.
fn refusal(client: &FleetTls, server: &FleetTls) -> Option<(Side, String)> {
    let mut client = ClientConnection::new(client.configs().link, server_name(None).unwrap()).unwrap();
    let mut server = ServerConnection::new(server.configs().server.unwrap()).unwrap();
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            if let Err(error) = server.process_new_packets() {
                return Some((Side::Server, error.to_string()));
            }
        }
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            if let Err(error) = client.process_new_packets() {
                return Some((Side::Client, error.to_string()));
            }
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    None
}

/// Faults 9 and 11 of the design: certificates of another fleet, of another time, and void ones open no link.
#[test]
fn a_link_is_refused_to_strangers_to_those_of_another_time_and_to_the_expelled() {
    let at = tempfile::tempdir().unwrap();
    let ((plant, authority), (other, others)) = (fleet(at.path(), "plant"), fleet(at.path(), "other"));
    let server = FleetTls::open(&plant, FleetRole::Node).unwrap();
    let now = Duration::from_secs(clock());
    let (minute, hour, day) = (Duration::from_secs(60), Duration::from_hours(1), Duration::from_hours(24));
    assert_eq!(refusal(&member(&plant, &authority, "n2", now), &server), None);
    // Each side looks at the other: a node of another fleet, and one that trusts this fleet with a certificate of its own make.
    let stranger = refusal(&member(&other, &others, "n3", now), &server).unwrap();
    assert!(stranger.0 == Side::Client && stranger.1.contains("UnknownIssuer"), "{stranger:?}");
    let forger = refusal(&member(&plant, &others, "n4", now), &server).unwrap();
    assert!(forger.0 == Side::Server && forger.1.contains("UnknownIssuer"), "{forger:?}");
    // Clocks may differ by an hour. What differs by more is said with both times.
    assert_eq!(refusal(&member(&plant, &authority, "n5", now + hour - minute), &server), None);
    let early = refusal(&member(&plant, &authority, "n6", now + 2 * hour), &server).unwrap();
    let begins = (now + hour).as_secs().to_string();
    assert!(early.0 == Side::Server && early.1.contains("not valid yet"), "{early:?}");
    assert!(early.1.contains("verification time") && early.1.contains(&begins), "{early:?}");
    let late = refusal(&member(&plant, &authority, "n7", now - 91 * day), &server).unwrap();
    assert!(late.0 == Side::Server && late.1.contains("expired"), "{late:?}");
    assert!(late.1.contains(&(now - day).as_secs().to_string()), "{late:?}");
    // Who is expelled is refused by all who have heard of it.
    let expelled = member(&plant, &authority, "n8", now);
    assert_eq!(refusal(&expelled, &server), None);
    let list = authority.expel("n8").unwrap();
    assert_eq!(server.hear_crl(&list).unwrap(), HeardCrl::New { is_own_void: false });
    let void = refusal(&expelled, &server).unwrap();
    assert!(void.0 == Side::Server && void.1.contains("Revoked"), "{void:?}");
    assert_eq!(expelled.hear_crl(&list).unwrap(), HeardCrl::New { is_own_void: true });
}
