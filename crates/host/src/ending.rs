//! A library's outcome in the words of a record, the same whether it was recorded live or came of a run again.

use dyninka::border::Kind;
use protocol::body::{Body, Outcome};

use crate::library::words;

/// How a call ended, from its kind and body at the border.
pub(crate) fn read(kind: Kind, body: &[u8]) -> Outcome {
    let failed = |kind: &str, message| Outcome::Failed { kind: kind.to_owned(), message };
    match kind {
        Kind::Value => Outcome::Value(Body::new(body)),
        Kind::Filtered => Outcome::Filtered,
        Kind::Failed => failed("failed", words(body)),
        // Its place stays out: a panic some lines further down is the same panic.
        Kind::Panicked => failed("panicked", words(body)),
        Kind::Rejected => {
            let document = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
            let path = document["path"].as_str().unwrap_or_default();
            failed("rejected", format!("{path}: {}", words(body)))
        }
        // Of its own kind: a function that passes another's deadline on has not missed its own.
        Kind::Upstream => failed("upstream", told(body)),
    }
}

/// A problem document another service answered with.
pub(crate) fn problem(document: &[u8]) -> Outcome {
    let read = serde_json::from_slice::<serde_json::Value>(document).unwrap_or_default();
    let kind = read["type"].as_str().and_then(|kind| kind.rsplit(':').next()).filter(|kind| !kind.is_empty());
    Outcome::Failed { kind: kind.unwrap_or("upstream").to_owned(), message: told(document) }
}

/// Which service it was, and what it said.
fn told(document: &[u8]) -> String {
    let read = serde_json::from_slice::<serde_json::Value>(document).unwrap_or_default();
    let member = |name: &str| read[name].as_str().unwrap_or_default();
    match (member("service"), member("detail")) {
        (_, "") => String::from_utf8_lossy(document).into_owned(),
        ("", detail) => detail.to_owned(),
        (service, detail) => format!("{service}: {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_without_their_place_in_the_file() {
        let failed = |kind: &str, message: &str| Outcome::Failed { kind: kind.to_owned(), message: message.to_owned() };
        let panicked = br#"{"message":"no","file":"app.rs","line":3,"column":5}"#;
        assert_eq!(read(Kind::Panicked, panicked), failed("panicked", "no"));
        let rejected = br#"{"input":"a","path":"a.b","message":"is missing"}"#;
        assert_eq!(read(Kind::Rejected, rejected), failed("rejected", "a.b: is missing"));
        let upstream = br#"{"type":"urn:dyninka:problem:deadline","service":"get","detail":"late"}"#;
        assert_eq!(read(Kind::Upstream, upstream), failed("upstream", "get: late"));
        assert_eq!(problem(upstream), failed("deadline", "get: late"));
        assert_eq!(read(Kind::Upstream, b"what"), failed("upstream", "what"));
    }
}
