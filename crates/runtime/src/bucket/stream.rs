//! Objects of any size, a piece at a time.

use super::{BucketAct, BucketCall, BucketError, BucketErrorKind, Line, ObjectInfo, PutRule};

/// Bytes of a piece. S3 takes 10,000 parts of 5 MiB and more.
pub(crate) const PIECE: usize = 8 << 20;
/// Parts of one upload, at the most.
const MOST_PARTS: usize = 10_000;

/// An object that is read piece by piece. One piece is in memory.
pub struct ObjectReader {
    line: Line,
    info: ObjectInfo,
    /// The first piece, which came when it was opened.
    first: Option<Vec<u8>>,
    at: u64,
}

impl ObjectReader {
    pub(super) async fn open(line: Line) -> Result<Self, BucketError> {
        let first = BucketAct::Read { from: 0, length: Some(PIECE as u64), tag: None };
        let object = line.object(first).await?;
        Ok(Self { line, info: object.info, first: Some(object.bytes), at: 0 })
    }

    /// What is known of the object.
    pub fn info(&self) -> &ObjectInfo {
        &self.info
    }

    /// The next bytes; none at the end. Where the object was written meanwhile, the error is `Changed`.
    #[expect(clippy::should_implement_trait, reason = "it is awaited")]
    pub fn next(&mut self) -> BucketCall<'_, Option<Vec<u8>>> {
        BucketCall::new(async move {
            let left = self.info.size.saturating_sub(self.at);
            let piece = match self.first.take() {
                Some(first) => first,
                None if left == 0 => return Ok(None),
                None => {
                    let tag = Some(self.info.tag.clone());
                    let act = BucketAct::Read { from: self.at, length: Some(PIECE as u64), tag };
                    self.line.object(act).await?.bytes
                }
            };
            self.at += piece.len() as u64;
            match (piece.is_empty(), left) {
                (true, 0) => Ok(None),
                // It would never end.
                (true, _) => Err(self.line.garbled()),
                (false, _) => Ok(Some(piece)),
            }
        })
    }
}

impl std::fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectReader").field("info", &self.info).field("at", &self.at).finish_non_exhaustive()
    }
}

/// An object that is written piece by piece: it is there as a whole once it is finished, and not at all where this is dropped.
pub struct ObjectWriter {
    line: Line,
    buffer: Vec<u8>,
    upload: Option<String>,
    tags: Vec<String>,
    /// Bytes that were sent.
    size: u64,
    /// A write of it failed or was given up: what is in it is not what was written.
    is_broken: bool,
}

impl ObjectWriter {
    pub(super) fn new(line: Line) -> Self {
        Self { line, buffer: Vec::new(), upload: None, tags: Vec::new(), size: 0, is_broken: false }
    }

    /// Writes bytes behind those before.
    pub fn write<'a>(&'a mut self, bytes: &'a [u8]) -> BucketCall<'a, ()> {
        BucketCall::new(async move {
            self.check()?;
            let mut rest = bytes;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(PIECE - self.buffer.len()));
                self.buffer.extend_from_slice(now);
                rest = later;
                // The last part may be a whole one, too: it goes as soon as it is full.
                if self.buffer.len() == PIECE {
                    self.send().await?;
                }
            }
            Ok(())
        })
    }

    /// Ends it: from here on the object is there.
    pub fn finish(mut self) -> BucketCall<'static, ObjectInfo> {
        BucketCall::new(async move {
            self.check()?;
            let Some(upload) = self.upload.clone() else {
                let bytes = std::mem::take(&mut self.buffer);
                return self.line.info(BucketAct::Put { rule: PutRule::Always }, &bytes).await;
            };
            if !self.buffer.is_empty() {
                self.send().await?;
            }
            let tags = std::mem::take(&mut self.tags);
            let finished = self.line.info(BucketAct::Finish { upload, tags, size: self.size }, &[]).await?;
            // Nothing is left to be given up.
            drop(self.upload.take());
            Ok(finished)
        })
    }

    fn check(&self) -> Result<(), BucketError> {
        let words = "a write of it failed or was given up";
        let (bucket, key) = (self.line.bucket, &self.line.key);
        if self.is_broken { Err(BucketError::new(BucketErrorKind::Failed, bucket, key, words)) } else { Ok(()) }
    }

    /// Sends what is there as a part.
    async fn send(&mut self) -> Result<(), BucketError> {
        // Until it has gone well.
        self.is_broken = true;
        let number = match u16::try_from(self.tags.len() + 1) {
            Ok(number) if usize::from(number) <= MOST_PARTS => number,
            _ => {
                let words = "an object has at most 10,000 parts of 8 MiB";
                return Err(BucketError::new(BucketErrorKind::TooLarge, self.line.bucket, &self.line.key, words));
            }
        };
        let upload = match &self.upload {
            Some(upload) => upload.clone(),
            None => {
                let begun = self.line.ask(BucketAct::Begin, &[]).await?.reply.text;
                let begun = begun.ok_or_else(|| self.line.garbled())?;
                self.upload.insert(begun).clone()
            }
        };
        let part = self.line.ask(BucketAct::Part { upload, number }, &self.buffer).await?.reply.text;
        self.tags.push(part.ok_or_else(|| self.line.garbled())?);
        self.size += self.buffer.len() as u64;
        self.buffer.clear();
        self.is_broken = false;
        Ok(())
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.line.tell(BucketAct::Abort { upload });
        }
    }
}

impl std::fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectWriter")
            .field("key", &self.line.key)
            .field("parts", &self.tags.len())
            .finish_non_exhaustive()
    }
}
