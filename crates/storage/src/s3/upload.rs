//! Uploads in parts.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use rusty_s3::actions::{CompleteMultipartUpload, CompleteMultipartUploadResponse, CreateMultipartUpload, ListParts};

use super::{S3Store, Sending, answer, bare, check, same_bytes, tag_of, travelling};
use crate::digest::Md5Sum;
use crate::error::StorageError;
use crate::object::{DonePart, ObjectHeaders};

impl S3Store {
    pub async fn begin(
        &self,
        name: &str,
        key: &str,
        _part_size: u64,
        headers: &ObjectHeaders,
    ) -> Result<String, StorageError> {
        check(key)?;
        let bucket = self.bucket(name)?;
        let sending = Sending { headers: travelling(headers), body: Bytes::new() };
        let text = self.text(name, bucket.create_multipart_upload(Some(&self.credentials), key), sending).await?;
        let begun = CreateMultipartUpload::parse_response(&text);
        begun
            .map(|begun| begun.upload_id().to_owned())
            .map_err(|error| StorageError::Garbled(format!("an upload: {error}")))
    }

    pub async fn part(
        &self,
        name: &str,
        key: &str,
        upload: &str,
        number: u16,
        bytes: Bytes,
    ) -> Result<String, StorageError> {
        let bucket = self.bucket(name)?;
        let sum = Md5Sum::of(&bytes);
        let headers = vec![("content-md5".to_owned(), sum.clone().base64())];
        let action = bucket.upload_part(Some(&self.credentials), key, number, upload);
        let answer = self.good(name, action, Sending { headers, body: bytes }).await?;
        let tag = tag_of(answer.headers())?;
        drop(answer.into_body().collect().await);
        same_bytes(sum, &tag)?;
        Ok(tag)
    }

    pub async fn parts(&self, name: &str, key: &str, upload: &str) -> Result<Vec<DonePart>, StorageError> {
        let bucket = self.bucket(name)?;
        let (mut parts, mut after) = (BTreeMap::new(), None);
        loop {
            let mut action = bucket.list_parts(Some(&self.credentials), key, upload);
            if let Some(after) = after {
                action.set_part_number_marker(after);
            }
            let text = self.text(name, action, Sending::default()).await?;
            let page =
                ListParts::parse_response(&text).map_err(|error| StorageError::Garbled(format!("parts: {error}")))?;
            for part in page.parts {
                // Some list a part that was sent twice two times: the last one counts.
                parts.insert(part.number, DonePart { number: part.number, tag: bare(&part.etag), size: part.size });
            }
            match page.next_part_number_marker {
                Some(next) if after.is_none_or(|after| next > after) => after = Some(next),
                Some(_) => return Err(StorageError::Garbled("a list of parts that goes back".to_owned())),
                None => return Ok(parts.into_values().collect()),
            }
        }
    }

    pub async fn finish(&self, name: &str, key: &str, upload: &str, tags: &[String]) -> Result<String, StorageError> {
        let bucket = self.bucket(name)?;
        let action = || {
            let tags = tags.iter().map(String::as_str);
            CompleteMultipartUpload::new(&bucket, Some(&self.credentials), key, upload, tags)
        };
        let sending = Sending { headers: Vec::new(), body: Bytes::from(action().body()) };
        let text = self.text(name, action(), sending).await?;
        // It is a good answer only where the body says so.
        match CompleteMultipartUploadResponse::parse(&text) {
            Ok(done) => Ok(bare(done.etag())),
            Err(_) if text.contains("<Error>") => Err(answer::meaning(name, http::StatusCode::OK, &text)),
            Err(error) => Err(StorageError::Garbled(format!("the end of an upload: {error}"))),
        }
    }

    pub async fn abort(&self, name: &str, key: &str, upload: &str) -> Result<(), StorageError> {
        let bucket = self.bucket(name)?;
        let action = bucket.abort_multipart_upload(Some(&self.credentials), key, upload);
        match self.text(name, action, Sending::default()).await {
            Ok(_) | Err(StorageError::NoUpload | StorageError::NoObject) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
