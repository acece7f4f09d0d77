//! Stores of objects: an S3 API or a folder, behind one type.
//!
//! What a store does is not believed but probed ([`probe`]): several accept a condition on a put and ignore it. An object's
//! tag is compared where it is the MD5 of its bytes, and bytes where it is not. Events ([`events`]) are hints.

mod digest;
mod error;
pub mod events;
mod folder;
mod object;
pub mod probe;
mod s3;
pub mod tls;
mod transfer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use digest::{Md5Sum, parts_tag};
pub use error::StorageError;
pub use folder::FolderStore;
pub use object::{DonePart, ListPage, ListedObject, ObjectBody, ObjectHead, ObjectHeaders, PartLayout, PutCondition};
pub use s3::{S3Access, S3Store};
pub use transfer::{CopyAsk, CopyDone, SavedUpload, UploadBook, copy, write};

/// A store of objects. Cloned, it is the same one.
#[derive(Clone, Debug)]
pub enum ObjectStore {
    S3(Arc<S3Store>),
    Folder(Arc<FolderStore>),
}

macro_rules! each {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::S3($store) => $call,
            Self::Folder($store) => $call,
        }
    };
}

impl ObjectStore {
    pub fn s3(access: S3Access) -> Result<Self, StorageError> {
        Ok(Self::S3(Arc::new(S3Store::new(access)?)))
    }

    pub fn folder(root: PathBuf) -> Self {
        Self::Folder(Arc::new(FolderStore::new(root)))
    }

    /// Whether it answers at all.
    pub async fn answers(&self) -> Result<(), StorageError> {
        each!(self, store => store.answers().await)
    }

    pub async fn has_bucket(&self, bucket: &str) -> Result<bool, StorageError> {
        each!(self, store => store.has_bucket(bucket).await)
    }

    /// Makes a bucket. One that is there and ours is good, too.
    pub async fn make_bucket(&self, bucket: &str) -> Result<(), StorageError> {
        each!(self, store => store.make_bucket(bucket).await)
    }

    /// Removes a bucket, which must be empty.
    pub async fn remove_bucket(&self, bucket: &str) -> Result<(), StorageError> {
        each!(self, store => store.remove_bucket(bucket).await)
    }

    /// Objects after a key, in the order of their bytes.
    pub async fn list(&self, bucket: &str, prefix: &str, after: &str) -> Result<ListPage, StorageError> {
        each!(self, store => store.list(bucket, prefix, after).await)
    }

    /// What an object is; none where there is none. A bucket that is not there is an error.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, StorageError> {
        each!(self, store => store.head(bucket, key).await)
    }

    /// An object's bytes, or a range of them; only of this version, where its tag is given.
    pub async fn get(
        &self,
        bucket: &str,
        key: &str,
        range: Option<(u64, u64)>,
        tag: Option<&str>,
    ) -> Result<ObjectBody, StorageError> {
        each!(self, store => store.get(bucket, key, range, tag).await)
    }

    /// Writes a small object whole; its tag.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        headers: &ObjectHeaders,
    ) -> Result<String, StorageError> {
        each!(self, store => store.put(bucket, key, bytes, headers).await)
    }

    /// Writes a small object whole where a condition holds, and is `Changed` where it does not. Whether the store keeps
    /// conditions is not asked here: see [`probe::keeps_conditions`].
    pub async fn put_when(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        headers: &ObjectHeaders,
        condition: &PutCondition,
    ) -> Result<String, StorageError> {
        match self {
            Self::S3(store) => store.put_when(bucket, key, bytes, headers, condition).await,
            Self::Folder(_) => Err(StorageError::Never("a folder keeps no condition of a put".to_owned())),
        }
    }

    /// Deletes an object; one that is not there is deleted.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), StorageError> {
        each!(self, store => store.delete(bucket, key).await)
    }

    /// Begins an upload in parts; its id.
    pub async fn begin(
        &self,
        bucket: &str,
        key: &str,
        part_size: u64,
        headers: &ObjectHeaders,
    ) -> Result<String, StorageError> {
        each!(self, store => store.begin(bucket, key, part_size, headers).await)
    }

    /// Uploads a part, counted from 1; its tag.
    pub async fn part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u16,
        bytes: Bytes,
    ) -> Result<String, StorageError> {
        each!(self, store => store.part(bucket, key, upload, number, bytes).await)
    }

    /// Parts that are there. Where one was sent twice, its last.
    pub async fn parts(&self, bucket: &str, key: &str, upload: &str) -> Result<Vec<DonePart>, StorageError> {
        each!(self, store => store.parts(bucket, key, upload).await)
    }

    /// Ends an upload with these tags, in order; the tag of the object.
    pub async fn finish(&self, bucket: &str, key: &str, upload: &str, tags: &[String]) -> Result<String, StorageError> {
        each!(self, store => store.finish(bucket, key, upload, tags).await)
    }

    pub async fn abort(&self, bucket: &str, key: &str, upload: &str) -> Result<(), StorageError> {
        each!(self, store => store.abort(bucket, key, upload).await)
    }

    /// How an object was cut into parts, where the store says so.
    pub async fn layout(&self, bucket: &str, key: &str, head: &ObjectHead) -> Result<Option<PartLayout>, StorageError> {
        each!(self, store => store.layout(bucket, key, head).await)
    }

    /// A URL by which anybody reads an object for a while; none for a folder.
    pub fn url(&self, bucket: &str, key: &str, lives: Duration) -> Option<url::Url> {
        match self {
            Self::S3(store) => store.url(bucket, key, lives),
            Self::Folder(_) => None,
        }
    }
}
