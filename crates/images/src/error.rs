//! What can go wrong with an image.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why an image is not made. The words fit on their own.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file of this machine is not to be had.
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// What was made cannot be kept.
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A path that names no file.
    #[error("cannot take {} for a library: it names no file", path.display())]
    NoLibrary { path: PathBuf },
    /// A program or library that is none.
    #[error("cannot read {} as a program: {words}", path.display())]
    NoProgram {
        path: PathBuf,
        /// What does not fit.
        words: String,
    },
    /// The system's loader does not say what a program needs.
    #[error("cannot ask {} what {} needs: {words}", loader.display(), program.display())]
    Loader {
        loader: PathBuf,
        /// Whom it was asked about.
        program: PathBuf,
        words: String,
    },
    /// A shared object that is not on this machine.
    #[error("cannot find {object}, which {} needs: it is not on this machine", program.display())]
    Missing {
        /// The shared object's name.
        object: String,
        /// Who needs it.
        program: PathBuf,
    },
    /// Certificates of authorities, without which a service calls nobody by TLS.
    #[error(
        "cannot find certificates of authorities: none of {looked} is there; install ca-certificates or set SSL_CERT_FILE"
    )]
    NoCertificates { looked: String },
    /// An archive or document does not come together.
    #[error("cannot put an image together: {0}")]
    Together(#[from] io::Error),
    /// A document does not come together.
    #[error("cannot write an image's documents: {0}")]
    Document(#[from] serde_json::Error),
}

impl ImageError {
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
