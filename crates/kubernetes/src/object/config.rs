//! What a host is told.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::{label, metadata, name};
use crate::model::{Wanted, WantedService};

/// The key of the ConfigMap, and the file in the host's folder.
pub(crate) const FILE: &str = "config.json";
/// The key of the Secret.
pub(crate) const TOKEN: &str = "token";

/// A ConfigMap whose name stands for its content: a pod made from one is told the same for good, and a rollback
/// brings the configuration back along with the code.
pub(crate) fn config_map(wanted: &Wanted, service: &WantedService) -> ConfigMap {
    let text = serde_json::to_string_pretty(&service.config).unwrap_or_default();
    ConfigMap {
        metadata: metadata(wanted, name::of_config(&service.dns, &text), Some(service)),
        data: Some(BTreeMap::from([(FILE.to_owned(), text)])),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// The Secret that holds what callers of a host's inner doors (`/_dyninka/…`) must know. A host without it lets nobody
/// in there and serves all the same.
pub fn secret(app: &str, token: &str) -> Secret {
    let wanted = Wanted { app: app.to_owned(), ..Wanted::default() };
    Secret {
        metadata: metadata(&wanted, label::secret(app), None),
        string_data: Some(BTreeMap::from([(TOKEN.to_owned(), token.to_owned())])),
        ..Secret::default()
    }
}
