//! Bodies too large for a line: each once, under the hash of what it holds.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::header::BODIES;
use protocol::body::{Body, Left};

/// The folder of a recording's large bodies, to be written to.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Bytes of the first body that goes here.
    from: u64,
    /// Bytes of the largest that is kept at all.
    largest: u64,
    there: HashSet<blake3::Hash>,
}

/// A body that is not as it was recorded.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Its file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Read { path: PathBuf, error: io::Error },
    /// Its file holds something else: it was changed, or a crash cut it short.
    #[error("cannot use {}: its bytes are not those that were recorded", .path.display())]
    Damaged { path: PathBuf },
    /// It was never kept.
    #[error("cannot use a body of {bytes} bytes: {}", match .why { Left::Size => "it was over the size limit", Left::Redaction => "what is secret in it could not be told" })]
    Left {
        /// How many bytes it had.
        bytes: u64,
        why: Left,
    },
    /// No bytes can be made of its line.
    #[error("cannot use a body: its base64 does not read")]
    Base64,
}

impl Store {
    pub(crate) fn new(recording: &Path, from: u64, largest: u64) -> Self {
        Self { folder: recording.join(BODIES), from, largest, there: HashSet::new() }
    }

    /// The body as a line has it, and how many bytes were written for that. Its own bytes are on disk afterwards if
    /// they are many.
    pub(crate) fn keep(&mut self, body: &mut Body) -> io::Result<u64> {
        let len = body.len();
        if len < self.from || matches!(body, Body::Stored { .. } | Body::Left { .. }) {
            return Ok(0);
        }
        let Some(bytes) = body.bytes().filter(|_| len <= self.largest) else {
            *body = Body::Left { bytes: len, why: Left::Size };
            return Ok(0);
        };
        let hash = blake3::hash(&bytes);
        let mut written = 0;
        if !self.there.contains(&hash) {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let path = self.folder.join(hash.to_hex().as_str());
            // Half a body must never stand under its name. Not synced: a reader checks the hash.
            let aside = path.with_extension("part");
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside);
            let written_whole = file.and_then(|mut file| file.write_all(&bytes));
            written_whole.and_then(|()| fs::rename(&aside, &path)).inspect_err(|_| {
                // The disk is full, as a rule: what was begun only takes room.
                let _ = fs::remove_file(&aside);
            })?;
            written = bytes.len() as u64;
            self.there.insert(hash);
        }
        *body = Body::Stored { hash: hash.to_hex().to_string(), bytes: len };
        Ok(written)
    }
}

/// The bytes of a body of the recording in this folder.
pub(crate) fn bytes<'a>(recording: &Path, body: &'a Body) -> Result<Cow<'a, [u8]>, BodyError> {
    match body {
        Body::Json(_) => body.bytes().ok_or(BodyError::Base64),
        Body::Bytes(_) => body.bytes().ok_or(BodyError::Base64),
        &Body::Left { bytes, why } => Err(BodyError::Left { bytes, why }),
        Body::Stored { hash, bytes } => {
            // A name with anything else in it could lead out of the folder.
            let named = blake3::Hash::from_hex(hash).ok();
            let path = recording.join(BODIES).join(named.map_or_else(String::new, |hash| hash.to_hex().to_string()));
            let mut held = Vec::new();
            let read = File::open(&path).and_then(|file| file.take(bytes.saturating_add(1)).read_to_end(&mut held));
            read.map_err(|error| BodyError::Read { path: path.clone(), error })?;
            if named != Some(blake3::hash(&held)) {
                return Err(BodyError::Damaged { path });
            }
            Ok(Cow::Owned(held))
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_file_but_the_recordings_own() {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("recording");
        fs::create_dir_all(recording.join(BODIES)).unwrap();
        let secret = folder.path().join(blake3::hash(b"secret").to_hex().as_str());
        fs::write(&secret, "secret").unwrap();
        fs::write(recording.join(BODIES).join(blake3::hash(b"own").to_hex().as_str()), "own").unwrap();
        let read = |hash: &str| {
            let body = Body::Stored { hash: hash.to_owned(), bytes: 6 };
            bytes(&recording, &body).map(Cow::into_owned)
        };
        let own = blake3::hash(b"own").to_hex();
        assert_eq!(read(&own).unwrap(), b"own");
        let hidden = secret.file_name().unwrap().to_str().unwrap();
        for name in [&format!("../../{hidden}"), secret.to_str().unwrap(), &format!("../{BODIES}/{own}"), "", ".", ".."]
        {
            assert!(read(name).is_err(), "{name}");
        }
        // The right name of the wrong bytes.
        fs::write(recording.join(BODIES).join(hidden), "other").unwrap();
        assert!(matches!(read(hidden), Err(BodyError::Damaged { .. })));
    }
}
