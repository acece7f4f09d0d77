//! Uploads in parts: one file aside, into which each part is written at its place.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::{Aside, BucketFolder, fault, version};
use crate::bucket::stream::PIECE;
use crate::bucket::{BucketAnswer, BucketAsk, BucketError, BucketErrorKind, PutRule};

/// An upload that nobody wrote to for so long was left behind.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

impl BucketFolder {
    pub(super) fn begin(&self, ask: &BucketAsk) -> Result<BucketAnswer, BucketError> {
        let id = version::id();
        let begun = self.own("uploads").and_then(|folder| {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let age = entry.metadata().and_then(|about| about.modified()).map(|written| written.elapsed());
                if age.is_ok_and(|age| age.is_ok_and(|age| age > STALE)) {
                    // Somebody else may have removed it.
                    drop(fs::remove_file(entry.path()));
                }
            }
            File::create_new(folder.join(&id))
        });
        begun.map(|_| BucketAnswer::text(id)).map_err(|error| fault(ask, &error))
    }

    /// The file of an upload.
    fn upload(&self, ask: &BucketAsk, id: &str) -> Result<PathBuf, BucketError> {
        // An id comes back from outside: it is a number of ours and no path.
        let is_ours = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = self.own("uploads").map_err(|error| fault(ask, &error))?.join(id);
        if is_ours && path.is_file() { Ok(path) } else { Err(ask.error(BucketErrorKind::NotFound, GONE)) }
    }

    pub(super) fn part(
        &self,
        ask: &BucketAsk,
        id: &str,
        number: u16,
        bytes: &[u8],
    ) -> Result<BucketAnswer, BucketError> {
        let path = self.upload(ask, id)?;
        if number == 0 || bytes.is_empty() || bytes.len() > PIECE {
            return Err(ask.error(BucketErrorKind::Invalid, "a part has a number from 1 on and 1 byte to 8 MiB"));
        }
        let at = (u64::from(number) - 1) * PIECE as u64;
        let written = File::options().write(true).open(path).and_then(|file| file.write_all_at(bytes, at));
        written.map_err(|error| fault(ask, &error))?;
        Ok(BucketAnswer::text(number.to_string()))
    }

    pub(super) fn finish(
        &self,
        ask: &BucketAsk,
        id: &str,
        parts: usize,
        size: u64,
    ) -> Result<BucketAnswer, BucketError> {
        let aside = Aside(self.upload(ask, id)?);
        let have = fs::metadata(&aside.0).map_err(|error: io::Error| fault(ask, &error))?.len();
        if have != size || size.div_ceil(PIECE as u64) != parts as u64 {
            return Err(ask.error(BucketErrorKind::Invalid, "the parts are not those that were uploaded"));
        }
        self.settle(ask, &aside, &PutRule::Always)
    }

    pub(super) fn abort(&self, ask: &BucketAsk, id: &str) -> Result<BucketAnswer, BucketError> {
        drop(Aside(self.upload(ask, id)?));
        Ok(BucketAnswer::default())
    }
}

const GONE: &str = "the upload is not there any more";
