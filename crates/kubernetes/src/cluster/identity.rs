//! Which cluster this is, whatever its context is called and wherever its API server is reached.

use std::fmt::{self, Display};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use serde::{Deserialize, Serialize};

use super::access::ask;
use super::error::ClusterError;

/// What tells one cluster from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The UID of its namespace `kube-system`: made with the cluster, and with nothing else.
    Uid(String),
    /// The URL of its API server and the certificate it proves itself with, where `kube-system` may not be looked at.
    Server {
        url: String,
        /// BLAKE3 over the certificate authority, 16 hex digits; over nothing where the system's are trusted.
        authority: String,
    },
}

impl Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => f.write_str(uid),
            Self::Server { url, authority } => write!(f, "{url} (authority {authority})"),
        }
    }
}

/// The first question a cluster is asked: whether it answers at all shows here.
pub(super) async fn find(client: &Client, server: &str, certificate: &[Vec<u8>]) -> Result<Identity, ClusterError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = ask(server, "ask which cluster it is", namespaces.get_metadata_opt("kube-system")).await;
    match found {
        Ok(Some(namespace)) => {
            if let Some(uid) = namespace.metadata.uid {
                return Ok(Identity::Uid(uid));
            }
        }
        Ok(None) | Err(ClusterError::Forbidden { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut hasher = blake3::Hasher::new();
    for part in certificate {
        hasher.update(part);
    }
    Ok(Identity::Server { url: server.to_owned(), authority: hasher.finalize().to_hex()[..16].to_owned() })
}
