//! Dead letters that are queued again: the first thousand at once, the rest in the background, thousand by thousand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use store::DatabaseError;
use utoipa::ToSchema;

use crate::core::Core;

/// Jobs of one commit.
const BATCH: u32 = 1_000;
/// Redrives that are over and still told of.
const KEPT: usize = 100;
/// Before another try: a queue is full, or the store does not answer.
const REST: Duration = Duration::from_millis(200);

/// Which dead letters are queued again.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// None: everybody's.
    pub(crate) tenant: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) limit: u64,
}

/// Dead letters on their way back to the queue.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RedriveView {
    pub(crate) id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    /// Jobs queued again so far.
    pub(crate) retried: u64,
    pub(crate) state: RedriveState,
}

/// How far dead letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RedriveState {
    /// More follow.
    Running,
    Done,
    /// Somebody stopped it: the rest stays dead letters.
    Cancelled,
}

/// Redrives of this life of the server. Its end leaves the rest dead letters, and nothing lost.
#[derive(Default)]
pub(crate) struct Redrives(Mutex<Known>);

#[derive(Default)]
struct Known {
    last: u64,
    all: BTreeMap<u64, (RedriveView, Arc<AtomicBool>)>,
}

impl Redrives {
    /// Those of a tenant, or all.
    pub(crate) fn list(&self, tenant: Option<&str>) -> Vec<RedriveView> {
        let known = self.0.lock();
        let is_seen = |view: &&RedriveView| tenant.is_none_or(|tenant| view.tenant.as_deref() == Some(tenant));
        known.all.values().map(|(view, _)| view).filter(is_seen).cloned().collect()
    }

    /// Stops one that is under way; none where the tenant has no such.
    pub(crate) fn cancel(&self, tenant: Option<&str>, id: u64) -> Option<RedriveView> {
        let mut known = self.0.lock();
        let (view, stop) = known.all.get_mut(&id)?;
        if tenant.is_some_and(|tenant| view.tenant.as_deref() != Some(tenant)) {
            return None;
        }
        if view.state == RedriveState::Running {
            stop.store(true, Ordering::Release);
            view.state = RedriveState::Cancelled;
        }
        Some(view.clone())
    }

    fn add(&self, wanted: &Wanted, retried: u64, state: RedriveState) -> (RedriveView, Arc<AtomicBool>) {
        let mut known = self.0.lock();
        known.last += 1;
        let id = known.last;
        let view = RedriveView { id, tenant: wanted.tenant.clone(), retried, state };
        let stop = Arc::new(AtomicBool::new(false));
        known.all.insert(id, (view.clone(), stop.clone()));
        let over: Vec<u64> = known
            .all
            .values()
            .map(|(view, _)| view)
            .filter(|view| view.state != RedriveState::Running)
            .map(|view| view.id)
            .collect();
        for old in over.iter().take(over.len().saturating_sub(KEPT)) {
            known.all.remove(old);
        }
        (view, stop)
    }

    fn note(&self, id: u64, more: u64, is_over: bool) {
        if let Some((view, _)) = self.0.lock().all.get_mut(&id) {
            view.retried += more;
            if is_over && view.state == RedriveState::Running {
                view.state = RedriveState::Done;
            }
        }
    }
}

/// Queues dead letters again. What is more than a batch follows in the background.
pub(crate) async fn begin(core: &Arc<Core>, mut wanted: Wanted) -> Result<RedriveView, DatabaseError> {
    // What fails again meanwhile is another dead letter.
    let before = core.clock.now();
    let retried = batch(core, &wanted, before).await?;
    wanted.limit -= retried.min(wanted.limit);
    if retried < u64::from(BATCH) || wanted.limit == 0 {
        return Ok(core.redrives.add(&wanted, retried, RedriveState::Done).0);
    }
    let (view, stop) = core.redrives.add(&wanted, retried, RedriveState::Running);
    let (core, id) = (core.clone(), view.id);
    tokio::spawn(async move {
        while !stop.load(Ordering::Acquire) {
            let has_room = wanted.tenant.as_ref().is_none_or(|tenant| core.has_room_for(tenant, u64::from(BATCH)));
            let retried = match has_room {
                true => batch(&core, &wanted, before).await.ok(),
                false => None,
            };
            let Some(retried) = retried else {
                tokio::time::sleep(REST).await;
                continue;
            };
            wanted.limit -= retried.min(wanted.limit);
            let is_over = retried < u64::from(BATCH) || wanted.limit == 0;
            core.redrives.note(id, retried, is_over);
            if is_over {
                return;
            }
        }
    });
    Ok(view)
}

async fn batch(core: &Core, wanted: &Wanted, before: i64) -> Result<u64, DatabaseError> {
    let most = u32::try_from(wanted.limit).unwrap_or(u32::MAX).min(BATCH);
    let filter = (wanted.service.clone(), wanted.kind.clone());
    let moved = core.books.redrive(wanted.tenant.clone(), filter, (most, before), core.clock.now()).await?;
    core.moved(&moved);
    Ok(moved.len() as u64)
}
