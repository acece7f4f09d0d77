//! A task of each bucket: listings are compared, of the master with what is known, and of each copy with that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use data::CatalogChange;
use data::catalog::BucketHold;
use data::check::CONFLICTS_BUCKET;
use data::compare::{self, MasterFinding, ReplicaFinding, ReplicaView, SeenObject};
use data::guard;
use data::settings::DeletesRule;
use futures_util::StreamExt as _;
use storage::{ObjectStore, StorageError};
use store::DatabaseError;
use tokio::time::Instant;

use super::windows::{Window, Windows};
use super::{Job, Stopped, complain, identity, is_up, moving, removal, trouble};
use crate::clock;
use crate::core::Core;
use crate::ledger::KeptConflict;

/// After a comparison that did not come off.
const AGAIN: Duration = Duration::from_secs(2);

/// Compares listings as often as the bucket's settings say, and whenever somebody wants it.
pub(crate) async fn follow(core: Arc<Core>, bucket: String) {
    let pulse = core.pulse(&bucket);
    let mut news = core.news();
    let (mut next, mut leaving) = (Instant::now(), BTreeMap::new());
    loop {
        if pulse.take_audit() || next <= Instant::now() {
            let number = pulse.begin();
            let audited = audit(&core, &bucket).await;
            if let Err(error) = tell(&core, &bucket, &audited).await {
                complain("the catalog cannot be written", &error);
            }
            let pause = match audited {
                Ok(()) => Duration::from_millis(
                    core.catalog().settings.buckets.get(&bucket).map_or(60_000, |bucket| bucket.audit()),
                ),
                Err(Stopped::Ledger(error)) => {
                    complain("the catalog cannot be written", &error);
                    AGAIN
                }
                Err(_) => AGAIN,
            };
            next = Instant::now() + pause;
            pulse.audits.send_replace(number);
        }
        // What depends on copies being whole: the end of old copies, and masters that move.
        let followed = async {
            moving::go_on(&core, &bucket).await?;
            removal::go_on(&core, &bucket, &mut leaving).await
        };
        let removal = match followed.await {
            Ok(due) => due,
            Err(Stopped::Ledger(error)) => {
                complain("the catalog cannot be written", &error);
                None
            }
            Err(_) => None,
        };
        tokio::select! {
            () = pulse.audit.notified() => {}
            // The end of the server ends this task, too.
            _changed = news.changed() => {}
            () = tokio::time::sleep_until(removal.map_or(next, |due| due.min(next))) => {}
        }
    }
}

/// Notes why the master could not be listed, or that it could. What waits says nothing of it.
async fn tell(core: &Arc<Core>, bucket: &str, audited: &Result<(), Stopped>) -> Result<(), DatabaseError> {
    let trouble = match audited {
        Ok(()) => None,
        Err(Stopped::Store(error)) => Some(words(error)),
        Err(_) => return Ok(()),
    };
    core.change(CatalogChange::MasterTroubled { bucket: bucket.to_owned(), trouble }).await.map(drop)
}

/// Compares all listings of a bucket once.
pub(crate) async fn audit(core: &Arc<Core>, bucket: &str) -> Result<(), Stopped> {
    let job = Job::of(core, bucket)?;
    same_store(core, &job).await?;
    of_master(core, &job).await?;
    // Those that are to have every change, as the catalog has them now.
    let job = Job::of(core, bucket)?;
    let copies = job.copies().into_iter().map(|store| {
        let (core, job) = (core, &job);
        async move {
            match of_copy(core, job, &store).await {
                Ok(()) => Ok(()),
                Err(Stopped::Store(error)) => Ok(trouble(core, &job.name, &store, Some(words(&error))).await?),
                Err(Stopped::Wait(_)) => Ok(()),
                Err(error) => Err(error),
            }
        }
    });
    let done: Vec<Result<(), Stopped>> = futures_util::future::join_all(copies).await;
    core.ledger.forget_deletions(clock::now()).await?;
    done.into_iter().collect()
}

/// Whether the master answers, and is the store that it was. Asked before a listing is begun, and again before what it lacks is
/// held against it: a disk may go, or be another one, in the midst of it.
async fn same_store(core: &Arc<Core>, job: &Job) -> Result<(), Stopped> {
    job.source.answers().await?;
    match identity::check(core, &job.settings.master).await? {
        true => Ok(()),
        false => Err(Stopped::Wait("the master is another store".to_owned())),
    }
}

/// A store's error with what mends it.
pub(crate) fn words(error: &StorageError) -> String {
    error.hint().map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}"))
}

async fn of_master(core: &Arc<Core>, job: &Job) -> Result<(), Stopped> {
    let bucket = job.name.clone();
    let hold = |hold: BucketHold| core.change(CatalogChange::Held { bucket: bucket.clone(), hold });
    if !job.source.has_bucket(job.at_master()).await? {
        if job.record.is_seen {
            same_store(core, job).await?;
            hold(BucketHold::NoBucket).await?;
            return Err(Stopped::Wait("the bucket is not at its master".to_owned()));
        }
        job.source.make_bucket(job.at_master()).await?;
    }
    core.change(CatalogChange::BucketSeen { bucket: bucket.clone() }).await?;
    let (known, _) = core.ledger.size(&bucket).await?;
    let mut windows = Windows::new(&core.ledger, &job.source, &bucket, job.at_master());
    let mut gone = Vec::new();
    while let Some(Window { known, seen, .. }) = windows.next().await? {
        let findings = compare::master(&known, &seen);
        let (changed, lost): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| matches!(finding, MasterFinding::Changed(_)));
        gone.extend(lost);
        if core.ledger.note(&bucket, job.copies(), changed, clock::now()).await?.is_some() {
            core.pulse(&bucket).work();
        }
    }
    // Only a listing that came to its end says that something is gone.
    let count = gone.len() as u64;
    if guard::is_too_much(count, known, job.settings.guard()) && !job.record.is_released {
        same_store(core, job).await?;
        hold(BucketHold::Deletions { gone: count, known }).await?;
        return Err(Stopped::Wait("too much is gone".to_owned()));
    }
    // Once more at the very last: a disk that was replaced while it was listed.
    if count > 0 && !identity::check(core, &job.settings.master).await? {
        return Err(Stopped::Wait("the master is another store".to_owned()));
    }
    if core.ledger.note(&bucket, job.copies(), gone, clock::now()).await?.is_some() {
        core.pulse(&bucket).work();
    }
    let (objects, bytes) = core.ledger.size(&bucket).await?;
    core.change(CatalogChange::ReleaseUsed { bucket: bucket.clone() }).await?;
    core.change(CatalogChange::Counted { bucket, objects, bytes }).await?;
    Ok(())
}

async fn of_copy(core: &Arc<Core>, job: &Job, store: &str) -> Result<(), Stopped> {
    if !is_up(&core.catalog(), store) {
        return Err(Stopped::Wait("it is away".to_owned()));
    }
    let copy = core.store(store).ok_or_else(|| Stopped::Wait("it is not there".to_owned()))?.get()?;
    let name = job.settings.name_at(store, &job.name).to_owned();
    adopt(core, job, store, &copy, &name).await?;
    let head = core.ledger.counts().await?.get(&job.name).map_or(0, |count| count.head);
    let mut windows = Windows::new(&core.ledger, &copy, &job.name, &name);
    let (mut lacking, mut is_pending) = (0, false);
    while let Some(Window { after, until, known, seen }) = windows.next().await? {
        let pending = core.ledger.pending(&job.name, store, &after, until.as_deref()).await?;
        let tags = core.ledger.tags(&job.name, store, &after, until.as_deref()).await?;
        let findings = {
            let wants = |key: &str| job.settings.wants(key);
            let keeps = job.settings.deletes == DeletesRule::Keep;
            let view = ReplicaView { tags: &tags, pending: &pending, wants: &wants, keeps };
            compare::replica(&known, &seen, &view)
        };
        is_pending |= !pending.is_empty();
        let mut keys = Vec::with_capacity(findings.len());
        for finding in findings {
            match finding {
                ReplicaFinding::Lacks(key) | ReplicaFinding::Surplus(key) => keys.push(key),
                ReplicaFinding::Foreign(seen) => {
                    put_aside(core, job, store, &copy, &name, &seen).await?;
                    keys.push(seen.key);
                }
            }
        }
        lacking += keys.len();
        core.ledger.lacks(&job.name, store, keys).await?;
    }
    let (bucket, store) = (job.name.clone(), store.to_owned());
    if lacking > 0 {
        core.pulse(&bucket).work();
        core.change(CatalogChange::Differs { bucket, store }).await?;
    } else if !is_pending {
        core.change(CatalogChange::Compared { bucket, store, seq: head }).await?;
    }
    Ok(())
}

/// Makes the bucket of a copy, or takes one over that is empty, ours, or to be adopted.
async fn adopt(core: &Arc<Core>, job: &Job, store: &str, copy: &ObjectStore, name: &str) -> Result<(), Stopped> {
    let is_ours = job.record.replicas.get(store).is_some_and(|replica| replica.is_ours);
    let is_there = copy.has_bucket(name).await?;
    if is_there && !is_ours && !job.settings.adopt && !copy.list(name, "", "").await?.objects.is_empty() {
        let why = format!(
            "the bucket {name} at {store} has objects that are not ours; set `names.{store}` to another name, or `adopt = true` to keep them aside"
        );
        trouble(core, &job.name, store, Some(why.clone())).await?;
        return Err(Stopped::Wait(why));
    }
    if !is_there {
        copy.make_bucket(name).await?;
    }
    core.change(CatalogChange::Adopted { bucket: job.name.clone(), store: store.to_owned() }).await?;
    if !is_ours {
        // What it lacks was noted before it could be written to.
        core.pulse(&job.name).work();
    }
    Ok(())
}

/// Keeps an object that somebody wrote into a copy, at the same store.
pub(crate) async fn put_aside(
    core: &Arc<Core>,
    job: &Job,
    store: &str,
    copy: &ObjectStore,
    name: &str,
    seen: &SeenObject,
) -> Result<(), Stopped> {
    let body = match copy.get(name, &seen.key, None, Some(&seen.etag)).await {
        Ok(body) => body,
        // It is another one already: the next comparison sees it.
        Err(StorageError::NoObject | StorageError::Changed) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let kept = format!("{}/{}/{}", job.name, seen.key, seen.etag);
    let headers = body.head.headers.clone();
    let pieces = body.bytes.map(|piece: Result<Bytes, StorageError>| piece);
    copy.make_bucket(CONFLICTS_BUCKET).await?;
    storage::write(copy, CONFLICTS_BUCKET, &kept, &headers, pieces).await?;
    let conflict = KeptConflict {
        at: clock::now(),
        bucket: job.name.clone(),
        store: store.to_owned(),
        key: seen.key.clone(),
        tag: seen.etag.clone(),
        kept,
    };
    Ok(core.ledger.conflict(conflict).await?)
}
