//! Mistakes in the settings: each with its place and a hint.

use protocol::near::is_label;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::amount;
use crate::route::EndpointSettings;
use crate::settings::{BucketSettings, DataSettings, StoreSettings};

/// A mistake in the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{at}: {message}")]
pub struct DataMistake {
    /// Such as `buckets.images.zones`, or `line 3`.
    pub at: String,
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

impl DataMistake {
    pub(crate) fn new(at: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into(), hint: hint.into() }
    }

    pub(crate) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(text));
        let line = before.matches('\n').count() + 1;
        let hint = "tables are [places.NAME], [stores.NAME], [buckets.NAME], [endpoints.NAME], [[routes]] and [server]";
        Self::new(format!("line {line}"), error.message(), hint)
    }
}

/// Objects of ours at a store are in this bucket.
pub const OWN_BUCKET: &str = "dyninka-store";
/// Objects that somebody wrote into a replica are kept in this one.
pub const CONFLICTS_BUCKET: &str = "dyninka-conflicts";

/// All mistakes of the settings that show without a look at any store.
pub fn check(settings: &DataSettings) -> Vec<DataMistake> {
    let mut mistakes = Vec::new();
    for name in settings.places.keys().chain(settings.stores.keys()).chain(settings.endpoints.keys()) {
        if !is_name(name) {
            let hint = "use lower case letters, digits and hyphens";
            mistakes.push(DataMistake::new(name, "is no name of a place, a store or an endpoint", hint));
        }
    }
    for (name, place) in &settings.places {
        for label in place.labels.iter().filter(|label| !is_label(label)) {
            let hint = "such as gpu or disk=ssd; zones are written as `zones`";
            mistakes.push(DataMistake::new(format!("places.{name}.labels"), format!("{label:?} is no label"), hint));
        }
    }
    for (name, store) in &settings.stores {
        of_store(settings, name, store, &mut mistakes);
    }
    for (name, bucket) in &settings.buckets {
        of_bucket(settings, name, bucket, &mut mistakes);
    }
    if let Some(place) = settings.server.place.as_ref().filter(|place| !settings.places.contains_key(*place)) {
        mistakes.push(unknown("server.place", "place", place, settings.places.keys()));
    }
    for (name, endpoint) in &settings.endpoints {
        of_endpoint(settings, name, endpoint, &mut mistakes);
    }
    crate::rule::check(settings, &mut mistakes);
    if let Some(header) = settings.server.header.as_ref().filter(|header| !is_header(header)) {
        let hint = "such as X-FaDO-Bucket; Dyninka-Data is always read";
        mistakes.push(DataMistake::new("server.header", format!("{header:?} is no header of a bucket"), hint));
    }
    mistakes
}

fn of_endpoint(settings: &DataSettings, name: &str, endpoint: &EndpointSettings, into: &mut Vec<DataMistake>) {
    let at = |member: &str| format!("endpoints.{name}.{member}");
    if !settings.places.contains_key(&endpoint.place) {
        into.push(unknown(&at("place"), "place", &endpoint.place, settings.places.keys()));
    }
    if !is_origin(&endpoint.url) {
        let hint = "write scheme, host and port, such as https://functions.example.org, and a path as `path`";
        into.push(DataMistake::new(at("url"), format!("{:?} is no origin of HTTP", endpoint.url), hint));
    }
    let path = endpoint.path.as_deref().unwrap_or("/prod");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/@:+,=".contains(&byte);
    let is_up = path.split('/').any(|part| part == "." || part == "..");
    if !path.starts_with('/') || path.ends_with('/') || is_up || !path.bytes().all(is_plain) {
        let hint = "such as /prod: with a slash before it and none behind";
        into.push(DataMistake::new(at("path"), format!("{path:?} is no path to put before another"), hint));
    }
    if endpoint.ca.is_some() && !endpoint.url.starts_with("https://") {
        into.push(DataMistake::new(at("ca"), "says nothing without TLS", "write the url with https://"));
    }
}

/// Whether this is `http://host[:port]` or the same with TLS.
fn is_origin(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else { return false };
    let (host, port) = match rest.rfind(']') {
        Some(end) => rest.split_at(end + 1),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    is_host && is_port
}

/// Whether a header may name a bucket: it is a token, and none that HTTP itself reads.
fn is_header(name: &str) -> bool {
    const TAKEN: [&str; 10] = [
        "connection",
        "content-length",
        "dyninka-data",
        "dyninka-data-version",
        "dyninka-needs",
        "dyninka-place",
        "dyninka-zone",
        "host",
        "transfer-encoding",
        "upgrade",
    ];
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && name.bytes().all(is_fine) && !TAKEN.contains(&name.to_ascii_lowercase().as_str())
}

fn of_store(settings: &DataSettings, name: &str, store: &StoreSettings, into: &mut Vec<DataMistake>) {
    let at = |member: &str| format!("stores.{name}.{member}");
    if !settings.places.contains_key(&store.place) {
        into.push(unknown(&at("place"), "place", &store.place, settings.places.keys()));
    }
    match (&store.endpoint, &store.folder) {
        (Some(_), Some(_)) | (None, None) => {
            let hint = "give `endpoint` for S3, or `folder` for files";
            into.push(DataMistake::new(format!("stores.{name}"), "needs either an endpoint or a folder", hint));
        }
        (Some(endpoint), None) if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") => {
            let hint = "write it with its scheme, such as https://s3.example.org";
            into.push(DataMistake::new(at("endpoint"), format!("{endpoint:?} is no URL of HTTP"), hint));
        }
        (Some(_), None) if store.credentials.is_none() => {
            let hint = r#"credentials = { key = { env = "KEY" }, secret = { env = "SECRET" } }"#;
            into.push(DataMistake::new(at("credentials"), "are missing", hint));
        }
        (None, Some(folder)) if !folder.starts_with('/') => {
            let hint = "write its path from the root on";
            into.push(DataMistake::new(at("folder"), format!("{folder:?} is no absolute path"), hint));
        }
        _ => {}
    }
    if let Some(Err(why)) = store.capacity.as_deref().map(amount::bytes) {
        into.push(DataMistake::new(at("capacity"), why, "leave it out for no bound"));
    }
    let same = |other: &StoreSettings| {
        (store.endpoint.is_some() && other.endpoint == store.endpoint)
            || (store.folder.is_some() && other.folder == store.folder)
    };
    let twin = settings.stores.iter().find(|(other, settings)| other.as_str() < name && same(settings));
    if let Some((twin, _)) = twin {
        let message = format!("is the same as that of {twin}");
        into.push(DataMistake::new(format!("stores.{name}"), message, "one store has one name: remove one of them"));
    }
}

fn of_bucket(settings: &DataSettings, name: &str, bucket: &BucketSettings, into: &mut Vec<DataMistake>) {
    let at = |member: &str| format!("buckets.{name}.{member}");
    for (store, name) in
        [(None, name)].into_iter().chain(bucket.names.iter().map(|(at, name)| (Some(at), name.as_str())))
    {
        if let Some(why) = wrong_bucket_name(name) {
            let at = store.map_or_else(|| format!("buckets.{name}"), |store| at(&format!("names.{store}")));
            into.push(DataMistake::new(at, why, "3 to 63 lower case letters, digits, hyphens and dots"));
        }
    }
    let stores = bucket.names.keys().chain(&bucket.at).chain([&bucket.master]);
    for store in stores.filter(|store| !settings.stores.contains_key(*store)) {
        into.push(unknown(&format!("buckets.{name}"), "store", store, settings.stores.keys()));
    }
    for zone in &bucket.zones {
        if !settings.places.values().any(|place| place.zones.contains(zone)) {
            let known = settings.places.values().flat_map(|place| &place.zones);
            into.push(unknown(&at("zones"), "zone of a place", zone, known));
        }
    }
    for store in bucket.at.iter().filter(|store| settings.stores.contains_key(*store)) {
        if *store == bucket.master {
            into.push(DataMistake::new(at("at"), format!("{store} is the master"), "list the other stores only"));
        } else if !settings.is_inside(store, &bucket.zones) {
            let message = format!("{store} is outside the zones of the bucket");
            into.push(DataMistake::new(at("at"), message, "remove the store from `at`, or add one of its zones"));
        }
    }
    if bucket.replicas > 0 && !bucket.at.is_empty() && bucket.replicas != bucket.at.len() {
        let message = format!("says {}, and `at` lists {}", bucket.replicas, bucket.at.len());
        into.push(DataMistake::new(at("replicas"), message, "give one of the two"));
    }
    for pattern in bucket.only.iter().chain(&bucket.except) {
        if let Some(why) = crate::pattern::mistake(pattern) {
            into.push(DataMistake::new(at("only"), why, "such as photos/** or **/*.tmp"));
        }
    }
    if let Some(Err(why)) = bucket.guard.as_deref().map(amount::percent) {
        into.push(DataMistake::new(at("guard"), why, "leave it out for 10%"));
    }
    if let Some(Err(why)) = bucket.audit.as_deref().map(amount::duration) {
        into.push(DataMistake::new(at("audit"), why, "leave it out for 1m"));
    }
    let named = bucket.route.iter().flat_map(|route| &route.endpoints);
    for endpoint in named.filter(|name| !settings.endpoints.contains_key(*name)) {
        into.push(unknown(&at("route.endpoints"), "endpoint", endpoint, settings.endpoints.keys()));
    }
    let quota = bucket.quota.as_ref().and_then(|quota| quota.bytes.as_deref());
    if let Some(Err(why)) = quota.map(amount::bytes) {
        into.push(DataMistake::new(at("quota.bytes"), why, "leave it out for no bound"));
    }
    if settings.stores.contains_key(&bucket.master)
        && let Some(why) = settings.server_is_outside(bucket)
    {
        let hint = "give `place` in [server], and run the server in one of the bucket's zones";
        into.push(DataMistake::new(at("zones"), why, hint));
    }
}

/// A name that is not there, with those that are.
pub(crate) fn unknown<'a>(at: &str, what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> DataMistake {
    let known: std::collections::BTreeSet<&str> = known.map(String::as_str).collect();
    let hint = if known.is_empty() {
        "there is none yet".to_owned()
    } else {
        format!("there are {}", known.into_iter().collect::<Vec<_>>().join(", "))
    };
    DataMistake::new(at, format!("{name:?} is no {what}"), hint)
}

fn is_name(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(is_fine)
}

/// Why a name is none that every S3 takes.
fn wrong_bucket_name(name: &str) -> Option<String> {
    let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if name == OWN_BUCKET || name == CONFLICTS_BUCKET {
        return Some(format!("{name} is the name of a bucket of the server's own"));
    }
    let is_good = (3..=63).contains(&name.len())
        && name.bytes().all(is_fine)
        && is_edge(name.bytes().next())
        && is_edge(name.bytes().last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err();
    (!is_good).then(|| format!("{name:?} is no name of a bucket"))
}
