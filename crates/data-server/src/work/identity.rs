//! Whether a store is the one that it was: an object of ours in it says so.

use std::sync::Arc;

use bytes::Bytes;
use data::CatalogChange;
use data::catalog::BucketHold;
use data::check::OWN_BUCKET;
use storage::{ObjectHeaders, ObjectStore, StorageError};

use super::Stopped;
use crate::core::Core;

const KEY: &str = "identity";

/// The identity of a store; none where it has none.
async fn read(store: &ObjectStore) -> Result<Option<String>, StorageError> {
    match store.get(OWN_BUCKET, KEY, None, None).await {
        Ok(body) => Ok(Some(String::from_utf8_lossy(&body.collect().await?).into_owned())),
        Err(StorageError::NoObject | StorageError::NoBucket(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives a store an identity. None where our key may not.
async fn claim(store: &ObjectStore) -> Result<Option<String>, StorageError> {
    let identity = format!("{:032x}", rand::random::<u128>());
    let made = async {
        store.make_bucket(OWN_BUCKET).await?;
        store.put(OWN_BUCKET, KEY, Bytes::from(identity.clone()), &ObjectHeaders::new()).await
    };
    match made.await {
        Ok(_) => Ok(Some(identity)),
        Err(StorageError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a store is the one that it was. A new one is given an identity; one that lost it holds every bucket whose master
/// it is.
pub(crate) async fn check(core: &Arc<Core>, name: &str) -> Result<bool, Stopped> {
    let store = core.store(name).ok_or_else(|| Stopped::Wait("there is no such store".to_owned()))?.get()?;
    let known = core.catalog().stores.get(name).and_then(|record| record.identity.clone());
    let found = match read(&store).await {
        // A key that may not look there never claimed it either.
        Err(StorageError::Refused { .. }) if known.is_none() => return Ok(true),
        found => found?,
    };
    if known == found && known.is_some() {
        return Ok(true);
    }
    if known.is_none() {
        let identity = match found {
            Some(identity) => Some(identity),
            None => claim(&store).await?,
        };
        if let Some(identity) = identity {
            core.change(CatalogChange::Identified { store: name.to_owned(), identity }).await?;
        }
        return Ok(true);
    }
    let catalog = core.catalog();
    let buckets = catalog.settings.buckets.iter().filter(|(_, bucket)| bucket.master == name);
    for (bucket, _) in buckets {
        core.change(CatalogChange::Held { bucket: bucket.clone(), hold: BucketHold::Identity }).await?;
    }
    Ok(false)
}
