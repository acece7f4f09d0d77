//! Images as one archive, in the two layouts that are in use at once: OCI's (containerd, kind, k3d) and that of
//! `docker save`. Both name the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;
use serde::Serialize;

use crate::manifest::{Descriptor, MANIFEST};
use crate::{Digest, Image, ImageError};

/// An image and what it is to be called where it comes to.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    pub image: &'a Image,
    /// Its names in full, as `docker.io/dyninka/app:tag` or `docker.io/dyninka/app@sha256:…`.
    pub names: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    manifests: Vec<Descriptor<'a>>,
}

/// An image in the layout of `docker save`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Writes images to an archive, each layer once, and none whose digest is in `without`: who reads the archive has
/// those already.
pub fn write(images: &[Named<'_>], without: &BTreeSet<Digest>) -> Result<Bytes, ImageError> {
    let mut blobs: BTreeMap<String, &[u8]> = BTreeMap::new();
    let (mut manifests, mut saved) = (Vec::new(), Vec::new());
    for Named { image, names } in images {
        for layer in image.layers.iter().filter(|layer| !without.contains(&layer.digest)) {
            blobs.insert(path(&layer.digest), &layer.content);
        }
        blobs.insert(path(&image.config_digest), &image.config);
        blobs.insert(path(&image.digest), &image.manifest);
        for name in *names {
            let mut descriptor = Descriptor::new(MANIFEST, &image.digest, &image.manifest);
            descriptor.annotations.insert("io.containerd.image.name", name);
            if let Some((_, tag)) = name.rsplit_once(':').filter(|_| !name.contains('@')) {
                descriptor.annotations.insert("org.opencontainers.image.ref.name", tag);
            }
            manifests.push(descriptor);
        }
        saved.push(Saved {
            config: path(&image.config_digest),
            repo_tags: names.iter().filter(|name| !name.contains('@')).cloned().collect(),
            layers: image.layers.iter().map(|layer| path(&layer.digest)).collect(),
        });
    }
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", &serde_json::to_vec(&Index { schema_version: 2, manifests })?)?;
    append(&mut archive, "manifest.json", &serde_json::to_vec(&saved)?)?;
    for (path, content) in blobs {
        append(&mut archive, &path, content)?;
    }
    Ok(archive.into_inner()?.into())
}

fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}
