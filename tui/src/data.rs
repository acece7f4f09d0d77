//! Buckets: which are listed, and which is chosen.

use session_api::Snapshot;
use session_api::data::BucketRow;

use crate::model::{Model, matches};

/// The buckets that are listed: those that somebody has to look after first.
pub(crate) fn listed<'a>(model: &Model, snapshot: &'a Snapshot) -> Vec<&'a BucketRow> {
    let buckets = snapshot.data.iter().flat_map(|data| &data.buckets);
    buckets.filter(|bucket| matches(&bucket.name, &model.filter)).collect()
}

/// Where the chosen one stands in that list; unless the user chose, it is the first.
pub(crate) fn chosen(model: &Model, listed: &[&BucketRow]) -> usize {
    listed.iter().position(|bucket| Some(&bucket.name) == model.bucket.as_ref()).unwrap_or(0)
}

/// The chosen bucket.
pub(crate) fn chosen_bucket<'a>(model: &Model, snapshot: &'a Snapshot) -> Option<&'a BucketRow> {
    let listed = listed(model, snapshot);
    listed.get(chosen(model, &listed)).copied()
}
