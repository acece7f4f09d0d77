//! The two documents of an image, as the OCI image specification has them. Times are nobody's: an image made again is
//! the same image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use serde::Serialize;

use crate::base::CERTIFICATES;
use crate::{Digest, FOLDER, HOST, ImageError, Layer, USER};

/// Media type of a manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of a configuration.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of a layer.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// When every image was made.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Names bytes: their kind, digest and number.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor<'a> {
    pub(crate) media_type: &'a str,
    pub(crate) digest: &'a Digest,
    pub(crate) size: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<&'a str, &'a str>,
}

impl<'a> Descriptor<'a> {
    pub(crate) fn new(media_type: &'a str, digest: &'a Digest, content: &[u8]) -> Self {
        Self { media_type, digest, size: content.len(), annotations: BTreeMap::new() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    config: Process<'a>,
    rootfs: Rootfs<'a>,
    history: Vec<Step<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Process<'a> {
    user: String,
    env: Vec<String>,
    entrypoint: [&'a str; 3],
    working_dir: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct Rootfs<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    diff_ids: Vec<&'a Digest>,
}

#[derive(Serialize)]
struct Step<'a> {
    created: &'a str,
    created_by: &'a str,
}

/// The configuration: what is run, as whom, and where the loader finds the shared objects in `folders` (there is no
/// cache of them inside).
pub(crate) fn config(
    architecture: &str,
    folders: &BTreeSet<&Path>,
    layers: &[Layer],
    labels: &[(&str, &str)],
) -> Result<Bytes, ImageError> {
    let mut env = vec![format!("SSL_CERT_FILE={CERTIFICATES}")];
    if !folders.is_empty() {
        let folders: Vec<_> = folders.iter().map(|folder| folder.to_string_lossy()).collect();
        env.push(format!("LD_LIBRARY_PATH={}", folders.join(":")));
    }
    let config = Config {
        created: CREATED,
        architecture,
        os: "linux",
        config: Process {
            user: format!("{USER}:{USER}"),
            env,
            entrypoint: [HOST, "host", FOLDER],
            working_dir: "/",
            labels: labels.iter().copied().collect(),
        },
        rootfs: Rootfs { kind: "layers", diff_ids: layers.iter().map(|layer| &layer.diff_id).collect() },
        history: layers.iter().map(|_| Step { created: CREATED, created_by: "dyn push" }).collect(),
    };
    Ok(serde_json::to_vec(&config)?.into())
}

/// The manifest: the configuration and the layers, lowest first.
pub(crate) fn manifest(config: &[u8], config_digest: &Digest, layers: &[Layer]) -> Result<Bytes, ImageError> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config: Descriptor::new(CONFIG, config_digest, config),
        layers: layers.iter().map(|layer| Descriptor::new(LAYER, &layer.digest, &layer.content)).collect(),
    };
    Ok(serde_json::to_vec(&manifest)?.into())
}
