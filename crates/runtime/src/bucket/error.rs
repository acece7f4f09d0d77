//! Why a bucket does not do as it was asked.

use std::fmt;

/// Why a bucket does not do as it was asked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BucketError {
    kind: BucketErrorKind,
    bucket: String,
    key: String,
    words: String,
}

/// The kind of a bucket's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BucketErrorKind {
    /// There is no such object, or no such bucket.
    NotFound,
    /// The store does not allow it.
    Forbidden,
    /// Another version is there than the one that was meant, or one where there was to be none.
    Changed,
    /// The store is not known to keep such a condition, or has no such call.
    NotSupported,
    /// The object is too large to be read or written at once.
    TooLarge,
    /// No store can have an object of such a key.
    Invalid,
    /// The store does not answer, or not now.
    Away,
    /// Anything else.
    Failed,
}

impl BucketError {
    /// An error about an object.
    #[doc(hidden)]
    pub fn new(kind: BucketErrorKind, bucket: &str, key: &str, words: impl fmt::Display) -> Self {
        Self { kind, bucket: bucket.to_owned(), key: key.to_owned(), words: words.to_string() }
    }

    /// What a program goes by.
    pub fn kind(&self) -> BucketErrorKind {
        self.kind
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key, or the prefix of a listing.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for BucketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key may hold anything, a line break as well.
        let path = format!("{}/{}", self.bucket, self.key);
        write!(f, "{}: {}", path.escape_debug(), self.words)
    }
}

impl std::error::Error for BucketError {}
