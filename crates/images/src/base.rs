//! The host's layer: the `dyn` program, the shared objects it is loaded with, certificates of authorities, and how
//! names are looked up. It is made once for each `dyn` and kept.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::elf::{self, Linked};
use crate::layer::{self, File};
use crate::{Digest, HOST, ImageError, Layer};

/// Where certificates are inside.
pub(crate) const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where systems keep theirs: Debian, Fedora, SUSE, Alpine.
const KEPT: [&str; 4] = [
    CERTIFICATES,
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Names are looked up in /etc/hosts and by DNS, also where a libc would think otherwise.
const NAMES: &[u8] = b"hosts: files dns\n";
/// What is there to be mounted over or written to.
const FOLDERS: [(&str, u32); 3] = [("dyninka", 0o755), ("tmp", 0o1777), ("etc", 0o755)];
/// Changes with what is put in here.
const FORMAT: &str = "base 1";

/// The lowest layer of every service, and what is known of the program in it.
#[derive(Clone, Debug)]
pub struct Base {
    pub layer: Layer,
    /// `amd64` or `arm64`: the nodes it runs on.
    pub architecture: &'static str,
    pub(crate) linked: Linked,
}

/// The files that a host needs to run: the program, its shared objects, certificates of authorities.
#[derive(Clone, Debug)]
pub struct HostFiles {
    /// How the program is linked.
    pub linked: Linked,
    architecture: &'static str,
    files: Vec<File>,
}

impl HostFiles {
    /// Reads a host program and what it needs of this machine.
    pub fn read(host: &Path, certificates: Option<&Path>) -> Result<Self, ImageError> {
        let content = fs::read(host).map_err(ImageError::read(host))?;
        let architecture = elf::architecture(host, &content)?;
        let linked = Linked::of(host, &content)?;
        let program = Bytes::from(elf::strip(host, content)?);
        let mut files = vec![
            File { inside: HOST.into(), content: program, mode: 0o755 },
            File { inside: "/etc/nsswitch.conf".into(), content: Bytes::from_static(NAMES), mode: 0o644 },
        ];
        if let Some(certificates) = certificates {
            files.push(File::read(Path::new(CERTIFICATES), certificates, 0o644)?);
        }
        for object in &linked.objects {
            files.push(File::read(object, object, 0o755)?);
        }
        Ok(Self { linked, architecture, files })
    }

    /// A hash of all files.
    pub fn key(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(FORMAT.as_bytes());
        for file in &self.files {
            hasher.update(&(file.inside.as_os_str().len() as u64).to_le_bytes());
            hasher.update(file.inside.as_os_str().as_encoded_bytes());
            hasher.update(&(file.content.len() as u64).to_le_bytes());
            hasher.update(&file.content);
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// The file system of an image as a tar archive, as `docker import` reads it.
    pub fn archive(&self) -> Result<Vec<u8>, ImageError> {
        layer::archive(&FOLDERS, &self.files)
    }
}

/// What is written beside a kept layer.
#[derive(Serialize, Deserialize)]
struct Label {
    digest: Digest,
    diff_id: Digest,
    unpacked: u64,
}

impl Base {
    /// The layer for a host program, kept in `cache`, where older ones are removed. Blocks for a second where it has to be
    /// made, for some 40 ms where it is kept (a `dyn` of 31 MB).
    pub fn prepare(host: &Path, cache: &Path) -> Result<Self, ImageError> {
        Self::prepare_with(host, cache, &certificates()?)
    }

    fn prepare_with(host: &Path, cache: &Path, certificates: &Path) -> Result<Self, ImageError> {
        let host = HostFiles::read(host, Some(certificates))?;
        let key = host.key();
        let layer = match find(cache, &key) {
            Some(kept) => kept,
            None => {
                let layer = layer::write(&FOLDERS, &host.files)?;
                keep(cache, &key, &layer)?;
                layer
            }
        };
        Ok(Self { layer, architecture: host.architecture, linked: host.linked })
    }
}

/// The file with this machine's certificates of authorities.
pub fn certificates() -> Result<PathBuf, ImageError> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
    let known = KEPT.iter().map(PathBuf::from);
    let looked: Vec<PathBuf> = named.into_iter().chain(known).collect();
    let found = looked.iter().find(|file| file.is_file()).cloned();
    found.ok_or_else(|| {
        let looked: Vec<String> = looked.iter().map(|file| file.display().to_string()).collect();
        ImageError::NoCertificates { looked: looked.join(", ") }
    })
}

/// The layer kept under a key. One that was cut short has another digest and is as good as none.
fn find(cache: &Path, key: &str) -> Option<Layer> {
    let label: Label = serde_json::from_slice(&fs::read(label_file(cache, key)).ok()?).ok()?;
    let content = fs::read(layer_file(cache, key)).ok()?;
    let Label { digest, diff_id, unpacked } = label;
    (Digest::of(&content) == digest).then(|| Layer { digest, diff_id, content: content.into(), unpacked })
}

/// Keeps a layer; those of older hosts go.
fn keep(cache: &Path, key: &str, layer: &Layer) -> Result<(), ImageError> {
    fs::create_dir_all(cache).map_err(ImageError::write(cache))?;
    for entry in fs::read_dir(cache).map_err(ImageError::read(cache))?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"base-") {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ImageError::write(&entry.path())(error));
                }
                _ => {}
            }
        }
    }
    let label = Label { digest: layer.digest.clone(), diff_id: layer.diff_id.clone(), unpacked: layer.unpacked };
    write(&layer_file(cache, key), &layer.content)?;
    write(&label_file(cache, key), &serde_json::to_vec(&label)?)
}

/// Writes a file that is there whole or not at all.
fn write(file: &Path, content: &[u8]) -> Result<(), ImageError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut written = tempfile::NamedTempFile::new_in(folder).map_err(ImageError::write(file))?;
    std::io::Write::write_all(&mut written, content).map_err(ImageError::write(file))?;
    written.persist(file).map_err(|error| ImageError::write(file)(error.error))?;
    Ok(())
}

fn layer_file(cache: &Path, key: &str) -> PathBuf {
    cache.join(format!("base-{key}.tar.gz"))
}

fn label_file(cache: &Path, key: &str) -> PathBuf {
    cache.join(format!("base-{key}.json"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Kind and mode, and path, of all that is in a layer.
    fn listed(layer: &Layer) -> Vec<String> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*layer.content));
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let kind = if entry.header().entry_type().is_dir() { "4" } else { "10" };
            format!("{kind}{:04o} {}", entry.header().mode().unwrap(), entry.path().unwrap().display())
        });
        entries.collect()
    }

    #[test]
    fn a_layer_is_made_once_and_a_damaged_one_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, certificates) = (folder.path().join("cache"), folder.path().join("ca.crt"));
        fs::write(&certificates, "certificates").unwrap();
        let host = std::env::current_exe().unwrap();
        let made = Base::prepare_with(&host, &cache, &certificates).unwrap();
        let inside = listed(&made.layer);
        for expected in ["40755 dyninka/", "41777 tmp/", "100755 dyn", "100644 etc/ssl/certs/ca-certificates.crt"] {
            assert!(inside.iter().any(|entry| entry == expected), "{expected}: {inside:?}");
        }
        assert!(inside.iter().any(|entry| entry.contains("/libc.so") || entry.contains("/ld-")), "{inside:?}");
        assert!(!inside.iter().any(|entry| entry.contains("bin/")), "no shell and no distribution: {inside:?}");
        let file = fs::read_dir(&cache).unwrap().flatten().find(|file| file.path().extension().unwrap() == "gz");
        let file = file.unwrap().path();
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        let kept = Base::prepare_with(&host, &cache, &certificates).unwrap();
        assert_eq!(kept.layer.digest, made.layer.digest);
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written, "it was not written again");
        fs::write(&file, "cut").unwrap();
        let again = Base::prepare_with(&host, &cache, &certificates).unwrap();
        assert_eq!(again.layer.content, made.layer.content);
        fs::write(&certificates, "others").unwrap();
        let other = Base::prepare_with(&host, &cache, &certificates).unwrap();
        assert_ne!(other.layer.digest, made.layer.digest);
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 2, "a layer and its label; the older ones are gone");
    }
}
