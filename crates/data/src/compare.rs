//! What is to be done, by what was listed. Listings and what is known come in windows of keys, both in order.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Versions before the last by which a copy is still known as ours.
pub const REMEMBERED: usize = 3;

/// An object, as it was last seen at the master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownObject {
    pub key: String,
    pub seq: u64,
    pub etag: String,
    pub size: u64,
    /// It is not there any more.
    pub is_gone: bool,
    /// Tags of versions before, the latest first.
    pub before: Vec<String>,
}

impl KnownObject {
    /// The object after another version was seen.
    #[must_use]
    pub fn changed(&self, seq: u64, etag: &str, size: u64) -> Self {
        let mut before = self.before.clone();
        if !self.etag.is_empty() && self.etag != etag {
            before.insert(0, self.etag.clone());
        }
        before.truncate(REMEMBERED);
        Self { key: self.key.clone(), seq, etag: etag.to_owned(), size, is_gone: false, before }
    }

    /// The object after it was seen to be gone.
    #[must_use]
    pub fn gone(&self, seq: u64) -> Self {
        let mut before = self.before.clone();
        before.insert(0, self.etag.clone());
        before.truncate(REMEMBERED);
        Self { key: self.key.clone(), seq, etag: String::new(), size: 0, is_gone: true, before }
    }

    /// Whether an object with this tag is a version of it.
    pub fn is_version(&self, etag: &str) -> bool {
        (!self.is_gone && self.etag == etag) || self.before.iter().any(|before| before == etag)
    }
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenObject {
    pub key: String,
    pub etag: String,
    pub size: u64,
}

/// A difference between what is known and the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterFinding {
    /// New, or another version.
    Changed(SeenObject),
    Gone(String),
}

/// A difference between what is known and a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaFinding {
    /// It lacks the object, or has another version of ours.
    Lacks(String),
    /// It has one of ours that is to go.
    Surplus(String),
    /// Somebody else wrote it. Where it stands in the way of one of ours, that is copied again.
    Foreign(SeenObject),
}

/// Tags under which copies are kept at a replica whose store does not keep that of the original: key to the tag of the
/// copy and that of the original.
pub type CopyTags = BTreeMap<String, (String, String)>;

/// Pairs two windows of keys, both in order.
fn pairs<'a>(
    known: &'a [KnownObject],
    seen: &'a [SeenObject],
) -> impl Iterator<Item = (Option<&'a KnownObject>, Option<&'a SeenObject>)> {
    let (mut known, mut seen) = (known.iter().peekable(), seen.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (known.peek(), seen.peek()) {
            (Some(known), Some(seen)) => known.key.as_bytes().cmp(seen.key.as_bytes()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        Some(match order {
            Ordering::Less => (known.next(), None),
            Ordering::Greater => (None, seen.next()),
            Ordering::Equal => (known.next(), seen.next()),
        })
    })
}

/// Compares a window of the master's listing with what is known.
pub fn master(known: &[KnownObject], seen: &[SeenObject]) -> Vec<MasterFinding> {
    let finding = |(known, seen): (Option<&KnownObject>, Option<&SeenObject>)| match (known, seen) {
        (Some(known), None) => (!known.is_gone).then(|| MasterFinding::Gone(known.key.clone())),
        (known, Some(seen)) => {
            let is_same =
                known.is_some_and(|known| !known.is_gone && known.etag == seen.etag && known.size == seen.size);
            (!is_same).then(|| MasterFinding::Changed(seen.clone()))
        }
        (None, None) => None,
    };
    pairs(known, seen).filter_map(finding).collect()
}

/// How a replica is to be read.
pub struct ReplicaView<'a> {
    pub tags: &'a CopyTags,
    /// Keys that are being worked on: they are passed over.
    pub pending: &'a BTreeSet<String>,
    /// Whether a key is copied at all.
    pub wants: &'a dyn Fn(&str) -> bool,
    /// Copies of what was deleted stay.
    pub keeps: bool,
}

/// Compares a window of a replica's listing with what is known.
pub fn replica(known: &[KnownObject], seen: &[SeenObject], view: &ReplicaView<'_>) -> Vec<ReplicaFinding> {
    let finding = |(known, seen): (Option<&KnownObject>, Option<&SeenObject>)| {
        let key = known.map(|known| &known.key).or_else(|| seen.map(|seen| &seen.key))?;
        if view.pending.contains(key) {
            return None;
        }
        let wanted = known.filter(|known| !known.is_gone && (view.wants)(key));
        match (known, seen) {
            (_, None) => wanted.map(|_| ReplicaFinding::Lacks(key.clone())),
            (known, Some(seen)) => {
                let tags = view.tags.get(key).filter(|(copy, _)| *copy == seen.etag);
                let is_ours = known.is_some_and(|known| known.is_version(&seen.etag)) || tags.is_some();
                if !is_ours {
                    return Some(ReplicaFinding::Foreign(seen.clone()));
                }
                match wanted {
                    Some(known) => {
                        let is_last = seen.etag == known.etag || tags.is_some_and(|(_, of)| *of == known.etag);
                        (!is_last || seen.size != known.size).then(|| ReplicaFinding::Lacks(key.clone()))
                    }
                    None if view.keeps && known.is_some_and(|known| known.is_gone) => None,
                    None => Some(ReplicaFinding::Surplus(key.clone())),
                }
            }
        }
    };
    pairs(known, seen).filter_map(finding).collect()
}
