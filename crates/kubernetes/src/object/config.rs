//! What a host is told.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::{label, metadata, metadata_of, name};
use crate::model::{Unit, Wanted};

/// The key of the ConfigMap, and the file in the host's folder.
pub(crate) const FILE: &str = "config.json";
/// The key of the Secret.
pub(crate) const TOKEN: &str = "token";

/// A ConfigMap whose name stands for its content: a pod made from one is told the same for good, and a rollback
/// brings the configuration back along with the code. A group's has a key for each service ([`key`]).
pub(crate) fn config_map(wanted: &Wanted, unit: &Unit<'_>) -> ConfigMap {
    let told = unit.members.iter().map(|service| {
        let key = if unit.group.is_some() { key(&service.dns) } else { FILE.to_owned() };
        (key, serde_json::to_string_pretty(&service.config).unwrap_or_default())
    });
    let data: BTreeMap<String, String> = told.collect();
    let name = match unit.group {
        Some(group) => {
            let content: Vec<&str> = data.iter().flat_map(|(key, text)| [key.as_str(), text.as_str()]).collect();
            name::of_config(&name::of_group_label(group), &content.join("\n"))
        }
        None => name::of_config(&unit.first().dns, data.values().next().map_or("", String::as_str)),
    };
    ConfigMap {
        metadata: metadata_of(wanted, name, label::of_unit(&wanted.app, unit)),
        data: Some(data),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// The key of a service's configuration among those of its group.
pub(crate) fn key(dns: &str) -> String {
    format!("{dns}.json")
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
