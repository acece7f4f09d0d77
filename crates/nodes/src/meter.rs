//! Rates of a service, from what its hosts count.

use std::collections::BTreeMap;
use std::time::Duration;

use balance::NodeResources;
use protocol::HostLoad;

/// Requests that a cost is measured over before it is believed.
const ENOUGH: u64 = 50;
/// How much of a new cost goes into the mean.
const NEW: f64 = 0.2;

/// A service's load on this node, over all of its hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeasuredLoad {
    /// Requests a second.
    pub users: f64,
    pub guests: f64,
    pub away: f64,
    pub refused: f64,
    /// Requests a second that were served here, of users and guests.
    pub served: f64,
    pub p50: Duration,
}

/// Makes rates of counts. A rate is over the whole time between two answers of a host, by the clock of this node.
#[derive(Clone, Debug, Default)]
pub struct ServiceMeter {
    hosts: BTreeMap<String, Host>,
    /// CPU of a request, in percent of one core a request a second.
    cost: Option<f64>,
    /// CPU and requests that are in no cost yet.
    open: (u64, u64),
}

#[derive(Clone, Copy, Debug)]
struct Host {
    at: Duration,
    load: HostLoad,
    rates: MeasuredLoad,
}

impl ServiceMeter {
    /// Notes what a host counted. One that counts less than before was started anew.
    pub fn observe(&mut self, host: &str, at: Duration, load: HostLoad) {
        let Some(before) = self.hosts.get(host).copied() else {
            self.hosts.insert(host.to_owned(), Host { at, load, rates: MeasuredLoad::default() });
            return;
        };
        let seconds = at.saturating_sub(before.at).as_secs_f64();
        if load.users < before.load.users || load.guests < before.load.guests || load.cpu_ns < before.load.cpu_ns {
            self.hosts.insert(host.to_owned(), Host { at, load, rates: MeasuredLoad::default() });
            return;
        }
        // Two answers at one time: the next one has both.
        if seconds <= 0.0 {
            return;
        }
        let grown = |of: fn(&HostLoad) -> u64| of(&load).saturating_sub(of(&before.load));
        let (users, guests) = (grown(|load| load.users), grown(|load| load.guests));
        let (away, refused) = (grown(|load| load.away), grown(|load| load.refused));
        let served = (users + guests).saturating_sub(away + refused);
        self.weigh(grown(|load| load.cpu_ns), served);
        let rate = |count: u64| count as f64 / seconds;
        let rates = MeasuredLoad {
            users: rate(users),
            guests: rate(guests),
            away: rate(away),
            refused: rate(refused),
            served: rate(served),
            p50: Duration::from_nanos(load.p50_ns),
        };
        self.hosts.insert(host.to_owned(), Host { at, load, rates });
    }

    /// Forgets a host that is gone.
    pub fn remove(&mut self, host: &str) {
        self.hosts.remove(host);
    }

    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// All hosts together; the median is the longest of theirs.
    pub fn load(&self) -> MeasuredLoad {
        self.hosts.values().map(|host| host.rates).fold(MeasuredLoad::default(), |sum, host| MeasuredLoad {
            users: sum.users + host.users,
            guests: sum.guests + host.guests,
            away: sum.away + host.away,
            refused: sum.refused + host.refused,
            served: sum.served + host.served,
            p50: sum.p50.max(host.p50),
        })
    }

    /// What a request a second costs, once enough of them were seen.
    pub fn cost(&self) -> Option<NodeResources> {
        self.cost.map(|cpu| NodeResources { cpu, ..NodeResources::default() })
    }

    fn weigh(&mut self, cpu_ns: u64, served: u64) {
        self.open = (self.open.0 + cpu_ns, self.open.1 + served);
        if self.open.1 < ENOUGH {
            return;
        }
        let new = self.open.0 as f64 / self.open.1 as f64 / 1e9 * 100.0;
        self.cost = Some(self.cost.map_or(new, |cost| (new - cost).mul_add(NEW, cost)));
        self.open = (0, 0);
    }
}
