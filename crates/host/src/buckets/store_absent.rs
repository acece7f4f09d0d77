//! Buckets at stores, in a build without them.

use bytes::Bytes;
use dyninka::{BucketAnswer, BucketAsk, BucketError, BucketErrorKind};
use protocol::BucketStores;

pub(super) async fn answer(_: &BucketStores, ask: &BucketAsk, _: Bytes) -> Result<BucketAnswer, BucketError> {
    let words = "this dyn was built without stores: cargo feature data";
    Err(ask.error(BucketErrorKind::NotSupported, words))
}
