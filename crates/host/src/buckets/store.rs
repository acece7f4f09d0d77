//! Buckets at stores, by crate `storage`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dyninka::{
    BucketAct, BucketAnswer, BucketAsk, BucketError, BucketErrorKind, BucketFolder, BucketPage, ObjectInfo, PutRule,
};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use protocol::{BucketCopy, BucketHome, BucketStores, StoreAccess, StoreSecret};
use storage::{ObjectHeaders, ObjectStore, PutCondition, S3Access, StorageError, probe};
use tokio::sync::OnceCell;

use super::in_folder;
use crate::near::NearCopies;

/// Bytes of a part of an upload, as the runtime cuts them.
const PART: u64 = 8 << 20;

/// A store that was opened: a host has the same ones for as long as it runs.
#[derive(Clone)]
struct Opened {
    store: ObjectStore,
    /// Whether it keeps each of the two conditions of a put, once that was tried out.
    conditions: Arc<OnceCell<(bool, bool)>>,
}

/// Does what is asked for at a store of the bucket: at these copies, or at those that the environment names. `used` learns
/// the store that it was done at.
pub(super) async fn answer(
    stores: &BucketStores,
    copies: Option<NearCopies>,
    ask: &BucketAsk,
    bytes: Bytes,
    used: &(dyn Fn(&str) + Sync),
) -> Result<BucketAnswer, BucketError> {
    let Some(home) = stores.buckets.get(&ask.bucket) else {
        let known = stores.buckets.keys().cloned().collect::<Vec<_>>().join(", ");
        let words = format!("there is no such bucket in the settings that [data] names; buckets: {known}");
        return Err(ask.error(BucketErrorKind::NotFound, words));
    };
    let copies = copies.unwrap_or_else(|| copies_of(home));
    let is_read =
        matches!(ask.act, BucketAct::Head | BucketAct::Read { .. } | BucketAct::List { .. } | BucketAct::Url { .. });
    if !is_read {
        let answered = at_copy(stores, &copies.writes, ask, bytes).await;
        if answered.is_ok() {
            used(&copies.writes.store);
        }
        return answered;
    }
    let mut answered = Err(ask.error(BucketErrorKind::NotFound, "there is no copy"));
    for copy in &copies.reads {
        answered = at_copy(stores, copy, ask, Bytes::new()).await;
        // The next one may have what this one lacks, and be there where this one's store is away.
        let goes_on = [BucketErrorKind::NotFound, BucketErrorKind::Away];
        if !answered.as_ref().is_err_and(|error| goes_on.contains(&error.kind())) {
            if answered.is_ok() {
                used(&copy.store);
            }
            break;
        }
    }
    answered
}

/// Those that the environment names.
fn copies_of(home: &BucketHome) -> NearCopies {
    let mut reads = vec![home.reads.clone()];
    if home.writes != home.reads {
        reads.push(home.writes.clone());
    }
    NearCopies { reads, writes: home.writes.clone() }
}

async fn at_copy(
    stores: &BucketStores,
    copy: &BucketCopy,
    ask: &BucketAsk,
    bytes: Bytes,
) -> Result<BucketAnswer, BucketError> {
    let Some(access) = stores.stores.get(&copy.store) else {
        return Err(ask.error(BucketErrorKind::Failed, format!("the host is not told of the store {}", copy.store)));
    };
    let opened = open(&copy.store, access).map_err(|error| at_store(ask, &copy.store, &error))?;
    let at = At { ask, copy, opened: &opened };
    match (&ask.act, access) {
        // A folder signs nothing: it is the file's own URL.
        (BucketAct::Url { .. }, StoreAccess::Folder(root)) => {
            let ask = BucketAsk { bucket: copy.name.clone(), ..ask.clone() };
            in_folder(BucketFolder::new(root.clone()), ask, Bytes::new()).await
        }
        (BucketAct::Read { from, length, tag }, _) => at.read(*from, *length, tag.as_deref()).await,
        (BucketAct::Put { rule }, _) => at.put(rule, bytes).await,
        _ => at.other(bytes).await.map_err(|error| at.fault(&error)),
    }
}

fn open(name: &str, access: &StoreAccess) -> Result<Opened, StorageError> {
    let text = |half: &StoreSecret| half.text(|name| std::env::var(name).ok()).map_err(StorageError::Settings);
    static OPENED: Mutex<BTreeMap<String, Opened>> = Mutex::new(BTreeMap::new());
    let mut all = OPENED.lock();
    if let Some(known) = all.get(name) {
        return Ok(known.clone());
    }
    let store = match access {
        StoreAccess::Folder(root) => ObjectStore::folder(root.clone()),
        StoreAccess::S3 { endpoint, region, by_host, ca, key, secret } => ObjectStore::s3(S3Access {
            endpoint: S3Access::endpoint(endpoint)?,
            region: region.clone(),
            by_host: *by_host,
            ca: ca.clone(),
            key: text(key)?,
            secret: text(secret)?,
        })?,
    };
    let fresh = Opened { store, conditions: Arc::default() };
    all.insert(name.to_owned(), fresh.clone());
    Ok(fresh)
}

/// A wish, and the store that it goes to.
struct At<'a> {
    ask: &'a BucketAsk,
    copy: &'a BucketCopy,
    opened: &'a Opened,
}

impl At<'_> {
    fn fault(&self, error: &StorageError) -> BucketError {
        at_store(self.ask, &self.copy.store, error)
    }

    fn info(&self, size: u64, tag: String) -> ObjectInfo {
        ObjectInfo { key: self.ask.key.clone(), size, tag }
    }

    async fn head(&self) -> Result<ObjectInfo, StorageError> {
        let head = self.opened.store.head(&self.copy.name, &self.ask.key).await?;
        head.map(|head| self.info(head.size, head.tag)).ok_or(StorageError::NoObject)
    }

    async fn read(&self, from: u64, length: Option<u64>, tag: Option<&str>) -> Result<BucketAnswer, BucketError> {
        let range = match (from, length) {
            (0, None) => None,
            (from, None) => Some((from, u64::MAX >> 1)),
            (from, Some(length)) => Some((from, from.saturating_add(length).saturating_sub(1))),
        };
        let read = if length == Some(0) { Err(StorageError::Changed) } else { self.bytes(range, tag).await };
        let body = match read {
            Ok(body) => body,
            // A range behind the end, or of no bytes, is refused in ways that differ. It is empty where the version is right.
            Err(error @ (StorageError::Changed | StorageError::Never(_))) if range.is_some() => {
                let info = self.head().await.map_err(|error| self.fault(&error))?;
                let is_right = tag.is_none_or(|tag| tag == info.tag);
                if is_right && (from >= info.size || length == Some(0)) {
                    return Ok(BucketAnswer::object(info, Vec::new()));
                }
                return Err(self.fault(&error));
            }
            Err(error) => return Err(self.fault(&error)),
        };
        let wanted = self.ask.length_of(from, length, body.head.size)?;
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let mut pieces = body.bytes;
        while (bytes.len() as u64) < wanted {
            match pieces.next().await {
                Some(piece) => bytes.extend_from_slice(&piece.map_err(|error| self.fault(&error))?),
                None => {
                    let ended = format!("the connection ended after {} of {wanted} bytes", bytes.len());
                    return Err(self.fault(&StorageError::Away(ended)));
                }
            }
        }
        // A store that gives all where the beginning was asked for.
        bytes.truncate(usize::try_from(wanted).unwrap_or_default());
        Ok(BucketAnswer::object(self.info(body.head.size, body.head.tag), bytes))
    }

    async fn bytes(&self, range: Option<(u64, u64)>, tag: Option<&str>) -> Result<storage::ObjectBody, StorageError> {
        self.opened.store.get(&self.copy.name, &self.ask.key, range, tag).await
    }

    async fn put(&self, rule: &PutRule, bytes: Bytes) -> Result<BucketAnswer, BucketError> {
        let (size, none) = (bytes.len() as u64, ObjectHeaders::new());
        let (store, bucket, key) = (&self.opened.store, self.copy.name.as_str(), self.ask.key.as_str());
        let condition = match rule {
            PutRule::Always => None,
            PutRule::IfAbsent => Some(PutCondition::IfAbsent),
            PutRule::IfMatch(tag) => Some(PutCondition::IfMatch(tag.clone())),
        };
        let put = match condition {
            None => store.put(bucket, key, bytes, &none).await,
            Some(condition) => {
                self.keeps(&condition).await?;
                store.put_when(bucket, key, bytes, &none, &condition).await
            }
        };
        let tag = put.map_err(|error| self.fault(&error))?;
        Ok(BucketAnswer::object(self.info(size, tag), Vec::new()))
    }

    /// Refuses a condition that the store was not seen to keep.
    async fn keeps(&self, condition: &PutCondition) -> Result<(), BucketError> {
        let refused = |why: &str| {
            let words = format!("the store {} {why}, so that a put under a condition is refused", self.copy.store);
            self.ask.error(BucketErrorKind::NotSupported, words)
        };
        // A store that cannot be tried out now may be the next time.
        let tried = self.opened.conditions.get_or_try_init(|| probe::keeps_conditions(&self.opened.store)).await;
        let (absent, matching) = match tried {
            Ok(kept) => *kept,
            Err(error) if error.is_of_store() && !matches!(error, StorageError::Refused { .. }) => {
                return Err(self.fault(&error));
            }
            Err(error) => {
                return Err(refused(&format!("could not be tried out in the bucket dyninka-store ({error})")));
            }
        };
        match condition {
            PutCondition::IfAbsent if !absent => Err(refused("does not keep if-none-match")),
            PutCondition::IfMatch(_) if !matching => Err(refused("does not keep if-match")),
            _ => Ok(()),
        }
    }

    async fn other(&self, bytes: Bytes) -> Result<BucketAnswer, StorageError> {
        let (store, bucket, key) = (&self.opened.store, self.copy.name.as_str(), self.ask.key.as_str());
        Ok(match &self.ask.act {
            BucketAct::Head => BucketAnswer::object(self.head().await?, Vec::new()),
            BucketAct::List { after } => {
                let page = store.list(bucket, key, after).await?;
                let info =
                    |object: storage::ListedObject| ObjectInfo { key: object.key, size: object.size, tag: object.tag };
                BucketAnswer::page(BucketPage {
                    objects: page.objects.into_iter().map(info).collect(),
                    next: page.next,
                })
            }
            BucketAct::Begin => BucketAnswer::text(store.begin(bucket, key, PART, &ObjectHeaders::new()).await?),
            BucketAct::Part { upload, number } => {
                BucketAnswer::text(store.part(bucket, key, upload, *number, bytes).await?)
            }
            BucketAct::Finish { upload, tags, size } => {
                let tag = store.finish(bucket, key, upload, tags).await?;
                BucketAnswer::object(self.info(*size, tag), Vec::new())
            }
            BucketAct::Abort { upload } => {
                store.abort(bucket, key, upload).await?;
                BucketAnswer::default()
            }
            BucketAct::Delete => {
                store.delete(bucket, key).await?;
                BucketAnswer::default()
            }
            BucketAct::Url { seconds } => {
                let url = store.url(bucket, key, Duration::from_secs(*seconds));
                let url = url.ok_or_else(|| StorageError::Never("the store signs no URL of it".to_owned()))?;
                BucketAnswer::text(url.to_string())
            }
            BucketAct::Read { .. } | BucketAct::Put { .. } => {
                return Err(StorageError::Garbled("a wish that is granted elsewhere".to_owned()));
            }
        })
    }
}

/// An error of a store, as the function sees it.
fn at_store(ask: &BucketAsk, store: &str, error: &StorageError) -> BucketError {
    let kind = match error {
        StorageError::NoObject | StorageError::NoBucket(_) | StorageError::NoUpload => BucketErrorKind::NotFound,
        StorageError::Changed => BucketErrorKind::Changed,
        StorageError::Refused { .. } => BucketErrorKind::Forbidden,
        StorageError::Never(_) => BucketErrorKind::Invalid,
        StorageError::Busy | StorageError::Away(_) => BucketErrorKind::Away,
        StorageError::Failing { .. }
        | StorageError::Garbled(_)
        | StorageError::Corrupt(_)
        | StorageError::Settings(_) => BucketErrorKind::Failed,
    };
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    ask.error(kind, format!("{error} (store {store}){hint}"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
