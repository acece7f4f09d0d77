//! Slots for runs: who begins one, and how many of a service are under way.
//!
//! They are held for moments and never over a wait: the dispatcher takes slots for what waits, and who accepts a job takes one for
//! it where one is free and it is its tenant's turn.

use std::collections::{BTreeMap, BTreeSet};

use jobs::quota::TenantLimits;
use jobs::turns::{TurnCharge, Turns};
use parking_lot::Mutex;

use crate::core::{Core, DEFAULT_TENANT};

/// The slots of a server.
#[derive(Default)]
pub(crate) struct Slots(Mutex<Standing>);

#[derive(Default)]
struct Standing {
    turns: Turns,
    /// Slots that are taken.
    taken: usize,
    /// Runs by service.
    by_service: BTreeMap<String, usize>,
    /// Tenants without a job that may begin, some of which may wait for services that are full.
    held: BTreeSet<String>,
}

/// A slot that is taken, until it is given back or its run ends.
#[must_use]
pub(crate) struct Slot {
    pub(crate) tenant: String,
    /// Of the run in it; none yet: empty.
    service: String,
    charge: TurnCharge,
}

impl Slots {
    /// Takes a free slot for the tenant whose turn it is.
    pub(crate) fn take(&self, workers: usize) -> Option<Slot> {
        let mut at = self.0.lock();
        if at.taken >= workers {
            return None;
        }
        let tenant = at.turns.next()?.to_owned();
        let charge = at.turns.begin(&tenant, "");
        at.taken += 1;
        Some(Slot { tenant, service: String::new(), charge })
    }

    /// Takes free slots for jobs of a tenant that come just now, as many as it is its turn for.
    pub(crate) fn take_for(&self, tenant: &str, most: usize, workers: usize) -> Vec<Slot> {
        let mut at = self.0.lock();
        let mut slots = Vec::new();
        while slots.len() < most && at.taken < workers {
            let Some(charge) = at.turns.begin_now(tenant) else { break };
            at.taken += 1;
            slots.push(Slot { tenant: tenant.to_owned(), service: String::new(), charge });
        }
        slots
    }

    /// Takes a slot for a run that was under way before this life of the server, whoever's turn it is.
    pub(crate) fn adopt(&self, tenant: &str, service: &str) -> Slot {
        let mut at = self.0.lock();
        let charge = at.turns.begin(tenant, service);
        at.taken += 1;
        *at.by_service.entry(service.to_owned()).or_default() += 1;
        Slot { tenant: tenant.to_owned(), service: service.to_owned(), charge }
    }

    /// Notes the service of the run that begins in a slot.
    pub(crate) fn begin(&self, slot: Slot, service: &str) -> Slot {
        let mut at = self.0.lock();
        let charge = at.turns.name(slot.charge, service);
        *at.by_service.entry(service.to_owned()).or_default() += 1;
        Slot { tenant: slot.tenant, service: service.to_owned(), charge }
    }

    /// Gives a slot back in which nothing begins.
    pub(crate) fn give_back(&self, slot: Slot) {
        let mut at = self.0.lock();
        at.turns.give_back(slot.charge);
        at.taken = at.taken.saturating_sub(1);
    }

    /// Gives a slot back whose run ended and took so many nanoseconds.
    pub(crate) fn end(&self, slot: Slot, took: u64) {
        let mut at = self.0.lock();
        at.turns.end(slot.charge, took);
        at.taken = at.taken.saturating_sub(1);
        if let Some(runs) = at.by_service.get_mut(&slot.service) {
            *runs -= 1;
            if *runs == 0 {
                at.by_service.remove(&slot.service);
            }
        }
    }

    /// Notes that a tenant has a job that may begin.
    pub(crate) fn wake(&self, tenant: &str) {
        self.0.lock().turns.wake(tenant);
    }

    /// Notes that a tenant has no job that may begin; `held`: some may wait for services that are full.
    pub(crate) fn sleep(&self, tenant: &str, held: bool) {
        let mut at = self.0.lock();
        at.turns.sleep(tenant);
        if held {
            at.held.insert(tenant.to_owned());
        }
    }

    /// Notes that services may have room again.
    pub(crate) fn wake_held(&self) {
        let mut at = self.0.lock();
        for tenant in std::mem::take(&mut at.held) {
            at.turns.wake(&tenant);
        }
    }

    /// Slots that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.lock().taken
    }

    /// How many jobs may begin of the services that have a bound. Functions that go on for nobody take room, too.
    pub(crate) fn room(&self, core: &Core) -> BTreeMap<String, usize> {
        let config = core.config();
        let at = self.0.lock();
        let bounded = config.targets.iter().filter_map(|(service, target)| Some((service, target.parallel?)));
        let left = |(service, most): (&String, usize)| {
            let taken = at.by_service.get(service).copied().unwrap_or(0) + core.hosts.left(service);
            (service.clone(), most.saturating_sub(taken))
        };
        bounded.map(left).collect()
    }

    /// Sets what tenants may do: each that has no settings of its own has the usual ones, whoever it is.
    pub(crate) fn limit(&self, usual: &TenantLimits, tenants: &BTreeMap<String, TenantLimits>) {
        let mut at = self.0.lock();
        at.turns.set_usual(usual.weight, usual.running);
        at.turns.set(DEFAULT_TENANT, usual.weight, usual.running);
        for (tenant, limits) in tenants {
            at.turns.set(tenant, limits.weight, limits.running);
        }
    }
}
