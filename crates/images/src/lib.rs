//! OCI images of services, and the ways they take to registries and engines (feature `registry`).
//!
//! The image a service runs from on a cluster: the host's layer, which services share, and above it a small layer
//! with the service's library. No base image, no shell, no distribution; the same inputs give the same bytes.
//!
//! ```no_run
//! # use std::path::Path;
//! # fn main() -> Result<(), images::ImageError> {
//! use images::{Base, BuiltLibrary, build};
//! let base = Base::prepare(&std::env::current_exe().unwrap_or_default(), Path::new("cache/images"))?;
//! let path = Path::new("lib-0a1b.so");
//! let library = BuiltLibrary { app: "building", service: "map", version: "map@0a1b2c3d", path };
//! let image = build(&base, &library)?;
//! println!("{} brings {} bytes of its own", image.digest, image.own_bytes());
//! # Ok(()) }
//! ```

mod archive;
mod base;
pub mod elf;
mod error;
mod layer;
mod manifest;
#[cfg(feature = "registry")]
pub mod ship;
#[cfg(test)]
mod testing;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use archive::{Named, write as write_archive};
pub use base::{Base, HostFiles, certificates};
pub use error::ImageError;
pub use layer::Layer;

use layer::File;

/// The folder of a host inside the image: the library is here, and its `config.json` is to be put here.
pub const FOLDER: &str = "/dyninka";
/// The host program inside the image; it is run as `/dyn host /dyninka`.
pub const HOST: &str = "/dyn";
/// User and group services run as: nobody of the machine's.
pub const USER: u32 = 65_532;
/// Libraries that have a layer each; more share one. An image has 127 layers at the most.
const MOST_LAYERS: usize = 60;
/// The label with the app's name, on everything that can be labelled.
pub const APP: &str = "dyninka.dev/app";
/// The label with the service's Rust name.
pub const SERVICE: &str = "dyninka.dev/service";
/// The label with the service's version.
pub const VERSION: &str = "dyninka.dev/version";

/// A digest as OCI writes it: `sha256:` and 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }

    /// A digest read from text; `None` where that is none.
    pub fn read(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_hex.then(|| Self(text.to_owned()))
    }

    /// As OCI writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 hex digits alone.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text).ok_or_else(|| format!("{text:?} is no sha256 digest"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct BuiltLibrary<'a> {
    pub app: &'a str,
    /// The service's Rust name.
    pub service: &'a str,
    /// `service@hash`.
    pub version: &'a str,
    /// The file; its name is its name inside the image, too.
    pub path: &'a Path,
}

/// An image: what a registry is given.
#[derive(Clone, Debug)]
pub struct Image {
    pub app: String,
    /// The service's Rust name.
    pub service: String,
    /// Lowest first: the host's, what else the library needs of this machine where it does, the library's.
    pub layers: Vec<Layer>,
    /// The image's configuration, JSON.
    pub config: Bytes,
    /// The configuration's digest, by which Docker knows the image.
    pub config_digest: Digest,
    /// The manifest, JSON.
    pub manifest: Bytes,
    /// The manifest's digest: what the image is referred to by.
    pub digest: Digest,
    /// Name of the library in its folder: `library` of the host's configuration. The first one's where there are several.
    pub library: String,
    /// `amd64` or `arm64`: the nodes it runs on.
    pub architecture: &'static str,
}

impl Image {
    /// Compressed bytes that no other service has: all but the host's layer.
    pub fn own_bytes(&self) -> u64 {
        self.layers.iter().skip(1).map(Layer::compressed).sum::<u64>()
            + (self.config.len() + self.manifest.len()) as u64
    }

    /// Compressed bytes of the layer with the library of one of so many services, by its number.
    pub fn library_bytes(&self, at: usize, of: usize) -> u64 {
        let own = of.min(MOST_LAYERS + 1);
        let first = self.layers.len().saturating_sub(own);
        self.layers.get(first + at.min(own.saturating_sub(1))).map_or(0, Layer::compressed)
    }

    /// Compressed bytes in all.
    pub fn bytes(&self) -> u64 {
        self.layers.first().map_or(0, Layer::compressed) + self.own_bytes()
    }
}

/// The folder of a service in an image of several.
pub fn folder_of(host: &str) -> String {
    format!("{FOLDER}/{host}")
}

/// Puts a library over the host's layer. What the library needs of this machine and the host does not (a C library
/// of one of the app's dependencies) comes along in a layer between. Blocks for some 25 ms: reads and compresses.
pub fn build(base: &Base, library: &BuiltLibrary<'_>) -> Result<Image, ImageError> {
    assemble(base, *library, &[(FOLDER.to_owned(), *library)])
}

/// Puts the libraries of services that share a host over its layer, each in a layer and in the folder of its name
/// ([`folder_of`]). The image is called by the first.
pub fn build_together(base: &Base, libraries: &[(&str, BuiltLibrary<'_>)]) -> Result<Image, ImageError> {
    let (_, first) = *libraries.first().ok_or_else(|| ImageError::NoLibrary { path: FOLDER.into() })?;
    let placed: Vec<_> = libraries.iter().map(|(host, library)| (folder_of(host), *library)).collect();
    assemble(base, first, &placed)
}

/// The host's layer alone: a program that is no host of a library, such as the agent of a node.
pub fn build_alone(base: &Base, app: &str, name: &str) -> Result<Image, ImageError> {
    let layers = vec![base.layer.clone()];
    let folders: BTreeSet<&Path> = base.linked.objects.iter().filter_map(|object| object.parent()).collect();
    let config = manifest::config(base.architecture, &folders, &layers, &[(APP, app), (SERVICE, name)])?;
    let config_digest = Digest::of(&config);
    let manifest = manifest::manifest(&config, &config_digest, &layers)?;
    Ok(Image {
        app: app.to_owned(),
        service: name.to_owned(),
        layers,
        digest: Digest::of(&manifest),
        config,
        config_digest,
        manifest,
        library: String::new(),
        architecture: base.architecture,
    })
}

fn assemble(
    base: &Base,
    first: BuiltLibrary<'_>,
    libraries: &[(String, BuiltLibrary<'_>)],
) -> Result<Image, ImageError> {
    let no_library = |path: &Path| ImageError::NoLibrary { path: path.to_owned() };
    let named = |library: &BuiltLibrary<'_>| {
        let name = library.path.file_name().ok_or_else(|| no_library(library.path))?;
        Ok::<_, ImageError>(name.to_string_lossy().into_owned())
    };
    // A library names no loader; the host's is asked.
    let loader = base.linked.loader.as_deref();
    let (mut needed, mut files) = (BTreeSet::new(), Vec::new());
    for (folder, library) in libraries {
        if let Some(loader) = loader {
            needed.extend(elf::shared_objects(library.path, loader)?);
        }
        let inside = Path::new(folder).join(named(library)?);
        files.push(File::read(&inside, library.path, 0o644)?);
    }
    let more: Vec<PathBuf> = needed.difference(&base.linked.objects).cloned().collect();
    let mut layers = vec![base.layer.clone()];
    if !more.is_empty() {
        let files = more.iter().map(|file| File::read(file, file, 0o755)).collect::<Result<Vec<_>, _>>()?;
        layers.push(layer::write(&[], &files)?);
    }
    // The same library in the same folder is the same layer, whoever else is there.
    let (own, shared) = files.split_at(files.len().min(MOST_LAYERS));
    for files in own.chunks(1).chain([shared]).filter(|files| !files.is_empty()) {
        // The base has the folder of one that is alone.
        let parents = files.iter().filter_map(|file| file.inside.parent()?.strip_prefix("/").ok()?.to_str());
        let made: Vec<(&str, u32)> =
            parents.filter(|folder| folder.contains('/')).map(|folder| (folder, 0o755)).collect();
        layers.push(layer::write(&made, files)?);
    }
    let folders: BTreeSet<&Path> =
        base.linked.objects.iter().chain(&more).filter_map(|object| object.parent()).collect();
    let joined = |of: &dyn Fn(&BuiltLibrary<'_>) -> String| {
        libraries.iter().map(|(_, library)| of(library)).collect::<Vec<_>>().join("+")
    };
    let services = joined(&|library| library.service.to_owned());
    let versions = joined(&|library| library.version.to_owned());
    let labels = [(APP, first.app), (SERVICE, services.as_str()), (VERSION, versions.as_str())];
    let config = manifest::config(base.architecture, &folders, &layers, &labels)?;
    let config_digest = Digest::of(&config);
    let manifest = manifest::manifest(&config, &config_digest, &layers)?;
    Ok(Image {
        app: first.app.to_owned(),
        service: first.service.to_owned(),
        layers,
        digest: Digest::of(&manifest),
        config,
        config_digest,
        manifest,
        library: named(&first)?,
        architecture: base.architecture,
    })
}
