//! What waits begins: whose turn it is, in the slots that are free.

use std::sync::Arc;
use std::time::Duration;

use store::DatabaseError;
use tokio::sync::mpsc;

use crate::books::{Accepted, Beginning, Claimed, Moved, NewJob};
use crate::core::Core;
use crate::run::{self, Begun};
use crate::slots::Slot;

/// What the dispatcher is told.
#[derive(Debug)]
pub(crate) enum Nudge {
    /// A tenant has a job that may begin, now or when its time comes.
    Queued { tenant: String, due: Option<i64> },
    /// A slot is free again, or a service has room: runs ended, or functions that had gone on for nobody.
    Room,
    /// Limits changed.
    Limits,
}

/// How long the store is left alone after it failed.
const STORE_REST: Duration = Duration::from_millis(200);

/// Goes on with what was under way when the server before ended. To be called before anything else begins.
pub(crate) fn adopt(core: &Arc<Core>, adopted: Vec<Claimed>) {
    limit(core);
    for claimed in adopted {
        let slot = core.slots.adopt(&claimed.record.tenant, &claimed.record.service);
        begin(core, claimed, slot, Begun::Before);
    }
}

/// Begins what waits, until the server ends.
pub(crate) async fn dispatch(core: Arc<Core>, mut nudges: mpsc::UnboundedReceiver<Nudge>) {
    // When the next job's time comes.
    let mut next = Some(0);
    // Jobs that were queued before this start are known once the store said whose they are.
    let mut is_known = false;
    loop {
        if !is_known {
            match core.books.ready().await {
                Ok(tenants) => {
                    tenants.iter().for_each(|tenant| core.slots.wake(tenant));
                    is_known = true;
                }
                Err(_) => tokio::time::sleep(STORE_REST).await,
            }
        }
        while let Ok(nudge) = nudges.try_recv() {
            hear(&core, nudge, &mut next);
        }
        if next.is_some_and(|due| due <= core.clock.now()) {
            match core.books.wake(core.clock.now()).await {
                Ok((tenants, due)) => {
                    tenants.iter().for_each(|tenant| core.slots.wake(tenant));
                    next = due;
                }
                Err(_) => tokio::time::sleep(STORE_REST).await,
            }
        }
        let workers = core.config().settings.workers;
        let picked: Vec<Slot> = std::iter::from_fn(|| core.slots.take(workers)).collect();
        if !picked.is_empty() {
            claim(&core, picked).await;
            continue;
        }
        let wait = match is_known {
            true => next.map_or(Duration::from_secs(3_600), |due| core.clock.until(due)),
            false => Duration::ZERO,
        };
        tokio::select! {
            nudge = nudges.recv() => match nudge {
                Some(nudge) => hear(&core, nudge, &mut next),
                None => return,
            },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn hear(core: &Core, nudge: Nudge, next: &mut Option<i64>) {
    match nudge {
        Nudge::Queued { tenant, due: None } => core.slots.wake(&tenant),
        // One whose time is near may have been kept as waiting: the store says when it is not.
        Nudge::Queued { due: Some(at), .. } => *next = Some(next.map_or(at, |due| due.min(at))),
        Nudge::Room => core.slots.wake_held(),
        Nudge::Limits => {
            limit(core);
            core.slots.wake_held();
        }
    }
}

fn limit(core: &Core) {
    core.slots.limit(&core.config().settings.tenant, &core.tenants.read());
}

/// Begins the next job of the tenant of each slot.
async fn claim(core: &Arc<Core>, picked: Vec<Slot>) {
    let tenants = picked.iter().map(|slot| slot.tenant.clone()).collect();
    let room = core.slots.room(core);
    let has_bounds = !room.is_empty();
    let now = core.clock.now();
    let begun = Beginning { holder: core.holder.clone(), epochs: core.hosts.epochs(), room };
    let Ok(claimed) = core.books.claim(tenants, now, begun).await else {
        // The store does not take it now. Nothing was begun, and nothing is lost.
        picked.into_iter().for_each(|slot| core.slots.give_back(slot));
        return tokio::time::sleep(STORE_REST).await;
    };
    let mut moved = Vec::new();
    for (slot, claimed) in picked.into_iter().zip(claimed) {
        let Some(claimed) = claimed else {
            core.slots.sleep(&slot.tenant, has_bounds);
            core.slots.give_back(slot);
            continue;
        };
        moved.push(claimed.moved.clone());
        begin(core, claimed, slot, Begun::Now);
    }
    core.moved(&moved);
}

/// Runs an attempt in a slot. An adopted one has its service already.
fn begin(core: &Arc<Core>, claimed: Claimed, slot: Slot, begun: Begun) {
    let record = &claimed.record;
    let slot = match begun {
        Begun::Now => {
            let waited = core.clock.now().saturating_sub(record.run_at);
            core.waits.note(&record.tenant, waited);
            core.metrics.wait.note(Duration::from_millis(u64::try_from(waited).unwrap_or(0)));
            core.slots.begin(slot, &record.service)
        }
        Begun::Before => slot,
    };
    let core = core.clone();
    tokio::spawn(async move {
        let took = run::run(&core, claimed, begun).await;
        core.slots.end(slot, took);
        // Refused only at the end of the server.
        drop(core.nudges.send(Nudge::Room));
    });
}

/// Keeps jobs of a tenant that were let in; what did not come to a new job is given back.
///
/// Those that find a free slot while it is their tenant's turn begin in the commit that accepts them: what is asked for on an idle
/// server waits for one sync of the disk before it runs, and not for two.
pub(crate) async fn keep(core: &Arc<Core>, tenant: &str, jobs: Vec<NewJob>) -> Result<Vec<Accepted>, DatabaseError> {
    // A task of its own: the client may go away meanwhile, and its job has to be begun all the same.
    let kept = tokio::spawn(keep_and_begin(core.clone(), tenant.to_owned(), jobs));
    kept.await.unwrap_or_else(|error| Err(DatabaseError::Failed(error.to_string())))
}

async fn keep_and_begin(core: Arc<Core>, tenant: String, jobs: Vec<NewJob>) -> Result<Vec<Accepted>, DatabaseError> {
    let (now, count) = (core.clock.now(), jobs.len() as u64);
    let ready = jobs.iter().filter(|job| job.record.run_at <= now).count();
    let config = core.config();
    let slots = core.slots.take_for(&tenant, ready, config.settings.workers);
    let kept = match slots.len() {
        0 => core.books.accept(jobs, now).await.map(|accepted| (accepted, Vec::new())),
        slots => {
            // Services with a bound are the dispatcher's, who alone counts what runs of them.
            let bounded = config.targets.iter().filter(|(_, target)| target.parallel.is_some());
            let room = bounded.map(|(service, _)| (service.clone(), 0)).collect();
            let begun = Beginning { holder: core.holder.clone(), epochs: core.hosts.epochs(), room };
            core.books.accept_and_begin(jobs, now, (tenant.clone(), slots), begun).await
        }
    };
    let (accepted, claimed) = match kept {
        Ok(kept) => kept,
        Err(error) => {
            slots.into_iter().for_each(|slot| core.slots.give_back(slot));
            core.give_back(&tenant, count);
            return Err(error);
        }
    };
    let new = |accepted: &Accepted| match accepted {
        Accepted::New(moved) => Some(moved.clone()),
        Accepted::Replayed(_) | Accepted::Conflict => None,
    };
    let mut moved: Vec<Moved> = accepted.iter().filter_map(new).collect();
    core.give_back(&tenant, count - moved.len() as u64);
    if moved.iter().filter(|moved| moved.due.is_none()).count() <= claimed.len() {
        // None of them is left for the dispatcher. What waited before, it knows of.
        moved.retain(|moved| moved.due.is_some());
    }
    moved.extend(claimed.iter().map(|claimed| claimed.moved.clone()));
    core.moved(&moved);
    let mut slots = slots.into_iter();
    for (claimed, slot) in claimed.into_iter().zip(slots.by_ref()) {
        begin(&core, claimed, slot, Begun::Now);
    }
    let left: Vec<Slot> = slots.collect();
    if !left.is_empty() {
        left.into_iter().for_each(|slot| core.slots.give_back(slot));
        // Others may have been kept waiting by them. Refused only at the end of the server.
        drop(core.nudges.send(Nudge::Room));
    }
    Ok(accepted)
}
