//! From store to store: one object, never a mix of two versions.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::ObjectStore;
use crate::digest::{self, Md5Sum, parts_tag};
use crate::error::StorageError;
use crate::object::{ObjectBody, ObjectHead, ObjectHeaders};

/// What is larger goes in parts.
const WHOLE: u64 = 8 << 20;
/// Parts of an object whose own are not known.
const PART: u64 = 8 << 20;
/// A part is held in memory: objects with larger ones are cut anew.
const LARGEST_PART: u64 = 32 << 20;
/// Parts that S3 takes.
const MOST_PARTS: u64 = 10_000;
/// Parts that are under way at a time.
const AT_ONCE: usize = 4;

/// A copy that is asked for.
#[derive(Clone, Debug)]
pub struct CopyAsk<'a> {
    pub from: &'a ObjectStore,
    pub from_bucket: &'a str,
    pub to: &'a ObjectStore,
    pub to_bucket: &'a str,
    pub key: &'a str,
    /// Tags of the source's store are MD5 of the bytes.
    pub trusts_tags: bool,
}

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyDone {
    /// The version that was copied.
    pub head: ObjectHead,
    /// The tag of the copy.
    pub tag: String,
    /// The bytes were compared with a digest of the source's.
    pub is_verified: bool,
    /// Bytes that were read, which is less where an upload went on.
    pub moved: u64,
}

/// An upload that a later run may go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedUpload {
    pub id: String,
    /// The version of the source.
    pub tag: String,
    pub part_size: u64,
}

/// Where uploads under way are kept.
pub trait UploadBook {
    fn find(&self) -> impl Future<Output = Option<SavedUpload>> + Send;
    fn keep(&self, upload: &SavedUpload) -> impl Future<Output = ()> + Send;
    fn forget(&self) -> impl Future<Output = ()> + Send;
}

/// Copies an object as it is now.
pub async fn copy(ask: &CopyAsk<'_>, book: &impl UploadBook) -> Result<CopyDone, StorageError> {
    let body = ask.from.get(ask.from_bucket, ask.key, None, None).await?;
    if body.head.size <= WHOLE {
        return small(ask, body).await;
    }
    let head = body.head.clone();
    // The stream is left: parts are asked for by themselves.
    drop(body);
    large(ask, head, book).await
}

async fn small(ask: &CopyAsk<'_>, body: ObjectBody) -> Result<CopyDone, StorageError> {
    let head = body.head.clone();
    let bytes = body.collect().await?;
    let moved = bytes.len() as u64;
    let sum = Md5Sum::of(&bytes).hex();
    let is_digest = ask.trusts_tags && digest::is_md5(&head.tag);
    if is_digest && sum != head.tag {
        return Err(StorageError::Corrupt(format!("{} was read of {}", sum, head.tag)));
    }
    let tag = ask.to.put(ask.to_bucket, ask.key, bytes, &head.headers).await?;
    let is_verified = is_digest || of_one_part(&sum).as_ref() == Some(&head.tag);
    Ok(CopyDone { head, tag, is_verified, moved })
}

/// The tag of an object in one part with this digest.
fn of_one_part(sum: &str) -> Option<String> {
    parts_tag(&[sum.to_owned()])
}

async fn large(ask: &CopyAsk<'_>, head: ObjectHead, book: &impl UploadBook) -> Result<CopyDone, StorageError> {
    let layout = ask.from.layout(ask.from_bucket, ask.key, &head).await?;
    let known = layout.map(|layout| layout.part_size).filter(|size| *size <= LARGEST_PART && *size > 0);
    let part_size = known.unwrap_or_else(|| PART.max(head.size.div_ceil(MOST_PARTS)));
    let (id, done) = resumed(ask, &head, part_size, book).await?;
    let count = u16::try_from(head.size.div_ceil(part_size))
        .map_err(|_| StorageError::Never("it has too many parts".to_owned()))?;
    let size_of = |number: u16| part_size.min(head.size - u64::from(number - 1) * part_size);
    let kept = |number: u16| done.iter().find(|part| part.number == number && part.size == size_of(number));
    let parts = (1..=count).map(|number| {
        let (kept, id, head) = (kept(number).map(|part| part.tag.clone()), &id, &head);
        async move {
            if let Some(tag) = kept {
                return Ok((tag, 0));
            }
            let from = u64::from(number - 1) * part_size;
            let range = (from, from + size_of(number) - 1);
            // Only of the version that this copy began with.
            let body = ask.from.get(ask.from_bucket, ask.key, Some(range), Some(&head.tag)).await?;
            let bytes = body.collect().await?;
            if bytes.len() as u64 != size_of(number) {
                return Err(StorageError::Garbled("a range of another length".to_owned()));
            }
            let moved = bytes.len() as u64;
            Ok((ask.to.part(ask.to_bucket, ask.key, id, number, bytes).await?, moved))
        }
    });
    let copied: Result<Vec<(String, u64)>, StorageError> = stream::iter(parts).buffered(AT_ONCE).try_collect().await;
    let finished = match copied {
        Ok(copied) => {
            let moved = copied.iter().map(|(_, moved)| moved).sum();
            let tags: Vec<String> = copied.into_iter().map(|(tag, _)| tag).collect();
            let tag = end(ask, &head, &id, &tags, known.is_some()).await;
            tag.map(|(tag, is_verified)| CopyDone { head, tag, is_verified, moved })
        }
        Err(error) => Err(error),
    };
    match &finished {
        // A later run goes on with it.
        Err(error) if error.is_of_store() => {}
        Err(StorageError::NoUpload) => book.forget().await,
        Err(_) => {
            // Refused where it is gone already, and then there is nothing to tidy.
            drop(ask.to.abort(ask.to_bucket, ask.key, &id).await);
            book.forget().await;
        }
        Ok(_) => book.forget().await,
    }
    finished
}

/// Ends an upload, where what arrived can be what was there: the object's tag, and whether that is known.
async fn end(
    ask: &CopyAsk<'_>,
    head: &ObjectHead,
    id: &str,
    tags: &[String],
    is_layout_known: bool,
) -> Result<(String, bool), StorageError> {
    let expected = parts_tag(tags);
    // Known before it is put in place: of the same cut, the same bytes have the same tag.
    if is_layout_known && ask.trusts_tags && expected.as_ref().is_some_and(|expected| *expected != head.tag) {
        return Err(StorageError::Corrupt(format!(
            "the parts come to {} and not to {}",
            expected.unwrap_or_default(),
            head.tag
        )));
    }
    // What was overwritten since is not put in place of what is newer.
    match ask.from.head(ask.from_bucket, ask.key).await? {
        Some(now) if now.tag == head.tag => {}
        _ => return Err(StorageError::Changed),
    }
    let tag = ask.to.finish(ask.to_bucket, ask.key, id, tags).await?;
    let is_verified = is_layout_known && ask.trusts_tags && expected.is_some_and(|expected| expected == head.tag);
    Ok((tag, is_verified))
}

/// An upload to go on with, and its parts; or a new one.
async fn resumed(
    ask: &CopyAsk<'_>,
    head: &ObjectHead,
    part_size: u64,
    book: &impl UploadBook,
) -> Result<(String, Vec<crate::DonePart>), StorageError> {
    if let Some(saved) = book.find().await {
        if saved.tag == head.tag && saved.part_size == part_size {
            match ask.to.parts(ask.to_bucket, ask.key, &saved.id).await {
                Ok(parts) => return Ok((saved.id, parts)),
                Err(StorageError::NoUpload | StorageError::NoObject) => {}
                Err(error) => return Err(error),
            }
        } else {
            ask.to.abort(ask.to_bucket, ask.key, &saved.id).await?;
        }
    }
    let id = ask.to.begin(ask.to_bucket, ask.key, part_size, &head.headers).await?;
    book.keep(&SavedUpload { id: id.clone(), tag: head.tag.clone(), part_size }).await;
    Ok((id, Vec::new()))
}

/// Writes what comes in pieces, in parts where it is large. The object's tag and size.
pub async fn write(
    to: &ObjectStore,
    bucket: &str,
    key: &str,
    headers: &ObjectHeaders,
    mut pieces: impl futures_util::Stream<Item = Result<Bytes, StorageError>> + Unpin,
) -> Result<(String, u64), StorageError> {
    let (part_size, mut all, mut size) = (usize::try_from(PART).unwrap_or(usize::MAX), BytesMut::new(), 0);
    let mut upload: Option<(String, Vec<String>)> = None;
    let written = async {
        loop {
            let piece = pieces.next().await.transpose()?;
            let is_end = piece.is_none();
            if let Some(piece) = piece {
                size += piece.len() as u64;
                all.extend_from_slice(&piece);
            }
            if is_end && upload.is_none() {
                return to.put(bucket, key, all.split().freeze(), headers).await;
            }
            while all.len() >= part_size || (is_end && !all.is_empty()) {
                let (id, tags) = match &mut upload {
                    Some(upload) => upload,
                    none => none.insert((to.begin(bucket, key, PART, headers).await?, Vec::new())),
                };
                let number =
                    u16::try_from(tags.len() + 1).map_err(|_| StorageError::Never("it is too large".to_owned()))?;
                let bytes = all.split_to(part_size.min(all.len())).freeze();
                let tag = to.part(bucket, key, id, number, bytes).await?;
                tags.push(tag);
            }
            if let Some((id, tags)) = upload.as_ref().filter(|_| is_end) {
                return to.finish(bucket, key, id, tags).await;
            }
        }
    };
    match written.await {
        Ok(tag) => Ok((tag, size)),
        Err(error) => {
            if let Some((id, _)) = upload {
                // Whoever writes again begins anew.
                drop(to.abort(bucket, key, &id).await);
            }
            Err(error)
        }
    }
}
