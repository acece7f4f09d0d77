//! Why a store does not do as it was asked.

/// Why a store does not do as it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No such object. Nothing else means that an object was deleted.
    #[error("there is no such object")]
    NoObject,
    #[error("there is no bucket {0}")]
    NoBucket(String),
    #[error("the upload is not there any more")]
    NoUpload,
    /// Another version is there than the one that was asked for.
    #[error("the object has changed meanwhile")]
    Changed,
    /// Credentials are wrong, or may not do this.
    #[error("the store refuses: {code}{}", words(message))]
    Refused { code: String, message: String },
    /// The request as it is will never be taken, such as a key that the store cannot hold.
    #[error("the store cannot take it: {0}")]
    Never(String),
    /// It is to be asked more slowly.
    #[error("the store is busy")]
    Busy,
    /// It failed, and may do so again: a full disk is one such case.
    #[error("the store failed: {code}{}", words(message))]
    Failing { code: String, message: String },
    /// No answer, or a connection that broke.
    #[error("the store does not answer: {0}")]
    Away(String),
    /// An answer that cannot be understood.
    #[error("the store gave an answer that cannot be read: {0}")]
    Garbled(String),
    /// Bytes are not those that were written.
    #[error("the bytes changed on their way: {0}")]
    Corrupt(String),
    /// Credentials or certificates of ours.
    #[error("{0}")]
    Settings(String),
}

fn words(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

impl StorageError {
    /// Whether the store is at fault, and not this one object.
    pub fn is_of_store(&self) -> bool {
        matches!(
            self,
            Self::Away(_)
                | Self::Busy
                | Self::Refused { .. }
                | Self::NoBucket(_)
                | Self::Settings(_)
                | Self::Failing { .. }
        )
    }

    /// How to mend it, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { .. } => Some("check the store's credentials, and what they may do"),
            Self::NoBucket(_) => Some("make the bucket, or name another one"),
            Self::Away(_) => Some("check the store's endpoint and whether it runs"),
            Self::Failing { .. } => Some("see the store's own log; a full disk is one reason"),
            _ => None,
        }
    }
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NotFound => Self::NoObject,
            ErrorKind::PermissionDenied => {
                Self::Refused { code: "permission denied".to_owned(), message: String::new() }
            }
            ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => {
                Self::Never("a folder holds no object of a name under which others lie".to_owned())
            }
            ErrorKind::InvalidFilename => {
                Self::Never("a part of its key is longer than a file's name may be".to_owned())
            }
            _ => Self::Failing { code: error.kind().to_string(), message: error.to_string() },
        }
    }
}
