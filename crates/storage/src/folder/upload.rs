//! Uploads in parts: one file, into which each part is written at its place.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{FolderStore, Sidecar, blocking, path_of, readable, settle};
use crate::digest::{Md5Sum, parts_tag};
use crate::error::StorageError;
use crate::object::{DonePart, ObjectHeaders};

/// An upload, as it was begun.
#[derive(Serialize, Deserialize)]
struct Begun {
    part_size: u64,
    headers: ObjectHeaders,
}

fn text<T: Serialize>(value: &T) -> Result<Vec<u8>, StorageError> {
    serde_json::to_vec(value).map_err(|error| StorageError::Garbled(error.to_string()))
}

fn value<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, StorageError> {
    serde_json::from_slice(bytes).map_err(|error| StorageError::Garbled(error.to_string()))
}

/// A file that is gone belongs to an upload that is gone.
fn upload_gone(error: io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::NotFound { StorageError::NoUpload } else { error.into() }
}

impl FolderStore {
    fn upload(&self, id: &str) -> Result<PathBuf, StorageError> {
        // An id comes back from outside: it is a number of ours and no path.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(StorageError::NoUpload);
        }
        Ok(self.own("uploads")?.join(id))
    }

    pub async fn begin(
        &self,
        name: &str,
        key: &str,
        part_size: u64,
        headers: &ObjectHeaders,
    ) -> Result<String, StorageError> {
        self.answers().await?;
        path_of(&self.bucket(name)?, key)?;
        let id = format!("{:032x}", rand::random::<u128>());
        let folder = self.upload(&id)?;
        let about = text(&Begun { part_size, headers: headers.clone() })?;
        blocking(move || {
            fs::create_dir(&folder)?;
            fs::write(folder.join("about"), about)?;
            File::create(folder.join("bytes"))?;
            Ok(id)
        })
        .await
    }

    pub async fn part(
        &self,
        _name: &str,
        _key: &str,
        upload: &str,
        number: u16,
        bytes: Bytes,
    ) -> Result<String, StorageError> {
        let folder = self.upload(upload)?;
        blocking(move || {
            let about: Begun = value(&fs::read(folder.join("about")).map_err(upload_gone)?)?;
            let file = File::options().write(true).open(folder.join("bytes")).map_err(upload_gone)?;
            let at = u64::from(number.saturating_sub(1)).saturating_mul(about.part_size);
            if bytes.len() as u64 > about.part_size {
                return Err(StorageError::Never(format!("part {number} is larger than the upload's parts")));
            }
            file.write_all_at(&bytes, at)?;
            let tag = Md5Sum::of(&bytes).hex();
            let done = DonePart { number, tag: tag.clone(), size: bytes.len() as u64 };
            // It counts once this is there.
            let note = NamedTempFile::new_in(&folder).map_err(upload_gone)?;
            fs::write(note.path(), text(&done)?)?;
            note.persist(folder.join(format!("part-{number:05}"))).map_err(|error| upload_gone(error.error))?;
            Ok(tag)
        })
        .await
    }

    pub async fn parts(&self, _name: &str, _key: &str, upload: &str) -> Result<Vec<DonePart>, StorageError> {
        let folder = self.upload(upload)?;
        blocking(move || {
            let mut parts = Vec::new();
            for entry in fs::read_dir(&folder).map_err(upload_gone)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with("part-") {
                    parts.push(value::<DonePart>(&fs::read(entry.path())?)?);
                }
            }
            parts.sort_by_key(|part| part.number);
            Ok(parts)
        })
        .await
    }

    pub async fn finish(&self, name: &str, key: &str, upload: &str, tags: &[String]) -> Result<String, StorageError> {
        let parts = self.parts(name, key, upload).await?;
        if parts.iter().map(|part| &part.tag).ne(tags) {
            return Err(StorageError::Never("the parts are not those that were uploaded".to_owned()));
        }
        let tag = parts_tag(tags).ok_or_else(|| StorageError::Never("a part has no tag".to_owned()))?;
        let (bucket, folder) = (self.bucket(name)?, self.upload(upload)?);
        let (path, sidecars, key, aside) =
            (path_of(&bucket, key)?, self.sidecars(name), key.to_owned(), self.own("aside")?);
        let size: u64 = parts.iter().map(|part| part.size).sum();
        blocking(move || {
            let about: Begun = value(&fs::read(folder.join("about")).map_err(upload_gone)?)?;
            let whole = parts.iter().rev().skip(1).all(|part| part.size == about.part_size);
            if !whole {
                return Err(StorageError::Never(
                    "a part before the last is shorter than the upload's parts".to_owned(),
                ));
            }
            // It takes the place of a file aside, which is removed where the rest fails.
            let file = tempfile::Builder::new().permissions(readable()).tempfile_in(aside)?;
            fs::rename(folder.join("bytes"), file.path()).map_err(upload_gone)?;
            let path_aside = file.into_temp_path();
            let opened = File::options().read(true).write(true).open(&path_aside)?;
            opened.set_permissions(readable())?;
            opened.set_len(size)?;
            let file = NamedTempFile::from_parts(opened, path_aside);
            let sidecar = Sidecar::new(tag, Some(about.part_size), about.headers);
            let tag = settle(file, &bucket, &path, &sidecars, &key, sidecar)?;
            fs::remove_dir_all(&folder)?;
            Ok(tag)
        })
        .await
    }

    pub async fn abort(&self, _name: &str, _key: &str, upload: &str) -> Result<(), StorageError> {
        let folder = self.upload(upload)?;
        blocking(move || match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        })
        .await
    }
}
