use local_cluster::Environment;
use proptest::prelude::*;

use super::*;
use crate::placement::Tenant;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const EDGES: [(&str, &str); 3] = [("a", "b"), ("b", "c"), ("c", "d")];

/// A world that does what it is advised.
struct World {
    hosts: BTreeMap<String, String>,
    past: Past,
    /// What was done, and when.
    done: Vec<(Duration, Advice)>,
}

impl World {
    fn new() -> Self {
        let hosts = NAMES.map(|name| (name.to_owned(), name.to_owned())).into();
        Self { hosts, past: Past::default(), done: Vec::new() }
    }

    fn look(&mut self, now: Duration, figures: &BTreeMap<String, Figures>) {
        let tenant = |name| Tenant { service: name, host: name, environment: Environment::default() };
        let tenants = NAMES.map(tenant);
        let hosts = self.hosts.clone();
        let present = Present { tenants: &tenants, edges: &EDGES, hosts: &hosts, takes_in: true };
        let advised = advise(present, figures, |_| false, &self.past, now);
        assert_eq!(advised, advise(present, figures, |_| false, &self.past, now), "it is a function");
        let Some(advice) = advised else { return };
        let with = match advice.wanted {
            Regrouping::Split => company(&advice.services[0], &self.hosts),
            Regrouping::Fuse => advice.services.iter().flat_map(|one| company(one, &self.hosts)).collect(),
        };
        for (service, host) in regroup(advice.wanted, &advice.services, present).unwrap() {
            self.hosts.insert(service, host);
        }
        self.past.note(&advice, &with, now);
        self.done.push((now, advice));
    }

    fn together(&self, a: &str, b: &str) -> bool {
        self.hosts[a] == self.hosts[b]
    }
}

fn busy(per_second: f64, function: f64, network: f64) -> Figures {
    let total = function + network + 20.0;
    Figures { n: (per_second * 60.0) as u64, per_second, total, function, network }
}

fn all(figures: Figures) -> BTreeMap<String, Figures> {
    NAMES.map(|name| (name.to_owned(), figures)).into()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_chain_whose_time_is_on_the_wire_comes_together_and_says_why() {
    let mut world = World::new();
    for at in 0..5 {
        world.look(seconds(at), &all(busy(100.0, 10.0, 80.0)));
    }
    assert!(NAMES.iter().all(|name| world.together("a", name)), "{:?}", world.hosts);
    assert_eq!(world.done.len(), 3);
    assert_eq!(world.done[0].1.why, "b waits for 75 of 110 µs (68 %) for the way to a, 0.007 of a processor in all");
}

#[test]
fn what_gains_nothing_or_needs_the_processor_stays_apart() {
    // Few calls; a wire that is a small part; functions that need a processor together.
    for figures in [busy(5.0, 10.0, 80.0), busy(100.0, 2_000.0, 80.0), busy(500.0, 900.0, 900.0)] {
        let mut world = World::new();
        (0..100).for_each(|at| world.look(seconds(at), &all(figures)));
        assert_eq!(world.done, []);
    }
}

#[test]
fn the_one_that_needs_most_leaves_after_a_rest_and_is_not_taken_back_at_once() {
    let mut world = World::new();
    (0..5).for_each(|at| world.look(seconds(at), &all(busy(100.0, 10.0, 80.0))));
    let mut heavy = all(busy(100.0, 10.0, 80.0));
    heavy.insert("c".to_owned(), busy(100.0, 9_000.0, 80.0));
    world.look(seconds(300), &heavy);
    assert!(world.together("a", "c"), "it was joined just now");
    world.look(seconds(700), &heavy);
    assert!(!world.together("a", "c") && world.together("a", "d"));
    let why = &world.done.last().unwrap().1.why;
    assert_eq!(why, "functions of its host need 0.90 of a processor, and 0.90 of that are its");
    world.look(seconds(800), &all(busy(100.0, 10.0, 80.0)));
    assert!(!world.together("a", "c"));
    world.look(seconds(1400), &all(busy(100.0, 10.0, 80.0)));
    assert!(world.together("a", "c"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the load does, and however often it swings, no pair is joined and parted within ten minutes.
    #[test]
    fn load_that_swings_moves_a_pair_once_in_ten_minutes(
        loads in prop::collection::vec(prop::array::uniform4((0.0..2_000.0_f64, 1.0..5_000.0_f64, 0.0..500.0_f64)), 1..8),
        step in 1..30_u64,
    ) {
        let mut world = World::new();
        let mut changed: BTreeMap<(String, String), Duration> = BTreeMap::new();
        for at in 0..(3_600 / step) {
            let now = seconds(at * step);
            let load = &loads[at as usize % loads.len()];
            let figures = NAMES.iter().zip(load).map(|(name, (a, b, c))| ((*name).to_owned(), busy(*a, *b, *c)));
            let before = world.hosts.clone();
            world.look(now, &figures.collect());
            for a in NAMES {
                for b in NAMES.iter().filter(|b| a < **b) {
                    if (before[a] == before[*b]) != world.together(a, b)
                        && let Some(last) = changed.insert(pair(a, b), now)
                    {
                        prop_assert!(now - last >= REST, "{a} and {b}: {last:?}, {now:?}");
                    }
                }
            }
        }
    }
}
