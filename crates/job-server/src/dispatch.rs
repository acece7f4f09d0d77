//! Whose turn it is, and a slot for each run.

use std::collections::{BTreeMap, BTreeSet};
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
    Over { charge: TurnCharge, service: String, took: u64 },
    /// Services may have room again: functions ended that had gone on for nobody.
    Room,
    /// Limits changed.
    Limits,
}

/// How long the store is left alone after it failed.
const STORE_REST: Duration = Duration::from_millis(200);

/// Runs what was under way when the server before ended, and then what waits, until the server ends.
pub(crate) async fn dispatch(core: Arc<Core>, mut nudges: mpsc::UnboundedReceiver<Nudge>, adopted: Vec<Claimed>) {
    let mut at = Standing { due: Some(0), ..Standing::default() };
    limits(&core, &mut at.turns);
    for claimed in adopted {
        let charge = at.turns.begin(&claimed.record.tenant, &claimed.record.service);
        at.begin(&core, claimed, charge, Begun::Before);
    }
    // What the store cannot say now is said when it wakes the first jobs.
    for tenant in core.books.ready().await.unwrap_or_default() {
        at.turns.wake(&tenant);
    }
    loop {
        core.busy.store(at.running, Ordering::Relaxed);
        while let Ok(nudge) = nudges.try_recv() {
            at.hear(&core, nudge);
        }
        if at.due.is_some_and(|due| due <= core.clock.now()) {
            match core.books.wake(core.clock.now()).await {
                Ok((tenants, next)) => {
                    tenants.iter().for_each(|tenant| at.turns.wake(tenant));
                    at.due = next;
                }
                Err(_) => tokio::time::sleep(STORE_REST).await,
            }
        }
        let mut picked = Vec::new();
        let workers = core.config().settings.workers;
        while at.running + picked.len() < workers {
            let Some(tenant) = at.turns.next().map(str::to_owned) else { break };
            picked.push((at.turns.begin(&tenant, ""), tenant));
        }
        if picked.is_empty() {
            let wait = at.due.map_or(Duration::from_secs(3_600), |due| core.clock.until(due));
            tokio::select! {
                nudge = nudges.recv() => match nudge {
                    Some(nudge) => at.hear(&core, nudge),
                    None => return,
                },
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        let tenants = picked.iter().map(|(_, tenant)| tenant.clone()).collect();
        let epochs: Arc<BTreeMap<String, String>> = Arc::new(core.hosts.epochs());
        let room = at.room(&core);
        let is_full = !room.is_empty();
        let claimed = core.books.claim(tenants, core.clock.now(), core.holder.clone(), (epochs, room)).await;
        let Ok(claimed) = claimed else {
            // The store does not take it now. Nothing was begun, and nothing is lost.
            picked.into_iter().for_each(|(charge, _)| at.turns.give_back(charge));
            tokio::time::sleep(STORE_REST).await;
            continue;
        };
        let mut moved = Vec::new();
        for ((charge, tenant), claimed) in picked.into_iter().zip(claimed) {
            let Some(claimed) = claimed else {
                at.turns.give_back(charge);
                at.turns.sleep(&tenant);
                if is_full {
                    at.held.insert(tenant);
                }
                continue;
            };
            let record = &claimed.record;
            core.waits.note(&record.tenant, core.clock.now().saturating_sub(record.run_at));
            moved.push(claimed.moved.clone());
            let charge = at.turns.name(charge, &claimed.record.service);
            at.begin(&core, claimed, charge, Begun::Now);
        }
        core.moved(&moved);
    }
}

/// What the dispatcher knows.
#[derive(Default)]
struct Standing {
    turns: Turns,
    running: usize,
    /// Runs by service.
    by_service: BTreeMap<String, usize>,
    /// Tenants without a job that may begin, some of which may wait for services that are full.
    held: BTreeSet<String>,
    /// When the next job's time comes.
    due: Option<i64>,
}

impl Standing {
    fn begin(&mut self, core: &Arc<Core>, claimed: Claimed, charge: TurnCharge, begun: Begun) {
        self.running += 1;
        let service = claimed.record.service.clone();
        *self.by_service.entry(service.clone()).or_default() += 1;
        let core = core.clone();
        tokio::spawn(async move {
            let took = run::run(&core, claimed, begun).await;
            // Refused only at the end of the server.
            drop(core.nudges.send(Nudge::Over { charge, service, took }));
        });
    }

    /// How many jobs may begin of the services that have a bound. Functions that go on for nobody take room, too.
    fn room(&self, core: &Core) -> BTreeMap<String, usize> {
        let config = core.config();
        let bounded = config.targets.iter().filter_map(|(service, target)| Some((service, target.parallel?)));
        let left = |(service, most): (&String, usize)| {
            let taken = self.by_service.get(service).copied().unwrap_or(0) + core.hosts.left(service);
            (service.clone(), most.saturating_sub(taken))
        };
        bounded.map(left).collect()
    }

    fn hear(&mut self, core: &Core, nudge: Nudge) {
        match nudge {
            Nudge::Queued { tenant, due: None } => self.turns.wake(&tenant),
            // One whose time is near may have been kept as waiting: the store says when it is not.
            Nudge::Queued { due: Some(at), .. } => self.due = Some(self.due.map_or(at, |due| due.min(at))),
            Nudge::Over { charge, service, took } => {
                self.turns.end(charge, took);
                self.running = self.running.saturating_sub(1);
                if let Some(runs) = self.by_service.get_mut(&service) {
                    *runs -= 1;
                    if *runs == 0 {
                        self.by_service.remove(&service);
                    }
                }
                self.wake_held();
            }
            Nudge::Room => self.wake_held(),
            Nudge::Limits => {
                limits(core, &mut self.turns);
                self.wake_held();
            }
        }
    }

    fn wake_held(&mut self) {
        for tenant in std::mem::take(&mut self.held) {
            self.turns.wake(&tenant);
        }
    }
}

fn limits(core: &Core, turns: &mut Turns) {
    let usual = core.config().settings.tenant.clone();
    turns.set(crate::core::DEFAULT_TENANT, usual.weight, usual.running);
    for (tenant, limits) in core.tenants.read().iter() {
        turns.set(tenant, limits.weight, limits.running);
    }
}
