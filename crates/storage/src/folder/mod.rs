//! A folder: each bucket is a folder in it, each object a file, by its key.
//!
//! What S3 keeps beside the bytes is in a sidecar below `.dyninka`, which names the file it belongs to. A file that was
//! written by hand has none, and its tag is made of its size, time and number.

mod list;
mod sidecar;
mod upload;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tempfile::NamedTempFile;

use crate::digest::Md5Sum;
use crate::error::StorageError;
use crate::object::{ListPage, ObjectBody, ObjectHead, ObjectHeaders, PartLayout};
use sidecar::Sidecar;

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;
/// Folder of ours beside the buckets. No bucket can have its name.
const OWN: &str = ".dyninka";

/// A folder as a store.
#[derive(Debug)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn bucket(&self, name: &str) -> Result<PathBuf, StorageError> {
        let folder = self.root.join(name);
        if folder.is_dir() { Ok(folder) } else { Err(StorageError::NoBucket(name.to_owned())) }
    }

    fn own(&self, folder: &str) -> Result<PathBuf, StorageError> {
        let folder = self.root.join(OWN).join(folder);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub async fn answers(&self) -> Result<(), StorageError> {
        let root = self.root.clone();
        blocking(move || match fs::read_dir(&root) {
            Ok(_) => Ok(()),
            Err(error) => Err(StorageError::Away(format!("{}: {error}", root.display()))),
        })
        .await
    }

    pub async fn has_bucket(&self, name: &str) -> Result<bool, StorageError> {
        self.answers().await?;
        Ok(self.bucket(name).is_ok())
    }

    pub async fn make_bucket(&self, name: &str) -> Result<(), StorageError> {
        let folder = self.root.join(name);
        blocking(move || match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // The root is not there: a disk that is not mounted must not be made up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StorageError::Away(error.to_string())),
            made => Ok(made?),
        })
        .await
    }

    pub async fn remove_bucket(&self, name: &str) -> Result<(), StorageError> {
        let folder = self.root.join(name);
        let sidecars = self.root.join(OWN).join("about").join(name);
        blocking(move || {
            match fs::remove_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
            match fs::remove_dir_all(sidecars) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            }
        })
        .await
    }

    pub async fn list(&self, name: &str, prefix: &str, after: &str) -> Result<ListPage, StorageError> {
        self.answers().await?;
        let (folder, sidecars) = (self.bucket(name)?, self.sidecars(name));
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        blocking(move || list::page(&folder, &sidecars, &prefix, &after)).await
    }

    fn sidecars(&self, name: &str) -> PathBuf {
        self.root.join(OWN).join("about").join(name)
    }

    pub async fn head(&self, name: &str, key: &str) -> Result<Option<ObjectHead>, StorageError> {
        self.answers().await?;
        let (path, sidecars, key) = (path_of(&self.bucket(name)?, key)?, self.sidecars(name), key.to_owned());
        let opened = blocking(move || open(&path, &sidecars, &key)).await;
        match opened {
            Ok((_, head)) => Ok(Some(head)),
            Err(StorageError::NoObject) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn get(
        &self,
        name: &str,
        key: &str,
        range: Option<(u64, u64)>,
        tag: Option<&str>,
    ) -> Result<ObjectBody, StorageError> {
        self.answers().await?;
        let (path, sidecars, key) = (path_of(&self.bucket(name)?, key)?, self.sidecars(name), key.to_owned());
        let (mut file, head) = blocking(move || open(&path, &sidecars, &key)).await?;
        if tag.is_some_and(|tag| tag != head.tag) {
            return Err(StorageError::Changed);
        }
        let (from, to) = range.unwrap_or((0, u64::MAX));
        if from > head.size || (from == head.size && from > 0) {
            return Err(StorageError::Changed);
        }
        let length = head.size.min(to.saturating_add(1)) - from;
        file.seek(SeekFrom::Start(from))?;
        let bytes = futures_util::stream::try_unfold((file, length), |(file, left)| async move {
            if left == 0 {
                return Ok::<_, StorageError>(None);
            }
            let (file, piece) = blocking(move || read(file, left)).await?;
            let left = left - piece.len() as u64;
            Ok(Some((piece, (file, left))))
        });
        Ok(ObjectBody { head, length, bytes: bytes.boxed() })
    }

    pub async fn put(
        &self,
        name: &str,
        key: &str,
        bytes: Bytes,
        headers: &ObjectHeaders,
    ) -> Result<String, StorageError> {
        self.answers().await?;
        let bucket = self.bucket(name)?;
        let path = path_of(&bucket, key)?;
        let (aside, sidecars) = (self.own("aside")?, self.sidecars(name));
        let (key, headers) = (key.to_owned(), headers.clone());
        blocking(move || {
            let mut file = tempfile::Builder::new().permissions(readable()).tempfile_in(aside)?;
            file.write_all(&bytes)?;
            let tag = Md5Sum::of(&bytes).hex();
            settle(file, &bucket, &path, &sidecars, &key, Sidecar::new(tag, None, headers))
        })
        .await
    }

    pub async fn delete(&self, name: &str, key: &str) -> Result<(), StorageError> {
        self.answers().await?;
        let bucket = self.bucket(name)?;
        let (path, sidecars, key) = (path_of(&bucket, key)?, self.sidecars(name), key.to_owned());
        blocking(move || {
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
                    ) => {}
                Err(error) => return Err(error.into()),
            }
            sidecar::forget(&sidecars, &key);
            // Folders above that are empty now were made for it. The first that is not ends this.
            for folder in path.ancestors().skip(1).take_while(|folder| *folder != bucket) {
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await
    }

    pub async fn layout(&self, name: &str, key: &str, head: &ObjectHead) -> Result<Option<PartLayout>, StorageError> {
        let (path, sidecars, key) = (path_of(&self.bucket(name)?, key)?, self.sidecars(name), key.to_owned());
        let parts = head.tag.rsplit_once('-').and_then(|(_, parts)| parts.parse().ok());
        let size = blocking(move || {
            let file = File::open(path)?;
            Ok(sidecar::of(&sidecars, &key, &file.metadata()?).and_then(|sidecar| sidecar.part_size))
        })
        .await?;
        Ok(size.zip(parts).map(|(part_size, parts)| PartLayout { part_size, parts }))
    }
}

/// Runs what waits for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StorageError::Failing { code: "panic".to_owned(), message: error.to_string() }))
}

/// Whom a file of an object is readable for is the folder's affair, as of any file.
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// The file of a key. Keys that no file can have are refused.
fn path_of(bucket: &Path, key: &str) -> Result<PathBuf, StorageError> {
    let wrong = |why: &str| Err(StorageError::Never(format!("a folder cannot hold the key {key:?}: {why}")));
    if key.split('/').any(str::is_empty) {
        return wrong("a part of it is empty");
    }
    if key.split('/').any(|part| part == "." || part == "..") {
        return wrong("a part of it means another folder");
    }
    if key.contains('\0') {
        return wrong("it has a zero byte");
    }
    if key.split('/').any(|part| part.len() > 255) {
        return wrong("a part of it has more than 255 bytes");
    }
    Ok(bucket.join(key))
}

/// Opens an object's file. What is no file, such as a link that leads elsewhere, is no object.
fn open(path: &Path, sidecars: &Path, key: &str) -> Result<(File, ObjectHead), StorageError> {
    let mut options = File::options();
    // The last part of a key may be a link, which is not followed.
    options.read(true).custom_flags(NO_FOLLOW | NON_BLOCK);
    let file = match options.open(path) {
        Ok(file) => file,
        // Something else lies where a folder of the key would be, or the file is a link (ELOOP).
        Err(error) if error.kind() == io::ErrorKind::NotADirectory || error.raw_os_error() == Some(LOOP) => {
            return Err(StorageError::NoObject);
        }
        Err(error) => return Err(error.into()),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(StorageError::NoObject);
    }
    let sidecar = sidecar::of(sidecars, key, &about);
    Ok((file, sidecar::head(sidecar, &about)))
}

/// Numbers of Linux, which std does not name: `O_NOFOLLOW`, `O_NONBLOCK` and `ELOOP`.
const NO_FOLLOW: i32 = if cfg!(any(target_arch = "aarch64", target_arch = "arm")) { 0o100_000 } else { 0o400_000 };
const NON_BLOCK: i32 = 0o4_000;
const LOOP: i32 = 40;

fn read(mut file: File, left: u64) -> Result<(File, Bytes), StorageError> {
    let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
    let mut piece = vec![0; most];
    let count = file.read(&mut piece)?;
    if count == 0 {
        // Somebody cut it, or wrote it in place.
        return Err(StorageError::Changed);
    }
    piece.truncate(count);
    Ok((file, piece.into()))
}

/// Puts a file that is written in its place, with its sidecar.
fn settle(
    file: NamedTempFile,
    bucket: &Path,
    path: &Path,
    sidecars: &Path,
    key: &str,
    about: Sidecar,
) -> Result<String, StorageError> {
    file.as_file().sync_all()?;
    let tag = about.tag.clone();
    let about = about.of_file(&file.as_file().metadata()?);
    // The sidecar is first: until the file is there it belongs to none, as of a write that was cut off.
    sidecar::keep(sidecars, key, &about)?;
    let mut file = file;
    // A delete beside it may remove a folder that was just made.
    for _ in 0..16 {
        let folder = path.parent().unwrap_or(bucket);
        match fs::create_dir_all(folder) {
            Ok(()) => {}
            // Some file has the name of one of its folders.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(io::Error::from(io::ErrorKind::NotADirectory).into());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        }
        match file.persist(path) {
            Ok(_) => return Ok(tag),
            Err(error) if error.error.kind() == io::ErrorKind::NotFound => file = error.file,
            Err(error) => return Err(error.error.into()),
        }
    }
    Err(StorageError::Failing { code: "its folder is removed again and again".to_owned(), message: String::new() })
}
