//! Seven ways to pick one of the instances that may serve a request.

use serde::{Deserialize, Serialize};

/// A way to pick an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PickPolicy {
    /// One in the caller's own place, else the one of two at random that is sooner done.
    #[default]
    Near,
    RoundRobin,
    Random,
    /// The first that may serve, in the order of the list.
    First,
    /// The one with the fewest open requests.
    LeastConn,
    /// The same for requests that work on the same data, as long as it may serve.
    DataHash,
    /// The one that answered soonest of late.
    Latency,
}

/// All of them.
pub const POLICIES: [PickPolicy; 7] = [
    PickPolicy::Near,
    PickPolicy::RoundRobin,
    PickPolicy::Random,
    PickPolicy::First,
    PickPolicy::LeastConn,
    PickPolicy::DataHash,
    PickPolicy::Latency,
];

/// An instance that may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PickCandidate<'a> {
    pub id: &'a str,
    pub place: &'a str,
    /// Requests of this caller that it has not answered.
    pub open: u32,
    /// Peak of its moving mean of latencies, in nanoseconds; 0: it has not answered yet.
    pub latency: u64,
}

/// The peak of a moving mean of latencies, after one more: a slow answer counts at once, and is forgotten slowly.
pub fn peak_latency(known: u64, took: u64) -> u64 {
    took.max(known - known / 8 + took / 8)
}

/// What a pick rests on beside the candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PickAsk<'a> {
    /// The caller's own place.
    pub place: &'a str,
    /// Counts the caller's picks.
    pub turn: u64,
    /// Two numbers at random.
    pub random: (u64, u64),
    /// What the request works on, as its header says.
    pub data: &'a str,
}

impl PickPolicy {
    /// The name that settings give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::RoundRobin => "round_robin",
            Self::Random => "random",
            Self::First => "first",
            Self::LeastConn => "least_conn",
            Self::DataHash => "data_hash",
            Self::Latency => "latency",
        }
    }

    /// The position of the one that is picked; none where there is none.
    pub fn pick(self, candidates: &[PickCandidate<'_>], ask: &PickAsk<'_>) -> Option<usize> {
        let all = 0..candidates.len();
        let count = candidates.len() as u64;
        if count == 0 {
            return None;
        }
        // Less than a usize, since it is less than the count.
        let nth = |number: u64| (number % count) as usize;
        match self {
            Self::Near => {
                let own: Vec<usize> = all.clone().filter(|at| candidates[*at].place == ask.place).collect();
                let among = if own.is_empty() { all.collect() } else { own };
                Some(of_two(candidates, &among, ask.random))
            }
            Self::RoundRobin => Some(nth(ask.turn)),
            Self::Random => Some(nth(ask.random.0)),
            Self::First => Some(0),
            Self::LeastConn => all.min_by_key(|at| (candidates[*at].open, rank(ask.random.0, candidates[*at].id))),
            Self::DataHash => all.max_by_key(|at| hash(ask.data, candidates[*at].id)),
            Self::Latency => all.min_by_key(|at| (candidates[*at].latency, rank(ask.random.0, candidates[*at].id))),
        }
    }
}

/// The one of two at random that is sooner done: what it takes, times those before.
fn of_two(candidates: &[PickCandidate<'_>], among: &[usize], random: (u64, u64)) -> usize {
    let count = among.len() as u64;
    let first = random.0 % count;
    // Another one, where there is another.
    let second = if count > 1 { (first + 1 + random.1 % (count - 1)) % count } else { first };
    let [first, second] = [first, second].map(|at| among[at as usize]);
    let cost = |at: usize| u128::from(candidates[at].latency) * (u128::from(candidates[at].open) + 1);
    if cost(second) < cost(first) { second } else { first }
}

/// The order of those that are equal: another one for each pick.
fn rank(random: u64, id: &str) -> u64 {
    hash(&random.to_string(), id)
}

/// Rendezvous: what goes away moves only those that it had.
fn hash(key: &str, id: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes()).update(b"\0").update(id.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const ALL: [PickPolicy; 7] = POLICIES;

    fn candidate<'a>(id: &'a str, place: &'a str, open: u32, latency: u64) -> PickCandidate<'a> {
        PickCandidate { id, place, open, latency }
    }

    /// How often each is picked over many asks.
    fn shares(policy: PickPolicy, candidates: &[PickCandidate<'_>], place: &str) -> Vec<usize> {
        let mut shares = vec![0; candidates.len()];
        let mut number = 1_u64;
        let mut random = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            number >> 33
        };
        for turn in 0..3_000 {
            let data = format!("images/{turn}");
            let ask = PickAsk { place, turn, random: (random(), random()), data: &data };
            shares[policy.pick(candidates, &ask).expect("one of them")] += 1;
        }
        shares
    }

    #[test]
    fn each_policy_picks_as_its_name_says() {
        let candidates = [candidate("a", "hpc", 5, 100), candidate("b", "cc1", 0, 200), candidate("c", "cc1", 9, 10)];
        let picks = |policy: PickPolicy, place: &str| shares(policy, &candidates, place);
        assert_eq!(picks(PickPolicy::Near, "hpc"), [3_000, 0, 0]);
        // Of b (200 x 1) and c (10 x 10) the second is sooner done.
        assert_eq!(picks(PickPolicy::Near, "cc1"), [0, 0, 3_000]);
        let elsewhere = picks(PickPolicy::Near, "aws");
        assert!(elsewhere[0] == 0 && elsewhere[1] > 500 && elsewhere[2] > 1_500, "{elsewhere:?}");
        assert_eq!(picks(PickPolicy::RoundRobin, ""), [1_000; 3]);
        for even in [PickPolicy::Random, PickPolicy::DataHash] {
            let shares = picks(even, "");
            assert!(shares.iter().all(|share| (800..1_200).contains(share)), "{even:?} {shares:?}");
        }
        assert_eq!(picks(PickPolicy::First, ""), [3_000, 0, 0]);
        assert_eq!(picks(PickPolicy::LeastConn, ""), [0, 3_000, 0]);
        assert_eq!(picks(PickPolicy::Latency, ""), [0, 0, 3_000]);
        let equal = [candidate("a", "", 1, 7), candidate("b", "", 1, 7), candidate("c", "", 1, 7)];
        for policy in [PickPolicy::LeastConn, PickPolicy::Latency, PickPolicy::Near] {
            let shares = shares(policy, &equal, "aws");
            assert!(shares.iter().all(|share| *share > 700), "{policy:?} {shares:?}");
        }
    }

    #[test]
    fn policies_have_the_names_that_settings_give_them() {
        let names = ALL.map(|policy| serde_json::to_string(&policy).expect("a name"));
        let wanted = ["near", "round_robin", "random", "first", "least_conn", "data_hash", "latency"];
        assert_eq!(names, wanted.map(|name| format!("\"{name}\"")));
        assert_eq!(ALL.map(PickPolicy::name), wanted);
    }

    proptest! {
        #[test]
        fn one_of_them_is_picked_and_none_of_none(
            seen in proptest::collection::vec((0_u32..9, 0_u64..1_000, 0_usize..3), 0..9),
            (turn, random, place) in (any::<u64>(), any::<(u64, u64)>(), 0_usize..4),
        ) {
            let (ids, places): (Vec<String>, _) = ((0..seen.len()).map(|at| at.to_string()).collect(), ["a", "b", "c", "d"]);
            let candidates: Vec<_> =
                seen.iter().zip(&ids).map(|((open, latency, place), id)| candidate(id, places[*place], *open, *latency)).collect();
            let ask = PickAsk { place: places[place], turn, random, data: "images/a" };
            for policy in ALL {
                let picked = policy.pick(&candidates, &ask);
                prop_assert_eq!(picked.is_some(), !candidates.is_empty());
                prop_assert!(picked.is_none_or(|picked| picked < candidates.len()));
                let has_own = candidates.iter().any(|one| one.place == ask.place);
                if policy == PickPolicy::Near && has_own {
                    prop_assert!(picked.is_some_and(|picked| candidates[picked].place == ask.place));
                }
            }
        }

        #[test]
        fn what_goes_away_moves_only_what_it_had(keys in proptest::collection::vec("[a-z/]{1,9}", 1..40), gone in 0_usize..5) {
            let ids = ["a", "b", "c", "d", "e"];
            let all: Vec<_> = ids.iter().map(|id| candidate(id, "", 0, 0)).collect();
            let less: Vec<_> = all.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, one)| *one).collect();
            let mut moved = BTreeMap::new();
            for key in &keys {
                let ask = PickAsk { data: key, ..PickAsk::default() };
                let before = PickPolicy::DataHash.pick(&all, &ask).map(|at| all[at].id);
                let after = PickPolicy::DataHash.pick(&less, &ask).map(|at| less[at].id);
                if before != after {
                    moved.insert(key, before);
                }
            }
            prop_assert!(moved.values().all(|before| *before == Some(ids[gone])));
        }
    }
}
