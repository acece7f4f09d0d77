//! Names of buckets and keys that every store takes alike.

use super::{BucketAct, BucketAsk, BucketError, BucketErrorKind};

/// The longest key of S3, in bytes.
const LONGEST_KEY: usize = 1024;
/// The longest name of a file, in bytes.
const LONGEST_PART: usize = 255;

/// The longest life of a signed URL, in seconds.
const LONGEST_LIFE: u64 = 7 * 24 * 60 * 60;

/// Whether S3 takes the name of a bucket.
pub(crate) const fn is_bucket_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.len() < 3 || bytes.len() > 63 {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        let is_inside = at > 0 && at + 1 < bytes.len();
        match bytes[at] {
            b'a'..=b'z' | b'0'..=b'9' => {}
            b'-' if is_inside => {}
            // Two dots would be a part without a letter.
            b'.' if is_inside && bytes[at - 1] != b'.' => {}
            _ => return false,
        }
        at += 1;
    }
    true
}

/// Refuses a name or a key that some store could not have: what works in a folder works at S3, and the other way round.
pub(crate) fn check(ask: &BucketAsk) -> Result<(), BucketError> {
    let wrong = |words: &str| Err(ask.error(BucketErrorKind::Invalid, words));
    if !is_bucket_name(&ask.bucket) {
        return wrong("this is no name of a bucket");
    }
    let key = ask.key.as_str();
    if key.contains('\0') {
        return wrong("a key has no NUL");
    }
    if key.len() > LONGEST_KEY {
        return wrong("a key has at most 1,024 bytes");
    }
    if matches!(ask.act, BucketAct::Url { seconds } if seconds > LONGEST_LIFE) {
        return wrong("a URL lives a week at most");
    }
    // A prefix is no key: it may be empty, and end anywhere.
    if matches!(ask.act, BucketAct::List { .. }) {
        return Ok(());
    }
    for part in key.split('/') {
        match part {
            "" => return wrong("a key does not begin or end with /, has no // and is not empty"),
            "." | ".." => return wrong("no part of a key is . or .."),
            part if part.len() > LONGEST_PART => return wrong("a part of a key has at most 255 bytes"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_s3_takes() {
        let longest = "a".repeat(63);
        for name in ["abc", "a-b", "a.b", "1.2.3", "images-2026", longest.as_str()] {
            assert!(is_bucket_name(name), "{name}");
        }
        let too_long = "a".repeat(64);
        let wrong =
            ["", "ab", "Abc", "a_b", "-ab", "ab-", ".ab", "ab.", "a..b", "a/b", "a\0b", "äbc", "..", too_long.as_str()];
        for name in wrong {
            assert!(!is_bucket_name(name), "{name}");
        }
    }

    #[test]
    fn keys_are_those_that_every_store_takes() {
        let ask = |key: &str, act| BucketAsk { bucket: "images".to_owned(), key: key.to_owned(), act };
        let (part, longest) = ("a".repeat(255), ["a".repeat(255), "b".repeat(255), "c".repeat(255)].join("/"));
        for key in ["a", "cats/1.jpg", "a b", "%2F+", "ü\n", "..a", "a..", ".dyninka", part.as_str(), longest.as_str()]
        {
            assert_eq!(check(&ask(key, BucketAct::Delete)), Ok(()), "{key}");
        }
        let (long_part, too_long) = ("a".repeat(256), format!("{longest}/{longest}"));
        let wrong =
            ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a/./b", "a\0", &long_part, &too_long];
        for key in wrong {
            let error = check(&ask(key, BucketAct::Head)).expect_err(key);
            assert_eq!(error.kind(), BucketErrorKind::Invalid);
            assert!(!error.to_string().contains('\0') && error.to_string().starts_with("images/"), "{error}");
        }
        let list = |prefix: &str| check(&ask(prefix, BucketAct::List { after: String::new() }));
        assert!(["", "cats/", "..", "a//"].into_iter().all(|prefix| list(prefix).is_ok()));
        assert!(list("\0").is_err());
        let url = |seconds| check(&ask("a", BucketAct::Url { seconds })).is_ok();
        assert_eq!([1, LONGEST_LIFE, LONGEST_LIFE + 1].map(url), [true, true, false]);
        let another = BucketAsk { bucket: "../x".to_owned(), ..ask("a", BucketAct::Head) };
        assert!(check(&another).is_err());
    }
}
