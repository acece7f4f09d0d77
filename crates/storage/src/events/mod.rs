//! Events of four dialects: AWS (by itself or through SNS), MinIO, Ceph, and the filer of SeaweedFS.
//!
//! An event is a hint that a key is to be looked at. So a key that may be read in two ways is named in both.

use std::collections::BTreeSet;

use serde_json::Value;

/// A key to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreHint {
    pub bucket: String,
    pub key: String,
}

/// What is no event of any dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no event of AWS, MinIO, Ceph or SeaweedFS: {0}")]
pub struct EventMistake(String);

/// Keys of one event; none for a test event.
pub fn read(body: &[u8]) -> Result<BTreeSet<StoreHint>, EventMistake> {
    let value: Value = serde_json::from_slice(body).map_err(|error| EventMistake(error.to_string()))?;
    of_value(&value, 0)
}

fn of_value(value: &Value, depth: u8) -> Result<BTreeSet<StoreHint>, EventMistake> {
    if value["Event"] == "s3:TestEvent" {
        return Ok(BTreeSet::new());
    }
    if let Some(records) = value["Records"].as_array() {
        let mut hints = BTreeSet::new();
        for record in records {
            let bucket = record["s3"]["bucket"]["name"].as_str();
            let key = record["s3"]["object"]["key"].as_str();
            let (bucket, key) = bucket.zip(key).ok_or_else(|| EventMistake("a record names no key".to_owned()))?;
            hint(&mut hints, bucket, key);
        }
        return Ok(hints);
    }
    // SNS wraps the event as a text.
    if let Some(message) = value["Message"].as_str().filter(|_| depth == 0 && value["Type"] == "Notification") {
        let inner: Value = serde_json::from_str(message).map_err(|error| EventMistake(error.to_string()))?;
        return of_value(&inner, depth + 1);
    }
    if let (Some(path), Some(_)) = (value["key"].as_str(), value["event_type"].as_str()) {
        return Ok(of_filer(path, &value["message"]));
    }
    Err(EventMistake("it has neither Records nor key and event_type".to_owned()))
}

/// An event of a filer: a path below `/buckets/`. One that was moved has two.
fn of_filer(path: &str, message: &Value) -> BTreeSet<StoreHint> {
    let mut paths = vec![path.to_owned()];
    let name = message["new_entry"]["name"].as_str();
    if let (Some(folder), Some(name)) = (message["new_parent_path"].as_str(), name) {
        paths.push(format!("{folder}/{name}"));
    }
    let parts = paths.iter().filter_map(|path| path.strip_prefix("/buckets/")?.split_once('/'));
    // What a filer keeps of uploads under way is none of the bucket's objects.
    let parts = parts.filter(|(_, key)| !key.is_empty() && !key.starts_with(".uploads"));
    parts.map(|(bucket, key)| StoreHint { bucket: bucket.to_owned(), key: key.to_owned() }).collect()
}

fn hint(into: &mut BTreeSet<StoreHint>, bucket: &str, key: &str) {
    let keys = [Some(key.to_owned()), decoded(key)].into_iter().flatten();
    into.extend(keys.map(|key| StoreHint { bucket: bucket.to_owned(), key }));
}

/// A key as forms write it, decoded; none where that changes nothing.
fn decoded(key: &str) -> Option<String> {
    if !key.contains(['%', '+']) {
        return None;
    }
    let (mut bytes, mut rest) = (Vec::new(), key.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let value = pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        rest = after;
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &after[2..];
            }
            None => bytes.push(if *first == b'+' { b' ' } else { *first }),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<(String, String)> {
        let hints = read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        hints.into_iter().map(|hint| (hint.bucket, hint.key)).collect()
    }

    fn pair(bucket: &str, key: &str) -> (String, String) {
        (bucket.to_owned(), key.to_owned())
    }

    #[test]
    fn events_of_each_dialect_name_their_keys() {
        let aws = r#"{"Records":[{"eventVersion":"2.1","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"images"},"object":{"key":"a+b%2Fc.jpg","size":3}}}]}"#;
        assert_eq!(keys(aws), [pair("images", "a b/c.jpg"), pair("images", "a+b%2Fc.jpg")]);
        let minio = r#"{"EventName":"s3:ObjectRemoved:Delete","Key":"images/x","Records":[{"s3":{"bucket":{"name":"images"},"object":{"key":"x"}}}]}"#;
        assert_eq!(keys(minio), [pair("images", "x")]);
        let ceph = r#"{"Records":[{"eventSource":"ceph:s3","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"images","id":"1"},"object":{"key":"ä 100%","eTag":"x"}}}]}"#;
        assert!(keys(ceph).contains(&pair("images", "ä 100%")));
        let filer = r#"{"key":"/buckets/images/a/b.jpg","event_type":"rename","message":{"old_entry":{"name":"b.jpg"},"new_entry":{"name":"c.jpg"},"new_parent_path":"/buckets/images/d"}}"#;
        assert_eq!(keys(filer), [pair("images", "a/b.jpg"), pair("images", "d/c.jpg")]);
        let upload = r#"{"key":"/buckets/images/.uploads/1/part","event_type":"create","message":{}}"#;
        assert!(keys(upload).is_empty());
        let sns = serde_json::json!({ "Type": "Notification", "Message": aws }).to_string();
        assert_eq!(keys(&sns), keys(aws));
        assert!(keys(r#"{"Event":"s3:TestEvent","Bucket":"images"}"#).is_empty());
    }

    #[test]
    fn anything_else_is_refused() {
        let nested = r#"{"Type":"Notification","Message":"{\"Type\":\"Notification\",\"Message\":\"{}\"}"}"#;
        for text in ["", "[]", "{}", "null", r#"{"Records":[{}]}"#, r#"{"key":1}"#, nested, &"[".repeat(10_000)] {
            assert!(read(text.as_bytes()).is_err(), "{text:.40}");
        }
    }
}
