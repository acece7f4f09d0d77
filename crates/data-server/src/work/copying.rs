//! A task of each copy: keys are brought to what they are at the master now.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use data::compare::SeenObject;
use data::settings::DeletesRule;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use storage::{CopyAsk, ObjectStore, StorageError, copy};
use store::DatabaseError;
use tokio::sync::watch;

use super::audit::words;
use super::{Job, Stopped, complain, is_up, trouble};
use crate::clock;
use crate::core::{Core, StoreHandle};
use crate::ledger::{CopiedKey, DueKey, Uploads};

/// Objects under way of one copy: those that are copied, which the store's permits bound, and those whose copy is being noted.
const AT_ONCE: usize = 32;
/// Keys that are asked for at once: each question looks at all that is lacking.
const BATCH: usize = 1_024;
/// Between two looks where nothing came.
const LOOK: Duration = Duration::from_millis(500);
/// Between two tries where a store is at fault: from the first to the longest.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// Of a store that refuses: it is asked no more often.
const REFUSED: Duration = Duration::from_secs(5);

/// What became of a key.
enum Made {
    Done,
    /// It is looked at, or tried, again.
    Again,
    /// A store is at fault.
    Stop(StorageError),
}

/// Copies what is lacking, as long as there is such a copy.
pub(crate) async fn follow(core: Arc<Core>, bucket: String, store: String) {
    let mut work = core.pulse(&bucket).work.subscribe();
    let mut pause = AGAIN.0;
    let mut has_trouble = false;
    loop {
        work.borrow_and_update();
        let stopped = match round(&core, &bucket, &store, &mut work).await {
            Ok(true) => {
                pause = AGAIN.0;
                if std::mem::take(&mut has_trouble)
                    && let Err(error) = trouble(&core, &bucket, &store, None).await
                {
                    complain("the catalog cannot be written", &error);
                }
                continue;
            }
            Ok(false) | Err(Stopped::Wait(_)) => {
                // The end of the server ends this task, too.
                let _more = tokio::time::timeout(LOOK, work.changed()).await;
                continue;
            }
            Err(error) => error,
        };
        let is_refused = matches!(stopped, Stopped::Store(StorageError::Refused { .. }));
        let said = match &stopped {
            Stopped::Store(error) => words(error),
            other => other.to_string(),
        };
        has_trouble = true;
        if let Err(error) = trouble(&core, &bucket, &store, Some(said)).await {
            complain("the catalog cannot be written", &error);
        }
        tokio::time::sleep(if is_refused { REFUSED } else { pause }).await;
        pause = (pause * 2).min(AGAIN.1);
        // A bucket that is gone at one of the two is a matter of the comparison.
        core.pulse(&bucket).want_audit();
    }
}

/// Copies all that is due. Whether there was anything.
async fn round(core: &Arc<Core>, bucket: &str, store: &str, work: &mut watch::Receiver<u64>) -> Result<bool, Stopped> {
    let mut running = FuturesUnordered::new();
    let mut keys: BTreeSet<String> = BTreeSet::new();
    let (mut queue, mut is_news): (VecDeque<DueKey>, bool) = (VecDeque::new(), true);
    let (mut made_any, mut stop) = (false, None);
    loop {
        let has_room = stop.is_none() && keys.len() < AT_ONCE;
        // Where nothing waits, the ledger is not asked for each that ends.
        if has_room && (is_news || !queue.is_empty() || keys.len() <= AT_ONCE / 2) {
            let (job, copy) = ready(core, bucket, store)?;
            if std::mem::take(&mut is_news) || queue.is_empty() {
                let due = core.ledger.due(bucket, store, clock::now(), BATCH).await?;
                queue = due.into_iter().filter(|due| !keys.contains(&due.key)).collect();
            }
            let (job, copy) = (Arc::new(job), Arc::new(copy));
            let fresh = queue.len().min(AT_ONCE - keys.len());
            for due in queue.drain(..fresh) {
                keys.insert(due.key.clone());
                running.push(one(core.clone(), job.clone(), copy.clone(), store.to_owned(), due));
            }
        }
        if running.is_empty() {
            break;
        }
        let (key, made) = tokio::select! {
            Some(ended) = running.next() => ended,
            // Something new does not wait for a large object that is under way.
            Ok(()) = work.changed(), if has_room => {
                is_news = true;
                continue;
            }
        };
        keys.remove(&key);
        match made? {
            Made::Done => made_any = true,
            Made::Again => {}
            Made::Stop(error) => stop = Some(error),
        }
    }
    match stop {
        Some(error) => Err(error.into()),
        None => Ok(made_any),
    }
}

/// The bucket and the store of the copy, where there may be work.
fn ready(core: &Core, bucket: &str, store: &str) -> Result<(Job, StoreHandle), Stopped> {
    let wait = |why: &str| Stopped::Wait(why.to_owned());
    let job = Job::of(core, bucket)?;
    let replica = job.record.replicas.get(store).ok_or_else(|| wait("there is no such copy"))?;
    if replica.is_leaving || !replica.is_ours || !is_up(&core.catalog(), store) {
        return Err(wait("not now"));
    }
    let copy = core.store(store).ok_or_else(|| wait("it is not there"))?;
    Ok((job, copy))
}

async fn one(
    core: Arc<Core>,
    job: Arc<Job>,
    to: Arc<StoreHandle>,
    store: String,
    due: DueKey,
) -> (String, Result<Made, Stopped>) {
    let key = due.key.clone();
    let made = bring(&core, &job, &to, &store, &due).await;
    let made = match made {
        Ok(made) => Ok(made),
        Err(Stopped::Store(error)) => failed(&core, &job, &store, &due, error).await,
        Err(error) => Err(error),
    };
    (key, made)
}

/// Brings a key to what it is at the master.
async fn bring(core: &Arc<Core>, job: &Job, to: &StoreHandle, store: &str, due: &DueKey) -> Result<Made, Stopped> {
    let target = to.get()?;
    let name = job.settings.name_at(store, &job.name);
    let done = |version| {
        let copied = CopiedKey { bucket: job.name.clone(), store: store.to_owned(), due: due.clone(), version };
        core.ledger.copied(copied, job.copies(), clock::now())
    };
    if !job.settings.wants(&due.key) {
        let _permit = to.permits.acquire().await;
        let_go(&target, name, &due.key).await?;
        done(None).await?;
        return Ok(Made::Done);
    }
    let uploads = Uploads {
        ledger: core.ledger.clone(),
        bucket: job.name.clone(),
        store: store.to_owned(),
        key: due.key.clone(),
    };
    let trusts_tags = job.master.trusts_tags().await;
    let ask = CopyAsk {
        from: &job.source,
        from_bucket: job.at_master(),
        to: &target,
        to_bucket: name,
        key: &due.key,
        trusts_tags,
    };
    // Closed only at the end of the server.
    let permit = to.permits.acquire().await;
    let copied = copy(&ask, &uploads).await;
    // The next is copied while this one is noted.
    drop(permit);
    match copied {
        Ok(copied) => {
            let seen = SeenObject { key: due.key.clone(), etag: copied.head.tag, size: copied.head.size };
            if done(Some((seen, copied.tag))).await? {
                // Others lack it now.
                core.pulse(&job.name).work();
            }
            Ok(Made::Done)
        }
        Err(StorageError::NoObject) => {
            // Deleted only where it was decided that it is gone, which a guard looked at. Else it is looked at.
            let known = core.ledger.object(&job.name, &due.key).await?;
            if known.is_some_and(|known| !known.is_gone) {
                core.pulse(&job.name).hint([due.key.clone()]);
                core.ledger
                    .tried(&job.name, store, due, "it is not at the master".to_owned(), false, clock::now() + 1_000)
                    .await?;
                return Ok(Made::Again);
            }
            if job.settings.deletes == DeletesRule::Follow {
                let_go(&target, name, &due.key).await?;
            }
            done(None).await?;
            Ok(Made::Done)
        }
        // Credentials that may not write meet it at objects that are not there as well.
        Err(StorageError::Refused { code, .. })
            if code == DENIED && matches!(target.head(name, &due.key).await, Ok(Some(_))) =>
        {
            Err(kept(&code).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A refusal that may be of one object alone.
const DENIED: &str = "AccessDenied";

/// Deletes an object at a copy.
async fn let_go(target: &ObjectStore, name: &str, key: &str) -> Result<(), StorageError> {
    match target.delete(name, key).await {
        Err(StorageError::Refused { code, .. }) if code == DENIED => Err(kept(&code)),
        deleted => deleted,
    }
}

/// Says that a store does not let go of an object. It is no fault of the store, and the others go on.
fn kept(code: &str) -> StorageError {
    StorageError::Never(format!(
        "the store keeps it: {code}, as of a lock or of credentials that may not delete; `dyn data resume` tries again"
    ))
}

/// Notes why a key was not copied.
async fn failed(core: &Arc<Core>, job: &Job, store: &str, due: &DueKey, error: StorageError) -> Result<Made, Stopped> {
    if error.is_of_store() {
        return Ok(Made::Stop(error));
    }
    // A version that is gone is no fault of the key.
    let counts = !matches!(error, StorageError::Changed | StorageError::NoUpload);
    let due_at = clock::now() + if counts { 500 } else { 20 };
    let noted: Result<(), DatabaseError> =
        core.ledger.tried(&job.name, store, due, error.to_string(), counts, due_at).await;
    noted?;
    Ok(Made::Again)
}
