//! Records as ConfigMaps, one each.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{KEPT, KeptRecord, PushOutcome, PushRecord, PushedSource};
use crate::cluster::{Access, ClusterError, MANAGED_BY, MANAGER, PART_OF};
use crate::object::{label, name};

/// The label of a ConfigMap that is a record.
const KIND: &str = "dyninka.dev/kind";
/// Its value.
const PUSH: &str = "push";
/// A ConfigMap holds 1 MiB. What is larger than this packed is left out.
const LARGEST: usize = 768 << 10;
/// What is unpacked is no larger, whoever wrote it.
const LARGEST_UNPACKED: u64 = 64 << 20;

/// The records of an app.
pub struct Store<'a> {
    access: &'a Access,
    app: &'a str,
    api: Api<ConfigMap>,
}

/// Records that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The cluster does not do what it is asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A record is not what was written.
    #[error("cannot read the record {name}: {why}")]
    Broken {
        /// The ConfigMap.
        name: String,
        why: String,
    },
}

impl<'a> Store<'a> {
    /// The records of an app, by its name, in a namespace.
    pub fn new(access: &'a Access, app: &'a str) -> Self {
        Self { access, app, api: Api::namespaced(access.client.clone(), &access.namespace) }
    }

    /// Every record that is kept, the oldest first.
    ///
    /// # Errors
    /// What the API server says, or a record that is not what was written.
    pub async fn all(&self) -> Result<Vec<KeptRecord>, StoreError> {
        let labels = format!("{MANAGED_BY}={MANAGER},{PART_OF}={},{KIND}={PUSH}", label::app(self.app));
        let found =
            self.access.ask("read what was pushed", self.api.list(&ListParams::default().labels(&labels))).await?;
        let mut all = found.items.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|kept| kept.record.number);
        Ok(all)
    }

    /// Keeps a record, its source where there is room for it.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn keep(&self, kept: &KeptRecord) -> Result<(), StoreError> {
        self.create(kept, &PostParams::default()).await
    }

    /// Whether a record could be kept; nothing is changed by it.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub async fn rehearse(&self, kept: &KeptRecord) -> Result<(), StoreError> {
        self.create(kept, &PostParams { dry_run: true, ..PostParams::default() }).await
    }

    async fn create(&self, kept: &KeptRecord, parameters: &PostParams) -> Result<(), StoreError> {
        let map = self.map(kept)?;
        self.access.ask("keep what is pushed", self.api.create(parameters, &map)).await?;
        Ok(())
    }

    fn map(&self, kept: &KeptRecord) -> Result<ConfigMap, StoreError> {
        let name = self.name(kept.record.number);
        let broken = |why: String| StoreError::Broken { name: name.clone(), why };
        let objects = pack(&kept.objects).map_err(|error| broken(error.to_string()))?;
        let source = kept.source.as_ref().map(pack).transpose().map_err(|error| broken(error.to_string()))?;
        let room = LARGEST.saturating_sub(objects.len());
        let source =
            source.filter(|source| source.len() <= room).map(|source| ("source".to_owned(), ByteString(source)));
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Ok(ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(
                    [label(MANAGED_BY, MANAGER), label(PART_OF, &label::app(self.app)), label(KIND, PUSH)].into(),
                ),
                ..ObjectMeta::default()
            },
            data: Some([("record".to_owned(), text(&kept.record).map_err(broken)?)].into()),
            binary_data: Some([("objects".to_owned(), ByteString(objects))].into_iter().chain(source).collect()),
            ..ConfigMap::default()
        })
    }

    /// Says how it ended.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn end(&self, record: &PushRecord, outcome: PushOutcome) -> Result<(), StoreError> {
        let name = self.name(record.number);
        let record = PushRecord { outcome, ..record.clone() };
        let record = text(&record).map_err(|why| StoreError::Broken { name: name.clone(), why })?;
        let patch = Patch::Merge(serde_json::json!({ "data": { "record": record } }));
        let parameters = PatchParams::default();
        let patched = self.api.patch(&name, &parameters, &patch);
        self.access.ask("keep how the push ended", patched).await?;
        Ok(())
    }

    /// Takes the sources out of records that are kept.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn drop_sources(&self, all: &[KeptRecord]) -> Result<(), StoreError> {
        let patch = Patch::Merge(serde_json::json!({ "binaryData": { "source": null } }));
        for kept in all[all.len().saturating_sub(KEPT)..].iter().filter(|kept| kept.source.is_some()) {
            let (name, parameters) = (self.name(kept.record.number), PatchParams::default());
            match self.access.ask("take the source away", self.api.patch(&name, &parameters, &patch)).await {
                Ok(_) | Err(ClusterError::Refused { code: 404, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Lets the oldest records go.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn forget(&self, all: &[KeptRecord]) -> Result<(), StoreError> {
        for kept in &all[..all.len().saturating_sub(KEPT)] {
            let name = self.name(kept.record.number);
            match self.access.ask("forget an old push", self.api.delete(&name, &DeleteParams::default())).await {
                Ok(_) | Err(ClusterError::Refused { code: 404, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn name(&self, number: u32) -> String {
        name::of_record(self.app, number)
    }
}

fn read(map: &ConfigMap) -> Result<KeptRecord, StoreError> {
    let broken = |why: String| StoreError::Broken { name: map.name_any(), why };
    let record = map.data.as_ref().and_then(|data| data.get("record"));
    let record = record.ok_or_else(|| broken("it holds no record".to_owned()))?;
    let record = serde_json::from_str(record).map_err(|error| broken(error.to_string()))?;
    let packed = |name: &str| map.binary_data.as_ref().and_then(|data| data.get(name));
    let objects = packed("objects").ok_or_else(|| broken("it holds no objects".to_owned()))?;
    let objects = unpack(&objects.0).map_err(|error| broken(error.to_string()))?;
    let source = packed("source").map(|source| unpack::<PushedSource>(&source.0)).transpose();
    Ok(KeptRecord { record, objects, source: source.map_err(|error| broken(error.to_string()))? })
}

fn text(record: &PushRecord) -> Result<String, String> {
    serde_json::to_string(record).map_err(|error| error.to_string())
}

fn pack<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&serde_json::to_vec(value)?)?;
    encoder.finish()
}

fn unpack<T: DeserializeOwned>(packed: &[u8]) -> io::Result<T> {
    let mut json = Vec::new();
    GzDecoder::new(packed).take(LARGEST_UNPACKED).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_again() {
        let source = PushedSource {
            root: "app.rs".into(),
            texts: [("app.rs".into(), "fn main() {}".into())].into(),
            ..PushedSource::default()
        };
        let packed = pack(&source).expect("packed");
        assert_eq!(unpack::<PushedSource>(&packed).expect("unpacked"), source);
        assert!(unpack::<PushedSource>(&packed[..packed.len() / 2]).is_err());
    }
}
