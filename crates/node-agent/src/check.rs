//! What the folder of a node says of it, whether its agent runs or not.

use std::sync::Arc;
use std::time::Duration;

use nodes::FleetRole;
use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};

use crate::error::NodeError;
use crate::folder::FleetFolder;
use crate::tls::{client_verifier, files};

/// A time after the end of every certificate: the year 2200.
const FAR: u64 = 7_258_118_400;

/// A machine in its fleet, by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCheck {
    pub fleet: String,
    pub name: String,
    pub role: FleetRole,
    /// When the certificate begins and ends, in seconds since 1970.
    pub begins: u64,
    pub ends: u64,
    /// Whether the list of void certificates that this machine knows has it.
    pub is_void: bool,
}

/// Reads the certificate of this machine and verifies it.
pub fn check(folder: &FleetFolder) -> Result<NodeCheck, NodeError> {
    let record = folder.record()?;
    let certificate = folder.bytes(files(record.role).0)?.ok_or(NodeError::NoRole(record.role))?;
    let certificate = CertificateDer::from(certificate);
    let authority = CertificateDer::from(folder.needed("ca.der")?);
    let crl = CertificateRevocationListDer::from(folder.needed("crl.der")?);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = client_verifier(&provider, &authority, &crl)?;
    // Who verifies it at a time outside its own is told that time.
    let verify = |seconds| {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        match verifier.verify_client_cert(&certificate, &[], at) {
            Ok(_) => Ok(None),
            Err(rustls::Error::InvalidCertificate(error)) => Ok(Some(error)),
            Err(error) => Err(NodeError::Tls(error.to_string())),
        }
    };
    let wrong = |error: Option<CertificateError>| {
        let why = error.map_or_else(|| "it has no end".to_owned(), |error| format!("{error:?}"));
        NodeError::Tls(format!("the certificate of this machine does not verify: {why}"))
    };
    let begins = match verify(0)? {
        Some(CertificateError::NotValidYetContext { not_before, .. }) => not_before.as_secs(),
        other => return Err(wrong(other)),
    };
    let ends = match verify(FAR)? {
        Some(CertificateError::ExpiredContext { not_after, .. }) => not_after.as_secs(),
        other => return Err(wrong(other)),
    };
    let is_void = match verify(begins)? {
        None => false,
        Some(CertificateError::Revoked) => true,
        other => return Err(wrong(other)),
    };
    Ok(NodeCheck { fleet: record.fleet, name: record.name, role: record.role, begins, ends, is_void })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use nodes::MemberId;

    use super::*;
    use crate::authority::{Authority, LIFETIME, clock, new_key};
    use crate::join::init;

    #[test]
    fn a_certificate_says_when_it_begins_and_ends_and_whether_it_is_void() {
        let at = tempfile::tempdir().unwrap();
        let folder = FleetFolder::at(at.path().join("node"));
        assert!(matches!(check(&folder), Err(NodeError::NoFleet)));
        let before = clock();
        init(&folder, "plant", "n1", BTreeMap::new()).unwrap();
        let seen = check(&folder).unwrap();
        assert_eq!((&*seen.fleet, &*seen.name, seen.role, seen.is_void), ("plant", "n1", FleetRole::Node, false));
        let hour = 3600;
        assert!((before - hour..=clock() - hour).contains(&seen.begins), "{seen:?}");
        assert!((before..=clock()).contains(&(seen.ends - LIFETIME.as_secs())), "{seen:?}");
        // One that was made void, and one of another fleet.
        let authority = Authority::open(&folder, "plant").unwrap();
        authority.expel("n1").unwrap();
        assert!(check(&folder).unwrap().is_void);
        let other = FleetFolder::at(at.path().join("other"));
        init(&other, "other", "n1", BTreeMap::new()).unwrap();
        let other = Authority::open(&other, "other").unwrap();
        let made = other.issue(MemberId([1; 16]), "n1", FleetRole::Node, &new_key().unwrap()).unwrap();
        folder.save("node.der", &made).unwrap();
        let refused = check(&folder);
        assert!(matches!(&refused, Err(NodeError::Tls(why)) if why.contains("does not verify")), "{refused:?}");
    }
}
