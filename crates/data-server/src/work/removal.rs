//! Copies that are to go: once all others are whole, ours are deleted, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use data::CatalogChange;
use data::catalog::ReplicaRecord;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use storage::StorageError;
use tokio::time::Instant;

use super::audit::{put_aside, words};
use super::windows::{Window, Windows};
use super::{Job, Stopped, is_up, trouble};
use crate::core::Core;

/// Objects that are deleted at a time.
const AT_ONCE: usize = 16;

/// Between the word that a copy is to go and its end: who was told of it before may still be on the way to it.
const READERS: Duration = Duration::from_secs(2);

/// Removes every leaving copy of a bucket that may go, and that nobody was told of for a while. `since`: when each might go
/// first. Answers when the next one is due.
pub(crate) async fn go_on(
    core: &Arc<Core>,
    bucket: &str,
    since: &mut BTreeMap<String, Instant>,
) -> Result<Option<Instant>, Stopped> {
    let (catalog, mut next) = (core.catalog(), None);
    since.retain(|store, _| catalog.may_remove(bucket, store));
    let Some(record) = catalog.buckets.get(bucket) else { return Ok(None) };
    for (store, replica) in record.replicas.iter().filter(|(_, replica)| replica.is_leaving) {
        if !core.catalog().may_remove(bucket, store) || (replica.is_ours && !is_up(&catalog, store)) {
            continue;
        }
        let due = *since.entry(store.clone()).or_insert_with(Instant::now) + READERS;
        if replica.is_ours && Instant::now() < due {
            next = Some(next.map_or(due, |next: Instant| next.min(due)));
            continue;
        }
        match remove(core, bucket, store, replica).await {
            Ok(()) => {
                core.change(CatalogChange::Removed { bucket: bucket.to_owned(), store: store.clone() }).await?;
            }
            Err(Stopped::Store(error)) => trouble(core, bucket, store, Some(words(&error))).await?,
            Err(error) => return Err(error),
        }
    }
    Ok(next)
}

async fn remove(core: &Arc<Core>, bucket: &str, store: &str, replica: &ReplicaRecord) -> Result<(), Stopped> {
    if !replica.is_ours {
        return Ok(());
    }
    let job = Job::of(core, bucket)?;
    let copy = core.store(store).ok_or_else(|| Stopped::Wait("it is not there".to_owned()))?.get()?;
    let name = job.settings.name_at(store, bucket);
    if !copy.has_bucket(name).await? {
        return Ok(());
    }
    let mut windows = Windows::new(&core.ledger, &copy, bucket, name);
    while let Some(Window { after, until, known, seen }) = windows.next().await? {
        let tags = core.ledger.tags(bucket, store, &after, until.as_deref()).await?;
        for seen in &seen {
            let is_ours = known.iter().any(|known| known.key == seen.key && known.is_version(&seen.etag))
                || tags.get(&seen.key).is_some_and(|(copy, _)| *copy == seen.etag);
            if !is_ours {
                put_aside(core, &job, store, &copy, name, seen).await?;
            }
        }
        let deletes = seen.into_iter().map(|seen| {
            let (copy, name) = (copy.clone(), name.to_owned());
            async move { copy.delete(&name, &seen.key).await }
        });
        stream::iter(deletes).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    }
    match copy.remove_bucket(name).await {
        // Somebody wrote into it meanwhile, or may not remove it: an empty bucket is left, or one that is theirs.
        Ok(()) | Err(StorageError::Never(_) | StorageError::Refused { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
