//! The file of a user: places, stores, buckets, and endpoints of functions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::check::DataMistake;
use crate::route::{BucketRoute, EndpointSettings, RoutePolicy};
use crate::rule::RouteRule;

/// Places, stores and buckets, as `data.toml` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    pub places: BTreeMap<String, PlaceSettings>,
    pub stores: BTreeMap<String, StoreSettings>,
    pub buckets: BTreeMap<String, BucketSettings>,
    /// Functions that are not services of an app.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// Rules for requests. The first that matches counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteRule>,
    pub server: DataServerSettings,
}

/// A place: where stores are near each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlaceSettings {
    /// Labels that buckets are bound to, such as `germany`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub zones: BTreeSet<String>,
    /// Labels that requests and services ask for, such as `gpu` and `disk=ssd`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
}

/// A store of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    pub place: String,
    /// URL of an S3 API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Folder in which each bucket is a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "StoreStyle::is_path")]
    pub style: StoreStyle,
    /// PEM file of the authority that signed the endpoint's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialSettings>,
    /// Bytes that all buckets together may take here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<String>,
}

impl StoreSettings {
    /// The region; S3's first where none is given.
    pub fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }
}

/// Where the name of a bucket stands in a URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StoreStyle {
    /// `https://endpoint/bucket/key`
    #[default]
    Path,
    /// `https://bucket.endpoint/key`
    Host,
}

impl StoreStyle {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_path(&self) -> bool {
        *self == Self::Path
    }
}

/// Where the two halves of a store's credentials are read. They are never written here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialSettings {
    pub key: SecretSource,
    pub secret: SecretSource,
}

/// Where a secret is read: a variable of the server's environment, or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    Env(String),
    File(String),
}

/// A bucket: its master and its copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BucketSettings {
    /// Store that is written to.
    pub master: String,
    /// Zones that hold every copy, the master's too; none: anywhere.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub zones: BTreeSet<String>,
    /// Copies besides the master.
    #[serde(skip_serializing_if = "is_zero")]
    pub replicas: usize,
    /// Exactly these stores, in place of a number.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub at: BTreeSet<String>,
    /// Patterns of keys that are copied; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Patterns of keys that are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    #[serde(skip_serializing_if = "DeletesRule::is_follow")]
    pub deletes: DeletesRule,
    /// Share of the keys that may vanish at once before copying stops; `10%` where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<String>,
    /// How often listings are compared; `1m` where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaSettings>,
    /// The bucket's name at stores where it has another one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// Another policy, or other endpoints, for requests that work on the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<BucketRoute>,
    /// Take over a bucket of this name that has objects already at the store of a replica.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Default for BucketSettings {
    fn default() -> Self {
        Self {
            master: String::new(),
            zones: BTreeSet::new(),
            replicas: 0,
            at: BTreeSet::new(),
            only: Vec::new(),
            except: Vec::new(),
            deletes: DeletesRule::Follow,
            guard: None,
            audit: None,
            quota: None,
            names: BTreeMap::new(),
            route: None,
            adopt: false,
        }
    }
}

impl BucketSettings {
    /// The bucket's name at a store.
    pub fn name_at<'a>(&'a self, store: &str, bucket: &'a str) -> &'a str {
        self.names.get(store).map_or(bucket, String::as_str)
    }

    /// Percent of the keys that may vanish at once.
    pub fn guard(&self) -> u8 {
        self.guard.as_deref().and_then(|text| crate::amount::percent(text).ok()).unwrap_or(10)
    }

    /// Milliseconds between two comparisons of listings.
    pub fn audit(&self) -> u64 {
        self.audit.as_deref().and_then(|text| crate::amount::duration(text).ok()).unwrap_or(60_000)
    }

    /// Whether a key is copied.
    pub fn wants(&self, key: &str) -> bool {
        let is_in = |patterns: &[String]| patterns.iter().any(|pattern| crate::pattern::matches(pattern, key));
        (self.only.is_empty() || is_in(&self.only)) && !is_in(&self.except)
    }
}

/// What becomes of a copy whose original was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeletesRule {
    /// It is deleted.
    #[default]
    Follow,
    /// It stays.
    Keep,
}

impl DeletesRule {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_follow(&self) -> bool {
        *self == Self::Follow
    }
}

/// Bounds of a bucket for writes through the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
}

impl QuotaSettings {
    /// Bytes at most.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes.as_deref().and_then(|text| crate::amount::bytes(text).ok())
    }
}

/// The server that moves the bytes and routes requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataServerSettings {
    /// Place where the server runs. Buckets with zones are moved by a server inside them alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// A header beside `Dyninka-Data` that names the bucket of a request, such as `X-FaDO-Bucket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Choice among the endpoints that may serve a request.
    #[serde(skip_serializing_if = "RoutePolicy::is_near")]
    pub policy: RoutePolicy,
}

impl DataSettings {
    /// Reads `data.toml`. All mistakes come together.
    pub fn read(text: &str) -> Result<Self, Vec<DataMistake>> {
        let settings: Self = toml::from_str(text).map_err(|error| vec![DataMistake::of_toml(text, &error)])?;
        let mistakes = crate::check::check(&settings);
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    /// Writes what `read` reads.
    pub fn write(&self) -> Result<String, String> {
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// Zones of the place of a store.
    pub fn zones_of(&self, store: &str) -> impl Iterator<Item = &String> {
        let place = self.stores.get(store).and_then(|store| self.places.get(&store.place));
        place.into_iter().flat_map(|place| &place.zones)
    }

    /// Whether a store may hold a bucket that is bound to these zones.
    pub fn is_inside(&self, store: &str, zones: &BTreeSet<String>) -> bool {
        zones.is_empty() || self.zones_of(store).any(|zone| zones.contains(zone))
    }

    /// Why the server may not touch a byte of a bucket; none where it may.
    pub fn server_is_outside(&self, bucket: &BucketSettings) -> Option<String> {
        if bucket.zones.is_empty() {
            return None;
        }
        let zones = bucket.zones.iter().cloned().collect::<Vec<_>>().join(", ");
        let Some(name) = &self.server.place else {
            return Some(format!("it is bound to {zones}, and the place of the server is not given"));
        };
        let place = self.places.get(name);
        let is_inside = place.is_some_and(|place| place.zones.iter().any(|zone| bucket.zones.contains(zone)));
        (!is_inside).then(|| format!("it is bound to {zones}, and the server runs in {name}, which is outside"))
    }
}
