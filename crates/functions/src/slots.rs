//! The assignment of processes to tenants: pure. Events in, acts out; the pool carries them out.
//!
//! A process serves one tenant, ever. A tenant without a process gets one as long as there is room; further ones as the
//! policy says. The oldest request is served first.

mod policy;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use policy::{PoolLoad, ScalePolicy, Scaler};

/// A process is replaced after so many runs, whatever it is like.
const MOST_RUNS: u32 = 1_000;
/// A process that nobody uses is ended after that.
const IDLE: Duration = Duration::from_secs(30);

pub(crate) type SlotId = u64;
pub(crate) type AskId = u64;

/// An order to the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Start a process: [`Slots::started`] or [`Slots::gone`] follows.
    Start(SlotId),
    /// Give a process to a request: [`Slots::done`] or [`Slots::gone`] follows.
    Give(SlotId, AskId),
    /// End a process. Nothing follows.
    End(SlotId),
}

/// The state of a process.
#[derive(Clone, Debug)]
enum Stand {
    Starting,
    /// It has served nobody yet.
    Spare,
    Idle {
        tenant: String,
        since: Duration,
    },
    Busy {
        tenant: String,
        since: Duration,
    },
}

#[derive(Clone, Debug)]
struct Process {
    stand: Stand,
    runs: u32,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: AskId,
    tenant: String,
}

/// All processes, and the requests that wait for one. Times count from when the pool was made.
#[derive(Debug)]
pub(crate) struct Slots {
    processes: BTreeMap<SlotId, Process>,
    waiting: VecDeque<Waiting>,
    /// The largest number of processes, and the number that is wanted now.
    most: usize,
    want: usize,
    last: SlotId,
}

impl Slots {
    pub(crate) fn new(most: usize) -> Self {
        Self { processes: BTreeMap::new(), waiting: VecDeque::new(), most: most.max(1), want: 1, last: 0 }
    }

    /// Somebody asks for a process.
    pub(crate) fn ask(&mut self, id: AskId, tenant: &str, now: Duration) -> Vec<Act> {
        self.waiting.push_back(Waiting { id, tenant: tenant.to_owned() });
        self.settle(now)
    }

    /// So many processes are wanted from now on.
    pub(crate) fn want(&mut self, want: usize) {
        self.want = want.clamp(1, self.most);
    }

    /// Removes a request that nobody waits for.
    pub(crate) fn withdraw(&mut self, id: AskId) {
        self.waiting.retain(|waiting| waiting.id != id);
    }

    /// A process is there.
    pub(crate) fn started(&mut self, slot: SlotId, now: Duration) -> Vec<Act> {
        if let Some(process) = self.processes.get_mut(&slot) {
            process.stand = Stand::Spare;
        }
        self.settle(now)
    }

    /// A process could not be started: the oldest request fails.
    pub(crate) fn failed(&mut self, slot: SlotId, now: Duration) -> (Option<AskId>, Vec<Act>) {
        self.processes.remove(&slot);
        let first = self.waiting.pop_front().map(|waiting| waiting.id);
        // Nothing is tried again for nobody.
        (first, if self.waiting.is_empty() { Vec::new() } else { self.settle(now) })
    }

    /// A process has done what it was given for.
    pub(crate) fn done(&mut self, slot: SlotId, now: Duration) -> Vec<Act> {
        let mut acts = Vec::new();
        if let Some(process) = self.processes.get_mut(&slot) {
            process.runs += 1;
            match &process.stand {
                Stand::Busy { tenant, .. } if process.runs < MOST_RUNS => {
                    process.stand = Stand::Idle { tenant: tenant.clone(), since: now };
                }
                _ => {
                    self.processes.remove(&slot);
                    acts.push(Act::End(slot));
                }
            }
        }
        acts.extend(self.settle(now));
        acts
    }

    /// A process is no more.
    pub(crate) fn gone(&mut self, slot: SlotId, now: Duration) -> Vec<Act> {
        self.processes.remove(&slot);
        self.settle(now)
    }

    /// Time has passed; so many processes are wanted now.
    pub(crate) fn tick(&mut self, want: usize, now: Duration) -> Vec<Act> {
        self.want(want);
        let idle = self.idle();
        let over = idle.iter().filter(|(since, _)| now.saturating_sub(*since) >= IDLE).count();
        let over = over.max(self.processes.len().saturating_sub(self.want).min(idle.len()));
        // Those that were used last are kept, and one process of each tenant, until it has been idle for long.
        let mut ended = Vec::new();
        for (since, slot) in idle.into_iter().take(over) {
            if now.saturating_sub(since) >= IDLE || self.count_of_tenant(slot) > 1 {
                self.processes.remove(&slot);
                ended.push(Act::End(slot));
            }
        }
        // One in reserve is enough.
        let spare = self.processes.iter().filter(|(_, process)| matches!(process.stand, Stand::Spare));
        let spare: Vec<SlotId> = spare.map(|(slot, _)| *slot).skip(1).collect();
        for slot in spare {
            self.processes.remove(&slot);
            ended.push(Act::End(slot));
        }
        if !(self.waiting.is_empty() && self.processes.is_empty()) {
            ended.extend(self.settle(now));
        }
        ended
    }

    /// Requests that wait, processes, and processes that have been busy for longer than `long`.
    pub(crate) fn figures(&self, long: Duration, now: Duration) -> (usize, usize, usize) {
        let is_long =
            |process: &&Process| matches!(process.stand, Stand::Busy { since, .. } if now.saturating_sub(since) > long);
        (self.waiting.len(), self.processes.len(), self.processes.values().filter(is_long).count())
    }

    fn count_of_tenant(&self, slot: SlotId) -> usize {
        let Some(tenant) = self.processes.get(&slot).and_then(|process| tenant(&process.stand)) else { return 0 };
        self.processes.values().filter(|process| self::tenant(&process.stand) == Some(tenant)).count()
    }

    /// Idle processes, those first that were used longest ago.
    fn idle(&self) -> Vec<(Duration, SlotId)> {
        let idle = self.processes.iter().filter_map(|(slot, process)| match process.stand {
            Stand::Idle { since, .. } => Some((since, *slot)),
            _ => None,
        });
        let mut idle: Vec<_> = idle.collect();
        idle.sort_unstable();
        idle
    }

    fn count(&self, is: impl Fn(&Stand) -> bool) -> usize {
        self.processes.values().filter(|process| is(&process.stand)).count()
    }

    fn start(&mut self, acts: &mut Vec<Act>) {
        self.last += 1;
        self.processes.insert(self.last, Process { stand: Stand::Starting, runs: 0 });
        acts.push(Act::Start(self.last));
    }

    /// Gives processes to requests, and starts missing ones.
    fn settle(&mut self, now: Duration) -> Vec<Act> {
        let mut acts = Vec::new();
        // Processes under way, and how many of them somebody waits for.
        let (mut starting, mut claimed) = (self.count(|stand| matches!(stand, Stand::Starting)), 0);
        for waiting in std::mem::take(&mut self.waiting) {
            let found = self.processes.iter().find_map(|(slot, process)| {
                matches!(&process.stand, Stand::Idle { tenant, .. } if *tenant == waiting.tenant).then_some(*slot)
            });
            let has_own =
                self.processes.values().any(|process| tenant(&process.stand) == Some(waiting.tenant.as_str()));
            let may_more = !has_own || self.count(|stand| tenant(stand).is_some()) < self.want;
            let spare = || {
                self.processes.iter().find_map(|(slot, process)| matches!(process.stand, Stand::Spare).then_some(*slot))
            };
            if let Some(slot) = found.or_else(|| if may_more { spare() } else { None }) {
                if let Some(process) = self.processes.get_mut(&slot) {
                    process.stand = Stand::Busy { tenant: waiting.tenant, since: now };
                }
                acts.push(Act::Give(slot, waiting.id));
                continue;
            }
            self.waiting.push_back(waiting);
            if !may_more {
                continue;
            }
            claimed += 1;
            if starting > 0 {
                starting -= 1;
            } else if self.processes.len() < self.most {
                self.start(&mut acts);
            } else if let Some((_, slot)) = self.idle().first().copied() {
                // Another tenant's, which waits for nothing.
                self.processes.remove(&slot);
                acts.push(Act::End(slot));
                self.start(&mut acts);
            }
        }
        // One in reserve: the next tenant's first call starts no process.
        let is_ready = self.count(|stand| matches!(stand, Stand::Spare | Stand::Starting)) > claimed;
        if !is_ready && self.processes.len() < self.most {
            self.start(&mut acts);
        }
        acts
    }
}

fn tenant(stand: &Stand) -> Option<&str> {
    match stand {
        Stand::Idle { tenant, .. } | Stand::Busy { tenant, .. } => Some(tenant),
        Stand::Starting | Stand::Spare => None,
    }
}
