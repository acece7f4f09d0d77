//! Bytes of all copies, read and compared.

use std::sync::Arc;

use futures_util::StreamExt as _;
use serde::Serialize;
use storage::{ObjectStore, StorageError};
use utoipa::ToSchema;

use super::{Job, Stopped, is_up};
use crate::core::Core;

/// What a comparison of bytes found.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Verified {
    /// Copies of objects that were read.
    pub(crate) copies: u64,
    pub(crate) bytes: u64,
    pub(crate) wrong: Vec<WrongCopy>,
}

/// A copy with other bytes than its original.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WrongCopy {
    pub(crate) store: String,
    pub(crate) key: String,
}

/// Reads every object at the master and at each copy. What differs is copied again.
pub(crate) async fn verify(core: &Arc<Core>, bucket: &str) -> Result<Verified, Stopped> {
    let mut found = Verified::default();
    let mut after = String::new();
    loop {
        let job = Job::of(core, bucket)?;
        let known = core.ledger.known(bucket, &after, None, 100).await?;
        let Some(last) = known.last() else { return Ok(found) };
        after.clone_from(&last.key);
        for known in known.iter().filter(|known| !known.is_gone && job.settings.wants(&known.key)) {
            let Some((original, _)) = hash(&job.source, job.at_master(), &known.key, Some(&known.etag)).await? else {
                continue;
            };
            for (store, _) in job.record.replicas.iter().filter(|(_, replica)| !replica.is_leaving && replica.is_ours) {
                if !is_up(&core.catalog(), store) {
                    continue;
                }
                let until = Some(known.key.as_str());
                // A key that is being copied says nothing.
                if core.ledger.pending(bucket, store, "", until).await?.contains(&known.key) {
                    continue;
                }
                let Some(handle) = core.store(store) else { continue };
                let name = job.settings.name_at(store, bucket);
                let copy = hash(&handle.get()?, name, &known.key, None).await?;
                found.copies += 1;
                found.bytes += copy.as_ref().map_or(0, |(_, bytes)| *bytes);
                if copy.is_none_or(|(copy, _)| copy != original) {
                    found.wrong.push(WrongCopy { store: store.clone(), key: known.key.clone() });
                    core.ledger.lacks(bucket, store, vec![known.key.clone()]).await?;
                    core.pulse(bucket).work();
                }
            }
        }
    }
}

/// The hash of an object's bytes, and their number; none where it is gone or another version.
async fn hash(
    store: &ObjectStore,
    bucket: &str,
    key: &str,
    tag: Option<&str>,
) -> Result<Option<(blake3::Hash, u64)>, StorageError> {
    let mut body = match store.get(bucket, key, None, tag).await {
        Ok(body) => body,
        Err(StorageError::NoObject | StorageError::Changed) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
    while let Some(piece) = body.bytes.next().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        hasher.update(&piece);
    }
    Ok(Some((hasher.finalize(), bytes)))
}
