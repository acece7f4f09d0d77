//! How long jobs waited for their begin, lately, by tenant.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

/// Waits that are kept of a tenant, and tenants that they are kept of.
const KEPT: usize = 200;
const TENANTS: usize = 1_000;

/// The latest waits of each tenant, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<BTreeMap<String, VecDeque<u64>>>);

impl Waits {
    /// Notes the wait of a job that begins.
    pub(crate) fn note(&self, tenant: &str, wait: i64) {
        let mut all = self.0.lock();
        if !all.contains_key(tenant) && all.len() >= TENANTS {
            return;
        }
        let waits = all.entry(tenant.to_owned()).or_default();
        if waits.len() == KEPT {
            waits.pop_front();
        }
        waits.push_back(u64::try_from(wait).unwrap_or(0));
    }

    /// The median and the 99th percentile of each tenant.
    pub(crate) fn spreads(&self) -> BTreeMap<String, (u64, u64)> {
        let all = self.0.lock().clone();
        let spread = |waits: VecDeque<u64>| {
            let mut waits = Vec::from(waits);
            waits.sort_unstable();
            let rank = |share: usize| waits.get((waits.len() * share).div_ceil(100).saturating_sub(1)).copied();
            Some((rank(50)?, rank(99)?))
        };
        all.into_iter().filter_map(|(tenant, waits)| Some((tenant, spread(waits)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_waits_count() {
        let waits = Waits::default();
        (0..1_000).for_each(|wait| waits.note("alice", wait));
        waits.note("bob", -3);
        assert_eq!(waits.spreads(), BTreeMap::from([("alice".to_owned(), (899, 997)), ("bob".to_owned(), (0, 0))]));
    }
}
