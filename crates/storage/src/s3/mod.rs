//! An S3 API. Every call is signed in its URL.

mod answer;
mod transport;
mod upload;

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use url::Url;

use crate::digest::{self, Md5Sum};
use crate::error::StorageError;
use crate::object::{
    ListPage, ListedObject, ObjectBody, ObjectHead, ObjectHeaders, PartLayout, PutCondition, TRAVEL, bare,
};
use transport::Transport;

/// A signature is good for so long.
const LIVES: Duration = Duration::from_secs(300);

/// Where a store is reached, and by whom.
#[derive(Clone)]
pub struct S3Access {
    pub endpoint: Url,
    pub region: String,
    /// The bucket is a part of the host's name.
    pub by_host: bool,
    /// PEM file of an authority beside those of the system.
    pub ca: Option<PathBuf>,
    pub key: String,
    pub secret: String,
}

impl S3Access {
    /// The endpoint that settings name.
    pub fn endpoint(text: &str) -> Result<Url, StorageError> {
        Url::parse(text).map_err(|error| StorageError::Settings(format!("{text} is no URL: {error}")))
    }
}

impl std::fmt::Debug for S3Access {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the secret.
        write!(to, "S3Access({})", self.endpoint)
    }
}

/// A store with an S3 API.
#[derive(Debug)]
pub struct S3Store {
    access: S3Access,
    credentials: Credentials,
    transport: Transport,
    /// Milliseconds that the store's clock is ahead of ours.
    ahead: AtomicI64,
}

/// Bytes and headers of a request, with what is signed.
#[derive(Default)]
struct Sending {
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl S3Store {
    pub fn new(access: S3Access) -> Result<Self, StorageError> {
        let transport = Transport::new(access.ca.as_deref())?;
        let credentials = Credentials::new(&access.key, &access.secret);
        Ok(Self { access, credentials, transport, ahead: AtomicI64::new(0) })
    }

    fn bucket(&self, name: &str) -> Result<Bucket, StorageError> {
        let style = if self.access.by_host { UrlStyle::VirtualHost } else { UrlStyle::Path };
        let made = Bucket::new(self.access.endpoint.clone(), style, name.to_owned(), self.access.region.clone());
        made.map_err(|error| {
            StorageError::Settings(format!("{} is no endpoint for {name}: {error}", self.access.endpoint))
        })
    }

    /// Sends an action. A store whose clock is another one is asked once more, by its own time.
    async fn ask<'a, A: S3Action<'a>>(
        &self,
        mut action: A,
        sending: Sending,
    ) -> Result<Response<Incoming>, StorageError> {
        for (name, value) in &sending.headers {
            action.headers_mut().insert(name.clone(), value.clone());
        }
        let method = match A::METHOD {
            rusty_s3::Method::Head => Method::HEAD,
            rusty_s3::Method::Get => Method::GET,
            rusty_s3::Method::Post => Method::POST,
            rusty_s3::Method::Put => Method::PUT,
            rusty_s3::Method::Delete => Method::DELETE,
        };
        for is_last in [false, true] {
            let ahead = self.ahead();
            let url = action.sign_with_time(LIVES, &now(ahead));
            let answer = self.transport.send(method.clone(), &url, &sending.headers, sending.body.clone()).await?;
            if answer.status() != StatusCode::FORBIDDEN || is_last || !self.is_skewed(answer.headers(), ahead) {
                return Ok(answer);
            }
        }
        Err(StorageError::Garbled("it was asked twice".to_owned()))
    }

    /// Takes the time of a refusal, where it is far from the one that was signed with. Whether it was.
    fn is_skewed(&self, headers: &HeaderMap, signed: i64) -> bool {
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        let Some(theirs) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else { return false };
        let ahead = theirs.timestamp().as_millisecond() - Timestamp::now().as_millisecond();
        // Another request may have taken it meanwhile: this one was signed before.
        if (ahead - signed).abs() < 30_000 {
            return false;
        }
        self.ahead.store(ahead, Ordering::Relaxed);
        true
    }

    /// Milliseconds that the store's clock is ahead of ours, as far as it matters.
    pub fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Sends an action, and reads an answer that is a good one to its end.
    async fn text<'a, A: S3Action<'a>>(
        &self,
        bucket: &str,
        action: A,
        sending: Sending,
    ) -> Result<String, StorageError> {
        let answer = self.good(bucket, action, sending).await?;
        let body = transport::read(answer.into_body(), answer::LARGEST).await?;
        String::from_utf8(body.to_vec()).map_err(|_| StorageError::Garbled("no text".to_owned()))
    }

    async fn good<'a, A: S3Action<'a>>(
        &self,
        bucket: &str,
        action: A,
        sending: Sending,
    ) -> Result<Response<Incoming>, StorageError> {
        let answer = self.ask(action, sending).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(answer::refusal(bucket, answer).await) }
    }

    pub async fn answers(&self) -> Result<(), StorageError> {
        match self.has_bucket("dyninka-store").await {
            Ok(_) => Ok(()),
            // It answers, and somebody else's bucket is no fault of it.
            Err(StorageError::Refused { code, .. }) if code == "AccessDenied" => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn has_bucket(&self, name: &str) -> Result<bool, StorageError> {
        // A listing tells a wrong key from a missing bucket, which a head does not.
        let bucket = self.bucket(name)?;
        let mut action = bucket.list_objects_v2(Some(&self.credentials));
        action.with_max_keys(1);
        match self.text(name, action, Sending::default()).await {
            Ok(_) => Ok(true),
            Err(StorageError::NoBucket(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub async fn make_bucket(&self, name: &str) -> Result<(), StorageError> {
        let bucket = self.bucket(name)?;
        let action = bucket.create_bucket(&self.credentials);
        let body = Bytes::from(action.body());
        match self.text(name, action, Sending { headers: Vec::new(), body }).await {
            Ok(_) => Ok(()),
            Err(StorageError::Never(code)) if code.starts_with("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn remove_bucket(&self, name: &str) -> Result<(), StorageError> {
        let bucket = self.bucket(name)?;
        match self.text(name, bucket.delete_bucket(&self.credentials), Sending::default()).await {
            Ok(_) | Err(StorageError::NoBucket(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn list(&self, name: &str, prefix: &str, after: &str) -> Result<ListPage, StorageError> {
        let bucket = self.bucket(name)?;
        let mut action = bucket.list_objects_v2(Some(&self.credentials));
        if !prefix.is_empty() {
            action.with_prefix(prefix);
        }
        if !after.is_empty() {
            action.with_start_after(after);
        }
        let text = self.text(name, action, Sending::default()).await?;
        answer::listing(&text, after)
    }

    pub async fn head(&self, name: &str, key: &str) -> Result<Option<ObjectHead>, StorageError> {
        check(key)?;
        let bucket = self.bucket(name)?;
        let answer = self.ask(bucket.head_object(Some(&self.credentials), key), Sending::default()).await?;
        match answer.status() {
            status if status.is_success() => head_of(answer.headers(), None).map(Some),
            // It has no body that says which of the two is missing.
            StatusCode::NOT_FOUND if self.has_bucket(name).await? => Ok(None),
            StatusCode::NOT_FOUND => Err(StorageError::NoBucket(name.to_owned())),
            _ => Err(answer::refusal(name, answer).await),
        }
    }

    pub async fn get(
        &self,
        name: &str,
        key: &str,
        range: Option<(u64, u64)>,
        tag: Option<&str>,
    ) -> Result<ObjectBody, StorageError> {
        check(key)?;
        let bucket = self.bucket(name)?;
        let mut sending = Sending::default();
        if let Some(tag) = tag {
            sending.headers.push(("if-match".to_owned(), format!("\"{tag}\"")));
        }
        if let Some((from, to)) = range {
            sending.headers.push(("range".to_owned(), format!("bytes={from}-{to}")));
        }
        let answer = self.good(name, bucket.get_object(Some(&self.credentials), key), sending).await?;
        let whole = answer
            .headers()
            .get(http::header::CONTENT_RANGE)
            .and_then(|range| range.to_str().ok()?.rsplit('/').next()?.parse().ok());
        if range.is_some_and(|(from, _)| from > 0) && answer.status() != StatusCode::PARTIAL_CONTENT {
            return Err(StorageError::Garbled("a whole object where a range was asked for".to_owned()));
        }
        let length = transport::length(answer.headers())?;
        let head = head_of(answer.headers(), whole)?;
        // A store that passes conditions over shows by the tag.
        if tag.is_some_and(|tag| tag != head.tag) {
            return Err(StorageError::Changed);
        }
        let bytes = transport::pieces(answer.into_body());
        Ok(ObjectBody { head, length, bytes: bytes.boxed() })
    }

    pub async fn put(
        &self,
        name: &str,
        key: &str,
        bytes: Bytes,
        headers: &ObjectHeaders,
    ) -> Result<String, StorageError> {
        self.put_with(name, key, bytes, travelling(headers)).await
    }

    pub async fn put_when(
        &self,
        name: &str,
        key: &str,
        bytes: Bytes,
        headers: &ObjectHeaders,
        condition: &PutCondition,
    ) -> Result<String, StorageError> {
        let mut headers = travelling(headers);
        headers.push(match condition {
            PutCondition::IfAbsent => ("if-none-match".to_owned(), "*".to_owned()),
            PutCondition::IfMatch(tag) => ("if-match".to_owned(), format!("\"{tag}\"")),
        });
        match self.put_with(name, key, bytes, headers).await {
            // There is no version at all, or another writer is at it.
            Err(StorageError::NoObject) => Err(StorageError::Changed),
            Err(StorageError::Never(code)) if code.starts_with("ConditionalRequestConflict") => {
                Err(StorageError::Changed)
            }
            put => put,
        }
    }

    async fn put_with(
        &self,
        name: &str,
        key: &str,
        bytes: Bytes,
        headers: Vec<(String, String)>,
    ) -> Result<String, StorageError> {
        check(key)?;
        let bucket = self.bucket(name)?;
        let mut sending = Sending { headers, body: bytes };
        sending.headers.push(("content-md5".to_owned(), Md5Sum::of(&sending.body).base64()));
        let answer = self.good(name, bucket.put_object(Some(&self.credentials), key), sending).await?;
        let tag = tag_of(answer.headers())?;
        drop(answer.into_body().collect().await);
        Ok(tag)
    }

    /// The answer to a put with a condition: whether it was taken. For the probe.
    pub(crate) async fn put_under(
        &self,
        name: &str,
        key: &str,
        bytes: Bytes,
        condition: (&str, &str),
    ) -> Result<bool, StorageError> {
        let bucket = self.bucket(name)?;
        let sending = Sending { headers: vec![(condition.0.to_owned(), condition.1.to_owned())], body: bytes };
        match self.good(name, bucket.put_object(Some(&self.credentials), key), sending).await {
            Ok(_) => Ok(true),
            Err(StorageError::Changed) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub async fn delete(&self, name: &str, key: &str) -> Result<(), StorageError> {
        check(key)?;
        let bucket = self.bucket(name)?;
        match self.text(name, bucket.delete_object(Some(&self.credentials), key), Sending::default()).await {
            Ok(_) | Err(StorageError::NoObject) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn layout(&self, name: &str, key: &str, head: &ObjectHead) -> Result<Option<PartLayout>, StorageError> {
        // Only of an object in parts there is something to know.
        let Some(parts) = head.tag.rsplit_once('-').and_then(|(_, parts)| parts.parse::<u64>().ok()) else {
            return Ok(None);
        };
        let bucket = self.bucket(name)?;
        let mut action = bucket.head_object(Some(&self.credentials), key);
        action.query_mut().insert("partNumber", "1");
        let answer = self.ask(action, Sending::default()).await?;
        let said =
            answer.headers().get("x-amz-mp-parts-count").and_then(|count| count.to_str().ok()?.parse::<u64>().ok());
        let size = transport::length(answer.headers()).unwrap_or_default();
        let is_part = answer.status().is_success() && size > 0 && (size < head.size || parts == 1);
        // A layout that does not come to the number of parts in the tag is none.
        let fits = said.is_none_or(|said| said == parts) && size > 0 && head.size.div_ceil(size) == parts;
        Ok((is_part && fits).then_some(PartLayout { part_size: size, parts }))
    }

    pub fn url(&self, name: &str, key: &str, lives: Duration) -> Option<Url> {
        check(key).ok()?;
        let bucket = self.bucket(name).ok()?;
        Some(bucket.get_object(Some(&self.credentials), key).sign_with_time(lives, &now(self.ahead())))
    }
}

/// The time of a store whose clock is ahead of ours by so many milliseconds.
fn now(ahead: i64) -> Timestamp {
    let now = Timestamp::now();
    now.checked_add(SignedDuration::from_millis(ahead)).unwrap_or(now)
}

/// Keys that no URL of S3 can name: they would mean another object.
fn check(key: &str) -> Result<(), StorageError> {
    if key.is_empty() || key.split('/').any(|part| part == "." || part == "..") {
        return Err(StorageError::Never(format!("no URL can name the key {key:?}")));
    }
    Ok(())
}

/// Headers that travel, as a put has them.
fn travelling(headers: &ObjectHeaders) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn tag_of(headers: &HeaderMap) -> Result<String, StorageError> {
    let tag = headers.get(http::header::ETAG).and_then(|tag| tag.to_str().ok());
    tag.map(bare).ok_or_else(|| StorageError::Garbled("an answer without a tag".to_owned()))
}

fn head_of(headers: &HeaderMap, whole: Option<u64>) -> Result<ObjectHead, StorageError> {
    let size = whole.map_or_else(|| transport::length(headers), Ok)?;
    let mut kept = ObjectHeaders::new();
    for (name, value) in headers {
        let name = name.as_str();
        if TRAVEL.contains(&name) || name.starts_with("x-amz-meta-") {
            let value = value.to_str().map_err(|_| StorageError::Never(format!("its header {name} is no ASCII")))?;
            kept.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(ObjectHead { tag: tag_of(headers)?, size, headers: kept })
}

/// Tags of parts and small objects are MD5 at stores that are as S3 is.
fn same_bytes(sum: Md5Sum, tag: &str) -> Result<(), StorageError> {
    let own = sum.hex();
    if digest::is_md5(tag) && own != tag {
        return Err(StorageError::Corrupt(format!("{own} was sent and {tag} arrived")));
    }
    Ok(())
}
