//! What S3 keeps beside the bytes of an object.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::StorageError;
use crate::object::{ObjectHead, ObjectHeaders};

/// The sidecar of a file. It belongs to the file of this number, size and time, and to no other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sidecar {
    pub(super) tag: String,
    pub(super) part_size: Option<u64>,
    headers: ObjectHeaders,
    number: u64,
    size: u64,
    changed: (i64, i64),
}

impl Sidecar {
    pub(super) fn new(tag: String, part_size: Option<u64>, headers: ObjectHeaders) -> Self {
        Self { tag, part_size, headers, ..Self::default() }
    }

    pub(super) fn of_file(self, about: &Metadata) -> Self {
        Self { number: about.ino(), size: about.size(), changed: (about.mtime(), about.mtime_nsec()), ..self }
    }

    fn belongs(&self, about: &Metadata) -> bool {
        (self.number, self.size, self.changed) == (about.ino(), about.size(), (about.mtime(), about.mtime_nsec()))
    }
}

fn place(sidecars: &Path, key: &str) -> PathBuf {
    let name = blake3::hash(key.as_bytes()).to_hex();
    // A folder of a million files is slow: they are spread.
    sidecars.join(&name[..2]).join(&name[2..])
}

/// The sidecar of a file, where there is one that belongs to it.
pub(super) fn of(sidecars: &Path, key: &str, about: &Metadata) -> Option<Sidecar> {
    let text = fs::read(place(sidecars, key)).ok()?;
    let sidecar: Sidecar = serde_json::from_slice(&text).ok()?;
    sidecar.belongs(about).then_some(sidecar)
}

pub(super) fn keep(sidecars: &Path, key: &str, sidecar: &Sidecar) -> Result<(), StorageError> {
    let path = place(sidecars, key);
    let folder = path.parent().unwrap_or(sidecars);
    fs::create_dir_all(folder)?;
    let file = tempfile::NamedTempFile::new_in(folder)?;
    let written = serde_json::to_writer(&file, sidecar).map_err(std::io::Error::from);
    written.and_then(|()| file.persist(&path).map_err(|error| error.error)).map(drop).map_err(Into::into)
}

/// Removes a sidecar. One that stays belongs to no file.
pub(super) fn forget(sidecars: &Path, key: &str) {
    drop(fs::remove_file(place(sidecars, key)));
}

/// An object by its file and sidecar.
pub(super) fn head(sidecar: Option<Sidecar>, about: &Metadata) -> ObjectHead {
    match sidecar {
        Some(sidecar) => ObjectHead { tag: sidecar.tag, size: about.size(), headers: sidecar.headers },
        None => {
            // By hand: another file, size or time is another version.
            let tag = format!("file-{:x}-{:x}-{:x}{:09}", about.ino(), about.size(), about.mtime(), about.mtime_nsec());
            ObjectHead { tag, size: about.size(), headers: ObjectHeaders::new() }
        }
    }
}
