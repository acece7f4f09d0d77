//! FaDO's configuration file, read as settings of ours.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::check::DataMistake;
use crate::route::{EndpointSettings, RoutePolicy};
use crate::settings::{BucketSettings, CredentialSettings, DataSettings, PlaceSettings, SecretSource, StoreSettings};

#[derive(Deserialize)]
struct File {
    clusters: Vec<Cluster>,
    #[serde(default)]
    faas_deployments: Vec<Faas>,
    #[serde(default)]
    storage_deployments: Vec<Storage>,
    #[serde(default)]
    buckets: Vec<FileBucket>,
}

#[derive(Deserialize)]
struct Cluster {
    name: String,
    #[serde(default)]
    zones: Vec<String>,
}

#[derive(Deserialize)]
struct Faas {
    cluster_name: String,
    url: String,
}

#[derive(Deserialize)]
struct Storage {
    cluster_name: String,
    alias: String,
    endpoint: String,
    #[serde(default)]
    use_ssl: bool,
}

#[derive(Deserialize)]
struct FileBucket {
    name: String,
    storage_deployment_alias: String,
    #[serde(default)]
    allowed_zones: Vec<String>,
    #[serde(default)]
    target_replica_count: usize,
}

/// Settings out of FaDO's file, and what of it they do not carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FadoImport {
    pub settings: DataSettings,
    /// Sentences for the person who imports.
    pub notes: Vec<String>,
}

/// Reads FaDO's `config.json`. Keys of stores are not taken over: settings name where they are read.
pub fn import(text: &str) -> Result<FadoImport, DataMistake> {
    let file: File = serde_json::from_str(text).map_err(|error| {
        DataMistake::new("config.json", error.to_string(), "give the file that FaDO is started with")
    })?;
    if file.clusters.is_empty() {
        return Err(DataMistake::new("clusters", "there is none", "FaDO refuses such a file, too"));
    }
    let mut notes = Vec::new();
    let mut settings = DataSettings::default();
    for cluster in file.clusters {
        let zones: BTreeSet<String> = cluster.zones.into_iter().collect();
        settings.places.insert(name(&cluster.name), PlaceSettings { zones, ..PlaceSettings::default() });
    }
    let mut places_of: BTreeMap<String, String> = BTreeMap::new();
    for storage in file.storage_deployments {
        let alias = name(&storage.alias);
        let variable = |half: &str| format!("{}_{half}", alias.to_uppercase().replace('-', "_"));
        let (key, secret) = (variable("KEY"), variable("SECRET"));
        notes.push(format!(
            "set {key} and {secret} in the environment of the server: they are the keys of {}",
            storage.alias
        ));
        let scheme = if storage.use_ssl { "https" } else { "http" };
        let store = StoreSettings {
            place: name(&storage.cluster_name),
            endpoint: Some(format!("{scheme}://{}", storage.endpoint)),
            credentials: Some(CredentialSettings { key: SecretSource::Env(key), secret: SecretSource::Env(secret) }),
            ..StoreSettings::default()
        };
        places_of.insert(alias.clone(), store.place.clone());
        settings.stores.insert(alias, store);
    }
    for bucket in file.buckets {
        let master = name(&bucket.storage_deployment_alias);
        let zones: BTreeSet<String> = bucket.allowed_zones.into_iter().collect();
        // FaDO never looks at the master's zones.
        if settings.server.place.is_none() && !zones.is_empty() {
            settings.server.place = places_of.get(&master).cloned();
            if let Some(place) = &settings.server.place {
                notes.push(format!(
                    "buckets have zones, so the server is taken to run in {place}: check `place` in [server]"
                ));
            }
        }
        let (replicas, name) = (bucket.target_replica_count, bucket.name);
        settings.buckets.insert(name, BucketSettings { master, zones, replicas, ..BucketSettings::default() });
    }
    if !file.faas_deployments.is_empty() {
        // Its defaults, which its file does not name.
        settings.server.header = Some("X-FaDO-Bucket".to_owned());
        settings.server.policy = RoutePolicy::RoundRobin;
        notes.push("`dyn data serve --door ADDRESS` routes requests to the endpoints".to_owned());
    }
    for faas in file.faas_deployments {
        let place = name(&faas.cluster_name);
        let taken = |name: &String| settings.endpoints.contains_key(name);
        let mut names = std::iter::once(place.clone()).chain((2_u32..).map(|number| format!("{place}-{number}")));
        let Some(free) = names.find(|name| !taken(name)) else { continue };
        settings.endpoints.insert(free, endpoint(&faas.url, place));
    }
    Ok(FadoImport { settings, notes })
}

/// An endpoint out of a URL, whose path is put before those of requests.
fn endpoint(url: &str, place: String) -> EndpointSettings {
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let behind = url.find("://").map_or(0, |at| at + 3);
    let (origin, path) = url.split_at(url[behind..].find('/').map_or(url.len(), |at| behind + at));
    let path = Some(path.trim_end_matches('/').to_owned()).filter(|path| !path.is_empty());
    EndpointSettings { url: origin.to_owned(), place, path, ca: None }
}

/// A name as ours are: lower case, with hyphens.
fn name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(plain).collect()
}
