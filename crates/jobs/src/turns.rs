//! Whose turn it is: the tenant that has used the least function time for its weight.
//!
//! This is start-time fair queueing. The beginning of a run adds what such runs take on average, its end puts the measured
//! time in its place. So two tenants with work waiting differ by no more than their longest run.

use std::collections::BTreeMap;

/// Nanoseconds of a run of a service that nothing is known of yet.
const UNKNOWN: f64 = 10e6;

/// The turns of all tenants.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// What tenants without settings of their own may do.
    usual: Share,
    tenants: BTreeMap<String, Standing>,
    /// The mean time of a run, by service, in nanoseconds.
    means: BTreeMap<String, f64>,
}

/// A share of function time, and the jobs that run at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    weight: f64,
    most_running: u32,
}

impl Default for Share {
    fn default() -> Self {
        Self { weight: 1.0, most_running: u32::MAX }
    }
}

impl Share {
    fn new(weight: f64, most_running: u32) -> Self {
        let weight = if weight.is_finite() && weight > 0.0 { weight } else { 1.0 };
        Self { weight, most_running: most_running.max(1) }
    }
}

/// A tenant's standing.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// None: the usual one.
    share: Option<Share>,
    /// Function time over weight, in nanoseconds.
    used: f64,
    running: u32,
    /// Whether it has a job that can begin.
    is_waiting: bool,
}

/// What the beginning of a run was charged with, until its end.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct TurnCharge {
    tenant: String,
    service: String,
    charged: f64,
}

impl Turns {
    /// Sets the weight of a tenant and the most of its jobs that run at a time.
    pub fn set(&mut self, tenant: &str, weight: f64, most_running: u32) {
        self.standing(tenant).share = Some(Share::new(weight, most_running));
    }

    /// Sets the same for every tenant that has no settings of its own: from here on, and for those that are known already.
    pub fn set_usual(&mut self, weight: f64, most_running: u32) {
        self.usual = Share::new(weight, most_running);
    }

    fn share(&self, standing: &Standing) -> Share {
        standing.share.unwrap_or(self.usual)
    }

    fn weight(&self, tenant: &str) -> f64 {
        self.tenants.get(tenant).map_or(self.usual, |standing| self.share(standing)).weight
    }

    fn standing(&mut self, tenant: &str) -> &mut Standing {
        self.tenants.entry(tenant.to_owned()).or_default()
    }

    /// Notes that a tenant has a job that can begin. Who comes back from idle begins where the least of the busy is, so
    /// that nobody saves up turns.
    pub fn wake(&mut self, tenant: &str) {
        let is_busy = |standing: &Standing| standing.is_waiting || standing.running > 0;
        if self.tenants.get(tenant).is_some_and(is_busy) {
            self.standing(tenant).is_waiting = true;
            return;
        }
        let least = self.tenants.values().filter(|standing| is_busy(standing)).map(|standing| standing.used);
        let least = least.min_by(f64::total_cmp).unwrap_or_default();
        let standing = self.standing(tenant);
        standing.is_waiting = true;
        standing.used = standing.used.max(least);
    }

    /// Notes that a tenant has no job that can begin.
    pub fn sleep(&mut self, tenant: &str) {
        if let Some(standing) = self.tenants.get_mut(tenant) {
            standing.is_waiting = false;
        }
    }

    /// The tenant whose turn it is; none where nobody has a job that can begin and room to run it.
    pub fn next(&self) -> Option<&str> {
        let can_begin = |(_, standing): &(&String, &Standing)| {
            standing.is_waiting && standing.running < self.share(standing).most_running
        };
        let least = self.tenants.iter().filter(can_begin).min_by(|(_, a), (_, b)| a.used.total_cmp(&b.used));
        least.map(|(tenant, _)| tenant.as_str())
    }

    /// Begins a run for a tenant whose job comes just now, where it would be its turn; none where it is not.
    pub fn begin_now(&mut self, tenant: &str) -> Option<TurnCharge> {
        let was_waiting = self.tenants.get(tenant).is_some_and(|standing| standing.is_waiting);
        self.wake(tenant);
        let begun = (self.next() == Some(tenant)).then(|| self.begin(tenant, ""));
        // Whether others of its jobs wait, is not known here.
        self.standing(tenant).is_waiting = was_waiting;
        begun
    }

    /// Begins a run of a service for a tenant.
    pub fn begin(&mut self, tenant: &str, service: &str) -> TurnCharge {
        let mean = self.means.get(service).copied().unwrap_or(UNKNOWN);
        let charged = mean / self.weight(tenant);
        let standing = self.standing(tenant);
        standing.used += charged;
        standing.running += 1;
        TurnCharge { tenant: tenant.to_owned(), service: service.to_owned(), charged }
    }

    /// Names the service of a run that was begun before it was known.
    pub fn name(&mut self, charge: TurnCharge, service: &str) -> TurnCharge {
        let TurnCharge { tenant, .. } = &charge;
        let tenant = tenant.clone();
        self.give_back(charge);
        self.begin(&tenant, service)
    }

    /// Takes a begin back.
    pub fn give_back(&mut self, charge: TurnCharge) {
        let standing = self.standing(&charge.tenant);
        standing.used -= charge.charged;
        standing.running = standing.running.saturating_sub(1);
    }

    /// Ends a run that took so many nanoseconds.
    pub fn end(&mut self, charge: TurnCharge, took: u64) {
        let took = took as f64;
        let mean = self.means.entry(charge.service.clone()).or_insert(took);
        *mean += (took - *mean) / 8.0;
        let share = took / self.weight(&charge.tenant);
        let standing = self.standing(&charge.tenant);
        standing.used += share - charge.charged;
        standing.running = standing.running.saturating_sub(1);
    }

    /// Runs of a tenant that are under way.
    pub fn running(&self, tenant: &str) -> u32 {
        self.tenants.get(tenant).map_or(0, |standing| standing.running)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_was_idle_saves_up_no_turns_and_waits_for_nobody() {
        let mut turns = Turns::default();
        turns.wake("flood");
        for _ in 0..1_000 {
            let charge = turns.begin("flood", "map");
            turns.end(charge, 1_000_000);
        }
        turns.wake("quiet");
        let charge = turns.begin("flood", "map");
        assert_eq!(turns.next(), Some("quiet"), "the next turn is of who comes");
        let quiet = turns.begin("quiet", "map");
        turns.end(quiet, 1_000_000);
        turns.end(charge, 1_000_000);
        // From here on both have the same.
        let (mut flood, mut quiet) = (0, 0);
        for _ in 0..100 {
            let tenant = turns.next().map(str::to_owned).unwrap_or_default();
            *(if tenant == "flood" { &mut flood } else { &mut quiet }) += 1;
            let charge = turns.begin(&tenant, "map");
            turns.end(charge, 1_000_000);
        }
        assert_eq!((flood, quiet), (50, 50));
    }

    #[test]
    fn a_tenant_runs_no_more_at_a_time_than_it_may() {
        let mut turns = Turns::default();
        turns.set("a", 1.0, 2);
        turns.wake("a");
        let charges = [turns.begin("a", "map"), turns.begin("a", "map")];
        assert_eq!((turns.next(), turns.running("a")), (None, 2));
        for charge in charges {
            turns.end(charge, 1);
        }
        assert_eq!(turns.next(), Some("a"));
        turns.sleep("a");
        assert_eq!(turns.next(), None);
    }

    #[test]
    fn a_tenant_without_settings_of_its_own_has_the_usual_ones() {
        let mut turns = Turns::default();
        turns.set_usual(1.0, 2);
        turns.set("own", 1.0, 3);
        let mut begin = |tenant: &str, most: usize| {
            turns.wake(tenant);
            let begun: Vec<TurnCharge> = (0..most).map_while(|_| turns.begin_now(tenant)).collect();
            begun.len()
        };
        assert_eq!((begin("kumori/a", 9), begin("own", 9)), (2, 3));
        // Known or not, it follows what is usual.
        turns.set_usual(1.0, 5);
        assert_eq!((turns.next(), turns.running("kumori/a")), (Some("kumori/a"), 2));
        turns.set_usual(4.0, 5);
        let (own, other) = (turns.begin("own", "map"), turns.begin("kumori/a", "map"));
        assert!((own.charged / other.charged - 4.0).abs() < 1e-9, "{own:?} {other:?}");
    }

    #[test]
    fn a_job_that_comes_begins_at_once_where_it_is_its_tenants_turn() {
        let mut turns = Turns::default();
        let first = turns.begin_now("b");
        assert!(first.is_some() && turns.next().is_none(), "nothing of it is known to wait");
        // Another tenant waits and has used no more.
        turns.wake("a");
        assert_eq!(turns.begin_now("b"), None);
        assert_eq!(turns.next(), Some("a"));
        turns.wake("b");
        turns.sleep("a");
        assert!(turns.begin_now("b").is_some());
        assert_eq!(turns.next(), Some("b"), "what waited still waits");
    }

    proptest! {
        // One slot, tenants that always have work, any lengths: function time goes by weight, to within the longest run
        // of each.
        #[test]
        fn time_goes_by_weight(
            weights in prop::collection::vec(1_u32..5, 2..5),
            lengths in prop::collection::vec(1_u64..50_000_000, 200..400),
        ) {
            let mut turns = Turns::default();
            let names: Vec<String> = (0..weights.len()).map(|at| format!("t{at}")).collect();
            for (name, weight) in names.iter().zip(&weights) {
                turns.set(name, f64::from(*weight), 4);
                turns.wake(name);
            }
            let mut took = vec![0_u64; names.len()];
            for length in &lengths {
                let tenant = turns.next().map(str::to_owned);
                let at = names.iter().position(|name| Some(name) == tenant.as_ref());
                prop_assert!(at.is_some());
                let at = at.unwrap_or_default();
                let charge = turns.begin(&names[at], "map");
                turns.end(charge, *length);
                took[at] += length;
            }
            let longest = lengths.iter().copied().max().unwrap_or_default() as f64;
            let shares: Vec<f64> = took.iter().zip(&weights).map(|(took, weight)| *took as f64 / f64::from(*weight)).collect();
            for (a, weight_a) in shares.iter().zip(&weights) {
                for (b, weight_b) in shares.iter().zip(&weights) {
                    let bound = longest / f64::from(*weight_a) + longest / f64::from(*weight_b);
                    prop_assert!((a - b).abs() <= bound + 1.0, "{shares:?} differ by more than {bound}");
                }
            }
        }
    }
}
