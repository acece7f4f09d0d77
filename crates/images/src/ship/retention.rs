//! What of ours is kept where images come to: documents read back.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Digest;

/// A registry's list of tags.
#[derive(Deserialize)]
pub(crate) struct Listing {
    /// None where there are none, to some registries.
    pub(crate) tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: Digest,
    size: u64,
}

/// The layers a manifest names, with their compressed bytes.
pub(crate) fn layers(manifest: &[u8]) -> Result<BTreeMap<Digest, u64>, serde_json::Error> {
    let manifest: Manifest = serde_json::from_slice(manifest)?;
    Ok(manifest.layers.into_iter().map(|layer| (layer.digest, layer.size)).collect())
}
