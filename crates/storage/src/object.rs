//! Objects, as all stores see them.

use std::collections::BTreeMap;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};

use crate::error::StorageError;

/// Headers that travel with an object: what it is, and what its writer noted (`x-amz-meta-…`).
pub type ObjectHeaders = BTreeMap<String, String>;

/// What has to be there for a put to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutCondition {
    /// No object of this key.
    IfAbsent,
    /// The version of this tag.
    IfMatch(String),
}

/// Names of headers that travel, beside `x-amz-meta-…`.
pub(crate) const TRAVEL: [&str; 6] =
    ["content-type", "cache-control", "content-encoding", "content-disposition", "content-language", "expires"];

/// An object without its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectHead {
    /// Without quotes.
    pub tag: String,
    /// Of the whole object.
    pub size: u64,
    pub headers: ObjectHeaders,
}

/// An object of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedObject {
    pub key: String,
    pub tag: String,
    pub size: u64,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    pub objects: Vec<ListedObject>,
    /// The key that the next page begins after; none at the end.
    pub next: Option<String>,
}

/// A part that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DonePart {
    pub number: u16,
    pub tag: String,
    pub size: u64,
}

/// How an object was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartLayout {
    /// Bytes of each part but the last.
    pub part_size: u64,
    pub parts: u64,
}

/// An object with its bytes, or a range of them.
pub struct ObjectBody {
    pub head: ObjectHead,
    /// Bytes that come; less than the object's where a range was asked for.
    pub length: u64,
    pub bytes: Pin<Box<dyn Stream<Item = Result<Bytes, StorageError>> + Send>>,
}

impl ObjectBody {
    /// All bytes at once. Too few or too many are an error.
    pub async fn collect(self) -> Result<Bytes, StorageError> {
        let length =
            usize::try_from(self.length).map_err(|_| StorageError::Garbled("a length too large".to_owned()))?;
        let mut all = BytesMut::with_capacity(length.min(64 << 20));
        let mut bytes = self.bytes;
        while let Some(piece) = bytes.next().await {
            all.extend_from_slice(&piece?);
            if all.len() > length {
                return Err(StorageError::Garbled(format!("more than the {length} bytes that were announced")));
            }
        }
        if all.len() < length {
            return Err(StorageError::Away(format!("the connection ended after {} of {length} bytes", all.len())));
        }
        Ok(all.freeze())
    }
}

/// A tag without quotes and marks of weakness.
pub(crate) fn bare(tag: &str) -> String {
    tag.trim_start_matches("W/").trim_matches('"').replace("&quot;", "")
}
