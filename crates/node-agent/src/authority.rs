//! The fleet's authority: whoever has its key lets nodes in, and makes certificates void.

use std::time::Duration;

use nodes::{FleetRole, MemberId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, RevokedCertParams, SerialNumber, SignatureAlgorithm, date_time_ymd,
};

use crate::error::NodeError;
use crate::folder::{FleetFolder, Issued, hex, unhex};

/// A certificate is good for so long, and is renewed when a third of it is left.
pub(crate) const LIFETIME: Duration = Duration::from_hours(90 * 24);
/// Clocks of machines may be so far apart.
const SKEW: Duration = Duration::from_hours(1);
const DAYS_OF_AUTHORITY: u64 = 3650 * 20;

/// The key of a fleet.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: FleetFolder,
}

/// A public key, of whoever asks for a certificate.
pub(crate) struct AskedKey(pub(crate) Vec<u8>);

impl PublicKeyData for AskedKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Seconds since 1970.
pub(crate) fn clock() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default()
}

/// A new key, as it is kept.
pub(crate) fn new_key() -> Result<KeyPair, NodeError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(wrong)
}

pub(crate) fn read_key(bytes: &[u8]) -> Result<KeyPair, NodeError> {
    KeyPair::try_from(bytes).map_err(wrong)
}

fn wrong(error: rcgen::Error) -> NodeError {
    NodeError::Certificate(error.to_string())
}

impl Authority {
    /// Begins a fleet: its key and its certificate, and the first list of void certificates, which is empty.
    pub(crate) fn begin(folder: &FleetFolder, fleet: &str) -> Result<Self, NodeError> {
        let key = new_key()?;
        let params = params(fleet);
        let certificate = params.self_signed(&key).map_err(wrong)?;
        folder.save("ca.key", key.serialized_der())?;
        folder.save("ca.der", certificate.der())?;
        folder.save_json::<Vec<Issued>>("issued.json", &Vec::new())?;
        let authority = Self { issuer: Issuer::new(params, key), folder: folder.clone() };
        authority.write_crl(&[])?;
        Ok(authority)
    }

    /// The authority of a folder, where it has its key.
    pub(crate) fn open(folder: &FleetFolder, fleet: &str) -> Result<Self, NodeError> {
        let key = folder.bytes("ca.key")?.ok_or(NodeError::NoAuthority)?;
        Ok(Self { issuer: Issuer::new(params(fleet), read_key(&key)?), folder: folder.clone() })
    }

    fn issued(&self) -> Result<Vec<Issued>, NodeError> {
        Ok(self.folder.json("issued.json")?.unwrap_or_default())
    }

    /// Whether a node of that name was let in, and is still.
    pub(crate) fn knows(&self, name: &str) -> Result<bool, NodeError> {
        Ok(self.issued()?.iter().any(|issued| issued.name == name && !issued.is_void))
    }

    /// Makes a certificate.
    pub(crate) fn issue(
        &self,
        id: MemberId,
        name: &str,
        role: FleetRole,
        key: &impl PublicKeyData,
    ) -> Result<Vec<u8>, NodeError> {
        self.issue_at(id, name, role, key, Duration::from_secs(clock()))
    }

    /// Makes a certificate by a clock that says this.
    pub(crate) fn issue_at(
        &self,
        id: MemberId,
        name: &str,
        role: FleetRole,
        key: &impl PublicKeyData,
        now: Duration,
    ) -> Result<Vec<u8>, NodeError> {
        let serial: [u8; 16] = rand::random();
        // A serial number is positive.
        let serial = [&[0x40 | serial[0] >> 2][..], &serial[1..]].concat();
        let names =
            [format!("{id}.id.dyninka"), format!("{name}.name.dyninka"), format!("{}.role.dyninka", role.as_str())];
        let mut params = CertificateParams::new(names).map_err(wrong)?;
        let mut distinguished = DistinguishedName::new();
        distinguished.push(DnType::CommonName, name);
        params.distinguished_name = distinguished;
        let epoch = date_time_ymd(1970, 1, 1);
        params.not_before = epoch + now.saturating_sub(SKEW);
        params.not_after = epoch + (now + LIFETIME);
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match role {
            FleetRole::Node => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            FleetRole::Operator => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer).map_err(wrong)?;
        let mut all = self.issued()?;
        all.push(Issued { id, name: name.to_owned(), role, serial: hex(&serial), is_void: false });
        self.folder.save_json("issued.json", &all)?;
        Ok(certificate.der().to_vec())
    }

    /// Makes every certificate of a node void; the new list.
    pub(crate) fn expel(&self, name: &str) -> Result<Vec<u8>, NodeError> {
        let mut all = self.issued()?;
        let mut found = false;
        for issued in all.iter_mut().filter(|issued| issued.name == name && !issued.is_void) {
            (issued.is_void, found) = (true, true);
        }
        if !found {
            let mut known: Vec<String> =
                all.into_iter().filter(|issued| !issued.is_void).map(|issued| issued.name).collect();
            known.sort_unstable();
            known.dedup();
            return Err(NodeError::NoNode { name: name.to_owned(), known });
        }
        // Kept before it is told: what was told is never forgotten.
        self.folder.save_json("issued.json", &all)?;
        self.write_crl(&all)
    }

    fn write_crl(&self, issued: &[Issued]) -> Result<Vec<u8>, NodeError> {
        let epoch = date_time_ymd(1970, 1, 1);
        let now = epoch + Duration::from_secs(clock());
        let void: Vec<_> = issued.iter().filter(|issued| issued.is_void).collect();
        let revoked = void.iter().map(|issued| RevokedCertParams {
            serial_number: SerialNumber::from(unhex(&issued.serial).unwrap_or_default()),
            revocation_time: now,
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: now,
            next_update: now + Duration::from_hours(24 * DAYS_OF_AUTHORITY / 10),
            crl_number: SerialNumber::from(void.len() as u64 + 1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let bytes = list.signed_by(&self.issuer).map_err(wrong)?.der().to_vec();
        self.folder.save("crl.der", &bytes)?;
        Ok(bytes)
    }
}

/// The authority's own certificate, which is the same whenever it is asked for.
fn params(fleet: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, format!("dyninka fleet {fleet}"));
    params.distinguished_name = distinguished;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
