//! Buckets at stores, in a build without them.

use bytes::Bytes;
use dyninka::{BucketAnswer, BucketAsk, BucketError, BucketErrorKind};
use protocol::BucketStores;

use crate::near::NearCopies;

pub(super) async fn answer(
    _: &BucketStores,
    _: Option<NearCopies>,
    ask: &BucketAsk,
    _: Bytes,
    _: &(dyn Fn(&str) + Sync),
) -> Result<BucketAnswer, BucketError> {
    let words = "this dyn was built without stores: cargo feature data";
    Err(ask.error(BucketErrorKind::NotSupported, words))
}
