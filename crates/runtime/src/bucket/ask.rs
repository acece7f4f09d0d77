//! What a library asks of its host about a bucket, and the answer: JSON, and bytes behind it.

use serde::{Deserialize, Serialize};

use super::{BucketError, BucketErrorKind, BucketPage, ObjectInfo};

/// Bytes of an object in one answer, at the most.
pub const LONGEST_ANSWER: u64 = 64 << 20;

/// A wish about a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketAsk {
    /// The bucket's name.
    pub bucket: String,
    /// The key; of a listing, the prefix.
    pub key: String,
    /// What is to be done.
    pub act: BucketAct,
}

/// What is to be done. A put and a part have their bytes beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BucketAct {
    /// What is known of an object.
    Head,
    /// Bytes from one on, so many at most or all; of the version of this tag alone, where it is given.
    Read {
        /// The first byte.
        from: u64,
        /// How many.
        length: Option<u64>,
        /// Of this version.
        tag: Option<String>,
    },
    /// A page of a listing.
    List {
        /// The key that it begins after.
        after: String,
    },
    /// An object whole.
    Put {
        /// When.
        rule: PutRule,
    },
    /// An upload in parts: it is answered by its id.
    Begin,
    /// A part, counted from 1: it is answered by its tag. All but the last are of one size.
    Part {
        /// The upload's id.
        upload: String,
        /// The part's.
        number: u16,
    },
    /// Puts the object of an upload in its place.
    Finish {
        /// The upload's id.
        upload: String,
        /// What its parts were answered by.
        tags: Vec<String>,
        /// Bytes of all parts.
        size: u64,
    },
    /// Gives an upload up.
    Abort {
        /// The upload's id.
        upload: String,
    },
    /// Removes an object.
    Delete,
    /// A URL by which anybody reads the object.
    Url {
        /// For so long.
        seconds: u64,
    },
}

/// When an object is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PutRule {
    /// In any case.
    Always,
    /// Where there is no object of the key.
    IfAbsent,
    /// Where the version of this tag is there.
    IfMatch(String),
}

/// What an answer says beside bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BucketReply {
    /// The object that was looked at or written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectInfo>,
    /// The page of a listing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<BucketPage>,
    /// The id of an upload, the tag of a part, or a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketAnswer {
    /// What is said.
    pub reply: BucketReply,
    /// Of an object.
    pub bytes: Vec<u8>,
}

impl BucketAsk {
    pub(crate) fn text(&self) -> Vec<u8> {
        // Texts and numbers alone: it cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// An error about it.
    pub fn error(&self, kind: BucketErrorKind, words: impl std::fmt::Display) -> BucketError {
        BucketError::new(kind, &self.bucket, &self.key, words)
    }

    /// How many bytes an answer has of an object of this size. More than fit into one is an error.
    pub fn length_of(&self, from: u64, length: Option<u64>, size: u64) -> Result<u64, BucketError> {
        let there = size.saturating_sub(from);
        let wanted = length.map_or(there, |length| length.min(there));
        if wanted > LONGEST_ANSWER {
            let words =
                format!("{wanted} bytes are more than the 64 MiB that are read at once; read() takes it in pieces");
            return Err(self.error(BucketErrorKind::TooLarge, words));
        }
        Ok(wanted)
    }
}

impl BucketAnswer {
    /// An object's.
    pub fn object(info: ObjectInfo, bytes: Vec<u8>) -> Self {
        Self { reply: BucketReply { object: Some(info), ..BucketReply::default() }, bytes }
    }

    /// A listing's.
    pub fn page(page: BucketPage) -> Self {
        Self { reply: BucketReply { page: Some(page), ..BucketReply::default() }, bytes: Vec::new() }
    }

    /// A text.
    pub fn text(text: String) -> Self {
        Self { reply: BucketReply { text: Some(text), ..BucketReply::default() }, bytes: Vec::new() }
    }

    /// As it crosses the border: the length of the JSON, the JSON, the bytes.
    pub fn write(&self) -> Vec<u8> {
        // Texts and numbers alone: it cannot fail, and has no 4 GiB.
        let json = serde_json::to_vec(&self.reply).unwrap_or_default();
        let mut all = Vec::with_capacity(4 + json.len() + self.bytes.len());
        all.extend_from_slice(&(json.len() as u32).to_le_bytes());
        all.extend_from_slice(&json);
        all.extend_from_slice(&self.bytes);
        all
    }

    /// What `write` wrote.
    pub fn read(all: &[u8]) -> Option<Self> {
        let (length, rest) = all.split_first_chunk::<4>()?;
        let (json, bytes) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self { reply: serde_json::from_slice(json).ok()?, bytes: bytes.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_crosses_the_border_as_it_is_and_half_of_one_does_not() {
        let info = ObjectInfo { key: "a\n/ü".to_owned(), size: 3, tag: "t".to_owned() };
        let page = BucketPage { objects: vec![info.clone()], next: Some("b".to_owned()) };
        let all = [
            BucketAnswer::default(),
            BucketAnswer::object(info, vec![0, 255, 10]),
            BucketAnswer::page(page),
            BucketAnswer::text("file:///a".to_owned()),
        ];
        for answer in all {
            let written = answer.write();
            assert_eq!(BucketAnswer::read(&written), Some(answer.clone()));
            let json = written.len() - answer.bytes.len();
            assert!((0..json).all(|end| BucketAnswer::read(&written[..end]).is_none()), "{answer:?}");
        }
        assert_eq!(BucketAnswer::read(&[255, 255, 255, 255, b'{', b'}']), None);
    }

    #[test]
    fn a_range_ends_with_its_object_and_no_answer_is_larger_than_64_mib() {
        let ask = BucketAsk { bucket: "images".to_owned(), key: "a".to_owned(), act: BucketAct::Head };
        let (kib, most) = (1 << 10, LONGEST_ANSWER);
        for (from, length, size, wanted) in [
            (0, None, kib, Some(kib)),
            (0, None, 0, Some(0)),
            (1000, None, kib, Some(24)),
            (1000, Some(10), kib, Some(10)),
            (1000, Some(100), kib, Some(24)),
            (kib, Some(1), kib, Some(0)),
            (u64::MAX, Some(u64::MAX), kib, Some(0)),
            (0, None, most, Some(most)),
            (0, None, most + 1, None),
            (1, None, most + 1, Some(most)),
            (0, Some(u64::MAX), most + 1, None),
        ] {
            let got = ask.length_of(from, length, size);
            assert_eq!(got.as_ref().ok().copied(), wanted, "{from} {length:?} of {size}");
            assert!(got.err().is_none_or(|error| error.kind() == BucketErrorKind::TooLarge));
        }
    }
}
