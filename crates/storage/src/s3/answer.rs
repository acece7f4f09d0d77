//! Answers of S3, and refusals in words of ours.

use http::{Response, StatusCode};
use hyper::body::Incoming;
use rusty_s3::actions::ListObjectsV2;

use super::{ListPage, ListedObject, bare, transport};
use crate::error::StorageError;

/// Bytes of a document at most: a page of a thousand keys of 1,024 bytes, each byte in three.
pub(super) const LARGEST: usize = 8 << 20;

/// A page of a listing. One that does not go on from where it was asked to is refused: it would never end.
pub(super) fn listing(text: &str, after: &str) -> Result<ListPage, StorageError> {
    let read =
        ListObjectsV2::parse_response(text).map_err(|error| StorageError::Garbled(format!("a listing: {error}")))?;
    let mut objects = Vec::with_capacity(read.contents.len());
    let mut last = after.to_owned();
    for content in read.contents {
        if content.key.as_bytes() <= last.as_bytes() && !(last.is_empty() && content.key.is_empty()) {
            return Err(StorageError::Garbled(format!("a listing that goes back, from {last:?} to {:?}", content.key)));
        }
        let (Some(tag), Some(size)) = (content.etag, content.size) else {
            return Err(StorageError::Garbled(format!("a listing without tag or size of {:?}", content.key)));
        };
        last.clone_from(&content.key);
        objects.push(ListedObject { key: content.key, tag: bare(&tag), size });
    }
    let next = read.next_continuation_token.is_some().then_some(last);
    if next.is_some() && objects.is_empty() {
        return Err(StorageError::Garbled("an empty page of a listing that goes on".to_owned()));
    }
    Ok(ListPage { objects, next })
}

/// A refusal, by its code.
pub(super) async fn refusal(bucket: &str, answer: Response<Incoming>) -> StorageError {
    let status = answer.status();
    let text = match transport::read(answer.into_body(), LARGEST).await {
        Ok(body) => String::from_utf8_lossy(&body).into_owned(),
        Err(error) => return error,
    };
    meaning(bucket, status, &text)
}

pub(super) fn meaning(bucket: &str, status: StatusCode, text: &str) -> StorageError {
    let code = element(text, "Code").unwrap_or_default();
    let message = element(text, "Message").unwrap_or_default();
    let named = || if code.is_empty() { status.to_string() } else { code.clone() };
    match (status, code.as_str()) {
        (_, "NoSuchKey") => StorageError::NoObject,
        (_, "NoSuchBucket") => StorageError::NoBucket(bucket.to_owned()),
        (_, "NoSuchUpload") => StorageError::NoUpload,
        (StatusCode::PRECONDITION_FAILED, _) => StorageError::Changed,
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => StorageError::Changed,
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _) | (_, "SlowDown") => StorageError::Busy,
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => StorageError::Refused { code: named(), message },
        (_, "BadDigest" | "XAmzContentSHA256Mismatch") => StorageError::Corrupt(message),
        // Not told apart from a key that is gone, so it is none.
        (StatusCode::NOT_FOUND, _) => StorageError::Garbled(format!("{} without saying of what", named())),
        (status, _) if status.is_redirection() => {
            StorageError::Settings(format!("the store leads elsewhere ({}): check endpoint and region", named()))
        }
        (status, _) if status.is_client_error() => {
            StorageError::Never(format!("{} {message}", named()).trim().to_owned())
        }
        _ => StorageError::Failing { code: named(), message },
    }
}

/// What an element holds, of a document that is not ours to trust. Only texts without markup are needed.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    let plain: String = inner.chars().filter(|c| !c.is_control()).take(300).collect();
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_key_is_a_deletion() {
        let body =
            |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
        assert_eq!(meaning("b", StatusCode::NOT_FOUND, &body("NoSuchKey")), StorageError::NoObject);
        assert_eq!(meaning("b", StatusCode::NOT_FOUND, &body("NoSuchBucket")), StorageError::NoBucket("b".to_owned()));
        for (status, text) in [
            (404, String::new()),
            (404, body("Nothing")),
            (403, body("AccessDenied")),
            (500, body("InternalError")),
            (503, body("SlowDown")),
            (301, body("PermanentRedirect")),
            (400, body("KeyTooLongError")),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            assert!(!matches!(meaning("b", status, &text), StorageError::NoObject), "{status} {text}");
        }
        assert_eq!(
            meaning("b", StatusCode::OK, "\u{0}<Code>"),
            StorageError::Failing { code: "200 OK".to_owned(), message: String::new() }
        );
    }

    #[test]
    fn a_listing_that_cannot_end_is_refused() {
        let page = |keys: &[&str], more: &str| {
            let contents: String = keys
                .iter()
                .map(|key| format!("<Contents><Key>{key}</Key><ETag>\"t\"</ETag><Size>1</Size></Contents>"))
                .collect();
            format!(
                "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{more}{contents}</ListBucketResult>"
            )
        };
        let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>";
        let listed = listing(&page(&["a", "b"], more), "").expect("a page");
        assert_eq!((listed.objects.len(), listed.next.as_deref(), listed.objects[0].tag.as_str()), (2, Some("b"), "t"));
        assert!(listing(&page(&["a", "b"], more), "b").is_err());
        assert!(listing(&page(&["b", "a"], ""), "").is_err());
        assert!(listing(&page(&[], more), "").is_err());
        assert!(listing("half a li", "").is_err());
        assert!(listing(&page(&["a"], "").replace("<Size>1</Size>", ""), "").is_err());
        assert_eq!(listing(&page(&[], ""), "").expect("an empty one").next, None);
    }
}
