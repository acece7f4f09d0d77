//! TLS of a fleet: both sides have a certificate of its authority, and none that is void.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use nodes::{FleetRole, MemberId};
use parking_lot::RwLock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime,
};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

use crate::error::NodeError;
use crate::folder::FleetFolder;

/// The protocol of links.
pub(crate) const LINK: &[u8] = b"dyn-link/1";
const HTTP: &[u8] = b"http/1.1";
/// The name by which a node is called that is not known yet.
const ANY_NODE: &str = "node.role.dyninka";

/// Who is at the other end, by the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerIdentity {
    pub(crate) id: MemberId,
    pub(crate) name: String,
    pub(crate) role: FleetRole,
    pub(crate) serial: Vec<u8>,
}

impl PeerIdentity {
    /// Reads the names of a certificate that was verified.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let read = webpki::EndEntityCert::try_from(certificate).ok()?;
        let (mut id, mut name, mut role) = (None, None, None);
        for known in read.valid_dns_names() {
            let (word, kind) = known.strip_suffix(".dyninka")?.rsplit_once('.')?;
            match kind {
                "id" => id = word.parse().ok(),
                "name" => name = Some(word.to_owned()),
                "role" if word == "node" => role = Some(FleetRole::Node),
                "role" if word == "operator" => role = Some(FleetRole::Operator),
                _ => return None,
            }
        }
        Some(Self { id: id?, name: name?, role: role?, serial: plain(read.serial()).to_vec() })
    }
}

/// A number without the zeros before it.
fn plain(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    &serial[zeros..]
}

/// What a connection is opened with.
#[derive(Clone)]
pub(crate) struct TlsConfigs {
    pub(crate) server: Option<Arc<ServerConfig>>,
    pub(crate) link: Arc<ClientConfig>,
    pub(crate) http: Arc<ClientConfig>,
}

/// The fleet's TLS as one of its members has it.
pub(crate) struct FleetTls {
    provider: Arc<CryptoProvider>,
    authority: CertificateDer<'static>,
    role: FleetRole,
    own: RwLock<(CertificateDer<'static>, Vec<u8>)>,
    state: RwLock<TlsState>,
}

struct TlsState {
    configs: TlsConfigs,
    crl: CertificateRevocationListDer<'static>,
    void: HashSet<Vec<u8>>,
}

/// A list of void certificates that was heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeardCrl {
    /// It has nothing that was not known.
    Known,
    New {
        /// This node itself is in it.
        is_own_void: bool,
    },
}

fn wrong(error: impl std::fmt::Display) -> NodeError {
    NodeError::Tls(error.to_string())
}

/// The files of a role's certificate and key.
pub(crate) fn files(role: FleetRole) -> (&'static str, &'static str) {
    match role {
        FleetRole::Node => ("node.der", "node.key"),
        FleetRole::Operator => ("operator.der", "operator.key"),
    }
}

impl FleetTls {
    pub(crate) fn open(folder: &FleetFolder, role: FleetRole) -> Result<Self, NodeError> {
        let (certificate, key) = files(role);
        let certificate = folder.bytes(certificate)?.ok_or(NodeError::NoRole(role))?;
        let own = (CertificateDer::from(certificate), folder.needed(key)?);
        let authority = CertificateDer::from(folder.needed("ca.der")?);
        let crl = CertificateRevocationListDer::from(folder.needed("crl.der")?);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configs = configs(&provider, &authority, &own, role, &crl)?;
        let void = void(&crl)?;
        Ok(Self {
            provider,
            authority,
            role,
            own: RwLock::new(own),
            state: RwLock::new(TlsState { configs, crl, void }),
        })
    }

    pub(crate) fn configs(&self) -> TlsConfigs {
        self.state.read().configs.clone()
    }

    /// Goes by another certificate of its own from now on.
    pub(crate) fn renew(&self, certificate: Vec<u8>) -> Result<(), NodeError> {
        let mut own = self.own.write();
        let new = (CertificateDer::from(certificate), own.1.clone());
        let mut state = self.state.write();
        state.configs = configs(&self.provider, &self.authority, &new, self.role, &state.crl)?;
        *own = new;
        Ok(())
    }

    /// The list, and how much is in it.
    pub(crate) fn crl(&self) -> (Vec<u8>, usize) {
        let state = self.state.read();
        (state.crl.to_vec(), state.void.len())
    }

    pub(crate) fn is_void(&self, serial: &[u8]) -> bool {
        self.state.read().void.contains(serial)
    }

    /// Whether this node's own certificate is void.
    pub(crate) fn is_own_void(&self) -> bool {
        PeerIdentity::of(&self.own.read().0).is_some_and(|own| self.is_void(&own.serial))
    }

    /// Goes by a list that somebody sent, if the authority made it and it has more than the one that is known.
    pub(crate) fn hear_crl(&self, bytes: &[u8]) -> Result<HeardCrl, NodeError> {
        let crl = CertificateRevocationListDer::from(bytes.to_vec());
        let void = void(&crl)?;
        let own = self.own.read();
        let mut state = self.state.write();
        if !state.void.iter().all(|serial| void.contains(serial)) || void.len() <= state.void.len() {
            return Ok(HeardCrl::Known);
        }
        // This node's own certificate is looked up in it: that verifies the list's signature.
        let verifier = client_verifier(&self.provider, &self.authority, &crl)?;
        let is_own_void = match verifier.verify_client_cert(&own.0, &[], UnixTime::now()) {
            Ok(_) => false,
            Err(rustls::Error::InvalidCertificate(CertificateError::Revoked)) => true,
            Err(error) => return Err(wrong(error)),
        };
        state.configs = configs(&self.provider, &self.authority, &own, self.role, &crl)?;
        (state.crl, state.void) = (crl, void);
        Ok(HeardCrl::New { is_own_void })
    }
}

/// The serial numbers of a list.
fn void(crl: &CertificateRevocationListDer<'_>) -> Result<HashSet<Vec<u8>>, NodeError> {
    let read =
        webpki::BorrowedCertRevocationList::from_der(crl).map_err(|error| NodeError::Tls(format!("{error:?}")))?;
    let serials = read.into_iter().map(|entry| entry.map(|entry| plain(entry.serial_number).to_vec()));
    serials.collect::<Result<_, _>>().map_err(|error| NodeError::Tls(format!("{error:?}")))
}

fn roots(authority: &CertificateDer<'static>) -> Result<Arc<RootCertStore>, NodeError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).map_err(wrong)?;
    Ok(Arc::new(roots))
}

pub(crate) fn client_verifier(
    provider: &Arc<CryptoProvider>,
    authority: &CertificateDer<'static>,
    crl: &CertificateRevocationListDer<'static>,
) -> Result<Arc<dyn ClientCertVerifier>, NodeError> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots(authority)?, provider.clone());
    // Who joins has no certificate yet; what else it asks for, it is refused.
    builder.with_crls([crl.clone()]).only_check_end_entity_revocation().allow_unauthenticated().build().map_err(wrong)
}

fn server_verifier(
    provider: &Arc<CryptoProvider>,
    authority: &CertificateDer<'static>,
    crl: Option<&CertificateRevocationListDer<'static>>,
) -> Result<Arc<WebPkiServerVerifier>, NodeError> {
    let builder = WebPkiServerVerifier::builder_with_provider(roots(authority)?, provider.clone());
    builder.with_crls(crl.cloned()).only_check_end_entity_revocation().build().map_err(wrong)
}

fn configs(
    provider: &Arc<CryptoProvider>,
    authority: &CertificateDer<'static>,
    own: &(CertificateDer<'static>, Vec<u8>),
    role: FleetRole,
    crl: &CertificateRevocationListDer<'static>,
) -> Result<TlsConfigs, NodeError> {
    let chain = vec![own.0.clone(), authority.clone()];
    let key = || PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.1.clone()));
    let client = |protocol: &[u8]| {
        let config = ClientConfig::builder_with_provider(provider.clone());
        let config = config.with_protocol_versions(&[&TLS13]).map_err(wrong)?;
        let config = config.with_webpki_verifier(server_verifier(provider, authority, Some(crl))?);
        let mut config = config.with_client_auth_cert(chain.clone(), key()).map_err(wrong)?;
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok::<_, NodeError>(Arc::new(config))
    };
    let server = match role {
        FleetRole::Operator => None,
        FleetRole::Node => {
            let config = ServerConfig::builder_with_provider(provider.clone());
            let config = config.with_protocol_versions(&[&TLS13]).map_err(wrong)?;
            let config = config.with_client_cert_verifier(client_verifier(provider, authority, crl)?);
            let mut config = config.with_single_cert(chain.clone(), key()).map_err(wrong)?;
            config.alpn_protocols = vec![LINK.to_vec(), HTTP.to_vec()];
            Some(Arc::new(config))
        }
    };
    Ok(TlsConfigs { server, link: client(LINK)?, http: client(HTTP)? })
}

/// The name to call a node by; without an id, whichever node it is.
pub(crate) fn server_name(id: Option<MemberId>) -> Result<ServerName<'static>, NodeError> {
    let name = id.map_or_else(|| ANY_NODE.to_owned(), |id| format!("{id}.id.dyninka"));
    ServerName::try_from(name).map_err(wrong)
}

/// TLS of who has nothing yet but an invitation: the other side has to show the certificate whose hash is in it.
pub(crate) fn pinned(fingerprint: [u8; 32]) -> Result<ClientConfig, NodeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone());
    let config = config.with_protocol_versions(&[&TLS13]).map_err(wrong)?;
    let verifier = Arc::new(Pinned { provider, fingerprint });
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct Pinned {
    provider: Arc<CryptoProvider>,
    fingerprint: [u8; 32],
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_it = |certificate: &&CertificateDer<'_>| blake3::hash(certificate) == self.fingerprint;
        let Some(authority) = chain.iter().find(is_it) else {
            return Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let verifier = server_verifier(&self.provider, &authority.clone().into_owned(), None);
        let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end, &[], name, &[], now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
