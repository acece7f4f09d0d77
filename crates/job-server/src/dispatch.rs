//! Whose turn it is, and a slot for each run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jobs::turns::{TurnCharge, Turns};
use tokio::sync::mpsc;

use crate::books::Claimed;
use crate::core::Core;
use crate::run::{self, Begun};

/// What the dispatcher is told.
#[derive(Debug)]
pub(crate) enum Nudge {
    /// A tenant has a job that may begin, now or when its time comes.
    Queued { tenant: String, due: Option<i64> },
    /// A run ended, and took so many nanoseconds.
    Over { charge: TurnCharge, took: u64 },
    /// Limits changed.
    Limits,
}

/// How long the store is left alone after it failed.
const STORE_REST: Duration = Duration::from_millis(200);

/// Runs what was under way when the server before ended, and then what waits, until the server ends.
pub(crate) async fn dispatch(core: Arc<Core>, mut nudges: mpsc::UnboundedReceiver<Nudge>, adopted: Vec<Claimed>) {
    let mut turns = Turns::default();
    let (mut running, mut due) = (0_usize, Some(0));
    limits(&core, &mut turns);
    for claimed in adopted {
        let charge = turns.begin(&claimed.record.tenant, &claimed.record.service);
        running += 1;
        begin(&core, claimed, charge, Begun::Before);
    }
    // What the store cannot say now is said when it wakes the first jobs.
    for tenant in core.books.ready().await.unwrap_or_default() {
        turns.wake(&tenant);
    }
    loop {
        core.busy.store(running, Ordering::Relaxed);
        while let Ok(nudge) = nudges.try_recv() {
            hear(&core, nudge, &mut turns, &mut running, &mut due);
        }
        if due.is_some_and(|at| at <= core.clock.now()) {
            match core.books.wake(core.clock.now()).await {
                Ok((tenants, next)) => {
                    tenants.iter().for_each(|tenant| turns.wake(tenant));
                    due = next;
                }
                Err(_) => tokio::time::sleep(STORE_REST).await,
            }
        }
        let mut picked = Vec::new();
        let workers = core.config().settings.workers;
        while running + picked.len() < workers {
            let Some(tenant) = turns.next().map(str::to_owned) else { break };
            picked.push((turns.begin(&tenant, ""), tenant));
        }
        if picked.is_empty() {
            let wait = due.map_or(Duration::from_secs(3_600), |at| core.clock.until(at));
            tokio::select! {
                nudge = nudges.recv() => match nudge {
                    Some(nudge) => hear(&core, nudge, &mut turns, &mut running, &mut due),
                    None => return,
                },
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        let tenants = picked.iter().map(|(_, tenant)| tenant.clone()).collect();
        let epochs: Arc<BTreeMap<String, String>> = Arc::new(core.hosts.epochs());
        let claimed = core.books.claim(tenants, core.clock.now(), core.holder.clone(), epochs).await;
        let Ok(claimed) = claimed else {
            // The store does not take it now. Nothing was begun, and nothing is lost.
            picked.into_iter().for_each(|(charge, _)| turns.give_back(charge));
            tokio::time::sleep(STORE_REST).await;
            continue;
        };
        let mut moved = Vec::new();
        for ((charge, tenant), claimed) in picked.into_iter().zip(claimed) {
            let Some(claimed) = claimed else {
                turns.give_back(charge);
                turns.sleep(&tenant);
                continue;
            };
            let record = &claimed.record;
            core.waits.note(&record.tenant, core.clock.now().saturating_sub(record.run_at));
            moved.push(claimed.moved.clone());
            let charge = turns.name(charge, &claimed.record.service);
            running += 1;
            begin(&core, claimed, charge, Begun::Now);
        }
        core.moved(&moved);
    }
}

fn begin(core: &Arc<Core>, claimed: Claimed, charge: TurnCharge, begun: Begun) {
    let core = core.clone();
    tokio::spawn(async move {
        let took = run::run(&core, claimed, begun).await;
        // Refused only at the end of the server.
        drop(core.nudges.send(Nudge::Over { charge, took }));
    });
}

fn hear(core: &Core, nudge: Nudge, turns: &mut Turns, running: &mut usize, due: &mut Option<i64>) {
    match nudge {
        Nudge::Queued { tenant, due: None } => turns.wake(&tenant),
        // One whose time is near may have been kept as waiting: the store says when it is not.
        Nudge::Queued { due: Some(at), .. } => *due = Some(due.map_or(at, |due| due.min(at))),
        Nudge::Over { charge, took } => {
            turns.end(charge, took);
            *running = running.saturating_sub(1);
        }
        Nudge::Limits => limits(core, turns),
    }
}

fn limits(core: &Core, turns: &mut Turns) {
    let usual = core.config().settings.tenant.clone();
    turns.set(crate::core::DEFAULT_TENANT, usual.weight, usual.running);
    for (tenant, limits) in core.tenants.read().iter() {
        turns.set(tenant, limits.weight, limits.running);
    }
}
