//! Buckets of objects: bytes by key, at the store that whoever runs the app has chosen.

mod ask;
mod error;
mod folder;
mod key;
mod stream;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

#[doc(hidden)]
pub use ask::{BucketAct, BucketAnswer, BucketAsk, BucketReply, LONGEST_ANSWER, PutRule};
pub use error::{BucketError, BucketErrorKind};
#[doc(hidden)]
pub use folder::BucketFolder;
pub use stream::{ObjectReader, ObjectWriter};

use crate::border::{HostTable, Kind, Slice};
use crate::call::block_on;
use crate::library::{ServedService, request};
use crate::remote::{self, Pending};

/// A bucket of objects.
///
/// Under plain cargo, and in a session that names no stores, it is a folder of its name in `buckets/` beside the app. Where
/// `[data]` in `dyn.toml` names stores, it is the bucket of this name there. What an app does with it is the same.
///
/// ```
/// use dyninka::Bucket;
///
/// static IMAGES: Bucket = Bucket::named("images");
/// assert_eq!(IMAGES.name(), "images");
/// ```
#[derive(Debug)]
pub struct Bucket {
    name: &'static str,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ObjectInfo {
    /// Its key in the bucket.
    pub key: String,
    /// Bytes of the whole object.
    pub size: u64,
    /// Another one for each version of the object, as long as it is at one store.
    pub tag: String,
}

/// An object, or a range of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketObject {
    /// What is known of the whole object.
    pub info: ObjectInfo,
    /// All its bytes, or those of the range.
    pub bytes: Vec<u8>,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BucketPage {
    /// In the order of their keys' bytes.
    pub objects: Vec<ObjectInfo>,
    /// The key that the next page begins after; none at the end.
    pub next: Option<String>,
}

impl Bucket {
    /// The bucket of a name: 3 to 63 lower-case letters, digits, `-` and `.`, which begin and end with a letter or a digit. In
    /// a static another name does not compile.
    pub const fn named(name: &'static str) -> Self {
        assert!(
            key::is_bucket_name(name),
            "a bucket's name has 3 to 63 lower-case letters, digits, - and ., and begins and ends with a letter or a digit"
        );
        Self { name }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// An object of at most 64 MiB; [`Bucket::read`] takes larger ones piece by piece.
    pub fn get(&self, key: &str) -> BucketCall<'static, BucketObject> {
        self.object(key, BucketAct::Read { from: 0, length: None, tag: None })
    }

    /// A range of an object's bytes. It is shorter where the object ends before.
    pub fn get_range(&self, key: &str, range: Range<u64>) -> BucketCall<'static, BucketObject> {
        let length = range.end.saturating_sub(range.start);
        self.object(key, BucketAct::Read { from: range.start, length: Some(length), tag: None })
    }

    /// Reads an object of any size piece by piece, all pieces of one version.
    pub fn read(&self, key: &str) -> BucketCall<'static, ObjectReader> {
        let line = self.line(key);
        BucketCall::new(async move { ObjectReader::open(line).await })
    }

    /// What is known of an object without its bytes.
    pub fn head(&self, key: &str) -> BucketCall<'static, ObjectInfo> {
        let line = self.line(key);
        BucketCall::new(async move { line.info(BucketAct::Head, &[]).await })
    }

    /// Up to 1,000 objects whose keys begin with `prefix`, after the key `after`. Both may be empty.
    ///
    /// ```no_run
    /// # use dyninka::{Bucket, BucketError};
    /// # async fn all(images: &Bucket) -> Result<(), BucketError> {
    /// let mut page = images.list("cats/", "").await?;
    /// while let Some(next) = page.next {
    ///     page = images.list("cats/", &next).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self, prefix: &str, after: &str) -> BucketCall<'static, BucketPage> {
        let (line, after) = (self.line(prefix), after.to_owned());
        BucketCall::new(async move {
            let answer = line.ask(BucketAct::List { after }, &[]).await?;
            answer.reply.page.ok_or_else(|| line.garbled())
        })
    }

    /// Writes an object whole, whatever was there.
    pub fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) -> BucketCall<'static, ObjectInfo> {
        self.write_whole(key, bytes.into(), PutRule::Always)
    }

    /// Writes an object where there is none of this key; else the error is `Changed`.
    pub fn put_if_absent(&self, key: &str, bytes: impl Into<Vec<u8>>) -> BucketCall<'static, ObjectInfo> {
        self.write_whole(key, bytes.into(), PutRule::IfAbsent)
    }

    /// Writes an object in place of the version that has this tag; where there is another or none, the error is `Changed`.
    pub fn put_if_match(&self, key: &str, bytes: impl Into<Vec<u8>>, tag: &str) -> BucketCall<'static, ObjectInfo> {
        self.write_whole(key, bytes.into(), PutRule::IfMatch(tag.to_owned()))
    }

    /// Writes an object of any size piece by piece. It is there once [`ObjectWriter::finish`] has answered, and not before.
    pub fn write(&self, key: &str) -> ObjectWriter {
        ObjectWriter::new(self.line(key))
    }

    /// Deletes an object. One that is not there is deleted.
    pub fn delete(&self, key: &str) -> BucketCall<'static, ()> {
        let line = self.line(key);
        BucketCall::new(async move { line.ask(BucketAct::Delete, &[]).await.map(drop) })
    }

    /// A URL by which anybody may read the object until `lives` has passed, a week at most. Where the bucket is a folder, it is
    /// that of a file on this machine, and does not end.
    pub fn url(&self, key: &str, lives: Duration) -> BucketCall<'static, String> {
        let line = self.line(key);
        BucketCall::new(async move {
            let answer = line.ask(BucketAct::Url { seconds: lives.as_secs().max(1) }, &[]).await?;
            answer.reply.text.ok_or_else(|| line.garbled())
        })
    }

    fn object(&self, key: &str, act: BucketAct) -> BucketCall<'static, BucketObject> {
        let line = self.line(key);
        BucketCall::new(async move { line.object(act).await })
    }

    fn write_whole(&self, key: &str, bytes: Vec<u8>, rule: PutRule) -> BucketCall<'static, ObjectInfo> {
        let line = self.line(key);
        BucketCall::new(async move {
            if bytes.len() as u64 > LONGEST_ANSWER {
                let words = format!(
                    "{} bytes are more than the 64 MiB that are written at once; write() takes pieces",
                    bytes.len()
                );
                return Err(BucketError::new(BucketErrorKind::TooLarge, line.bucket, &line.key, words));
            }
            line.info(BucketAct::Put { rule }, &bytes).await
        })
    }

    fn line(&self, key: &str) -> Line {
        // Where the call is made, not where it is awaited: that may be a task of its own.
        let request = request();
        let host = request.served.and_then(ServedService::host).or_else(remote::host);
        Line { bucket: self.name, key: key.to_owned(), host: host.map(|host| (host, request.number)) }
    }
}

/// What a bucket answers: nothing happens until it is awaited, or waited for.
#[must_use = "nothing happens until it is awaited"]
pub struct BucketCall<'a, T> {
    answer: Pin<Box<dyn Future<Output = Result<T, BucketError>> + Send + 'a>>,
}

impl<'a, T> BucketCall<'a, T> {
    pub(crate) fn new(answer: impl Future<Output = Result<T, BucketError>> + Send + 'a) -> Self {
        Self { answer: Box::pin(answer) }
    }

    /// Waits for the answer where there is nothing to await in: a synchronous service, a test. Blocks the thread.
    pub fn wait(self) -> Result<T, BucketError> {
        block_on(self)
    }
}

impl<T> Future for BucketCall<'_, T> {
    type Output = Result<T, BucketError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(context)
    }
}

impl<T> fmt::Debug for BucketCall<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketCall").finish_non_exhaustive()
    }
}

/// A key of a bucket, and who is asked for it.
pub(crate) struct Line {
    pub(crate) bucket: &'static str,
    pub(crate) key: String,
    /// The host, and the request that is served; without one it is the folder, in this process.
    pub(crate) host: Option<(HostTable, u64)>,
}

impl Line {
    pub(crate) async fn ask(&self, act: BucketAct, body: &[u8]) -> Result<BucketAnswer, BucketError> {
        let ask = BucketAsk { bucket: self.bucket.to_owned(), key: self.key.clone(), act };
        key::check(&ask)?;
        let Some((host, request)) = self.host else { return folder::here().answer(&ask, body) };
        let outcome = begin(host, request, &ask, body).await;
        match outcome.kind {
            Kind::Value => BucketAnswer::read(&outcome.body).ok_or_else(|| self.garbled()),
            _ => Err(serde_json::from_slice(&outcome.body).unwrap_or_else(|_| self.garbled())),
        }
    }

    pub(crate) async fn info(&self, act: BucketAct, body: &[u8]) -> Result<ObjectInfo, BucketError> {
        self.ask(act, body).await?.reply.object.ok_or_else(|| self.garbled())
    }

    pub(crate) async fn object(&self, act: BucketAct) -> Result<BucketObject, BucketError> {
        let BucketAnswer { reply, bytes } = self.ask(act, &[]).await?;
        let info = reply.object.ok_or_else(|| self.garbled())?;
        Ok(BucketObject { info, bytes })
    }

    /// Asks, and waits for no answer.
    pub(crate) fn tell(&self, act: BucketAct) {
        let ask = BucketAsk { bucket: self.bucket.to_owned(), key: self.key.clone(), act };
        match self.host {
            Some((host, request)) => drop(begin(host, request, &ask, &[])),
            None => drop(folder::here().answer(&ask, &[])),
        }
    }

    pub(crate) fn garbled(&self) -> BucketError {
        let words = "the host gave an answer that does not read";
        BucketError::new(BucketErrorKind::Failed, self.bucket, &self.key, words)
    }
}

/// Hands an ask to the host.
fn begin(host: HostTable, request: u64, ask: &BucketAsk, body: &[u8]) -> Pending {
    let text = ask.text();
    Pending::begin(|done, context| {
        // SAFETY: the host reads both slices within the call, and gives the context to `done` once.
        unsafe { (host.bucket)(host.context, request, Slice::of(&text), Slice::of(body), done, context) }
    })
}
