//! What a host is told.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use protocol::Config;

use super::{label, metadata, metadata_of, name};
use crate::model::{Unit, Wanted};

/// The key of the ConfigMap, and the file in the host's folder.
pub(crate) const FILE: &str = "config.json";
/// The key of the Secret.
pub(crate) const TOKEN: &str = "token";

/// A ConfigMap whose name stands for its content: a pod made from one is told the same for good, and a rollback
/// brings the configuration back along with the code. A group's has a key for each service ([`key`]), one of a service with
/// places a key for each.
pub(crate) fn config_map(wanted: &Wanted, unit: &Unit<'_>) -> ConfigMap {
    let write = |config: &Config| serde_json::to_string_pretty(config).unwrap_or_default();
    let data: BTreeMap<String, String> = match (unit.group, unit.places()) {
        (Some(_), _) => unit.members.iter().map(|service| (key(&service.dns), write(&service.config))).collect(),
        (None, []) => BTreeMap::from([(FILE.to_owned(), write(&unit.first().config))]),
        (None, places) => (1..)
            .zip(places)
            .map(|(number, place)| (key(&place.place), write(&unit.first().config_in(number, place))))
            .collect(),
    };
    let name = match data.get(FILE) {
        Some(text) if data.len() == 1 => name::of_config(&unit.first().dns, text),
        _ => {
            let content: Vec<&str> = data.iter().flat_map(|(key, text)| [key.as_str(), text.as_str()]).collect();
            let own = unit.group.map_or_else(|| unit.first().dns.clone(), name::of_group_label);
            name::of_config(&own, &content.join("\n"))
        }
    };
    ConfigMap {
        metadata: metadata_of(wanted, name, label::of_unit(&wanted.app, unit)),
        data: Some(data),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}

/// The key of a service's configuration among those of its group, or of a place's among those of a service.
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
