//! Where the buckets of an app are, as its hosts are told in their environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The environment variable of a host with the folder in which each bucket is a folder. The session makes it, and a container
/// has it mounted at the same path.
pub const BUCKETS_VARIABLE: &str = "DYNINKA_BUCKETS";
/// The environment variable of a host with the JSON of [`BucketStores`], where somebody runs stores. It goes before the folder.
pub const STORES_VARIABLE: &str = "DYNINKA_STORES";

/// Buckets at stores.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketStores {
    /// By name.
    pub stores: BTreeMap<String, StoreAccess>,
    /// By name. There are no others.
    pub buckets: BTreeMap<String, BucketHome>,
}

/// Where a bucket is read, and where it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketHome {
    /// The nearest copy that settings fix.
    pub reads: BucketCopy,
    /// The master.
    pub writes: BucketCopy,
    /// By store that may hold it, where instances have places: its name there. Which of them does is the table's to say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub near: BTreeMap<String, String>,
}

/// A bucket at a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketCopy {
    pub store: String,
    /// Its name there.
    pub name: String,
}

/// How a store is reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreAccess {
    Folder(PathBuf),
    S3 {
        endpoint: String,
        region: String,
        /// The bucket is a part of the host's name.
        by_host: bool,
        /// PEM file of the authority that signed its certificate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<PathBuf>,
        key: StoreSecret,
        secret: StoreSecret,
    },
}

/// A half of a store's credentials.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StoreSecret {
    /// The text itself.
    Value(String),
    /// The environment variable of the host that has it, as on a cluster.
    Variable { variable: String },
}

impl StoreSecret {
    /// The text; `variable` reads one of the host's environment. The error says what is missing.
    pub fn text(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        match self {
            Self::Value(text) => Ok(text.clone()),
            Self::Variable { variable: name } => {
                variable(name).ok_or_else(|| format!("the variable {name} is not set"))
            }
        }
    }
}

impl fmt::Debug for StoreAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key and the secret.
        match self {
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::S3 { endpoint, .. } => f.debug_struct("S3").field("endpoint", endpoint).finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn stores_travel_as_json_and_no_debug_text_has_a_secret() {
        let s3 = StoreAccess::S3 {
            endpoint: "https://s3.example.org".to_owned(),
            region: "us-east-1".to_owned(),
            by_host: false,
            ca: None,
            key: StoreSecret::Value("k3y".to_owned()),
            secret: StoreSecret::Variable { variable: "HPC_SECRET".to_owned() },
        };
        let copy = BucketCopy { store: "hpc".to_owned(), name: "acme-images".to_owned() };
        let near = BTreeMap::from([("cc1".to_owned(), "images".to_owned())]);
        let home = BucketHome { reads: copy.clone(), writes: copy, near };
        let stores = BTreeMap::from([("hpc".to_owned(), s3), ("cc1".to_owned(), StoreAccess::Folder("/b".into()))]);
        let stores = BucketStores { stores, buckets: BTreeMap::from([("images".to_owned(), home)]) };
        let text = serde_json::to_string(&stores).unwrap();
        assert_eq!(serde_json::from_str::<BucketStores>(&text).unwrap(), stores);
        let debug = format!("{stores:?}");
        assert!(!debug.contains("HPC_SECRET") && !debug.contains("k3y"), "{debug}");
    }

    #[test]
    fn half_of_credentials_is_a_text_or_a_variable_of_the_host() {
        let value: StoreSecret = serde_json::from_str("\"k3y\"").unwrap();
        let variable: StoreSecret = serde_json::from_str(r#"{ "variable": "KEY" }"#).unwrap();
        let of_host = |name: &str| (name == "KEY").then(|| "v".to_owned());
        assert_eq!((value.text(|_| None), variable.text(of_host)), (Ok("k3y".to_owned()), Ok("v".to_owned())));
        assert_eq!(variable.text(|_| None), Err("the variable KEY is not set".to_owned()));
    }
}
